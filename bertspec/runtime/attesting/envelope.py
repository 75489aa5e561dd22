"""The signature of an exported model: a DSSE envelope around its statement, beside the folder.

https://github.com/secure-systems-lab/dsse has the protocol; securesystemslib does it.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.core.errors import CheckFailed, reason
from bertspec.runtime.attesting.checks import Check
from bertspec.runtime.release import statement
from bertspec.runtime.seal import SIGNATURE

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"

SIGN = "`bertspec attest sign` signs what is here now"


def beside(folder: Path) -> Path:
    """Where the signature of a folder is written: not in it, as it is an output of DVC's."""
    named = folder.resolve() if folder.name in ("", "..") else folder
    return named.with_name(f"{named.name}.{SIGNATURE}")


def signature_of(folder: Path) -> Path | None:
    """The signature of a folder: beside it, or in it when it comes from a hub."""
    places = (beside(folder), folder / SIGNATURE)
    return next((path for path in places if path.is_file()), None)


def signed(folder: Path, signer: "CryptoSigner") -> str:
    """The text of the envelope around the statement of a folder."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope((folder / statement.FILE).read_bytes(), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), indent=2) + "\n"


def require_signature_of(path: Path, folder: Path) -> None:
    """Raise CheckFailed (E461) unless a signature is one of the folder's statement."""
    content = folder / statement.FILE
    try:
        payload = base64.b64decode(json.loads(path.read_bytes())["payload"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckFailed.of("E461", f"{path} is no DSSE envelope", SIGN) from None
    if not content.is_file() or payload != content.read_bytes():
        raise CheckFailed.of("E461", f"{path} has signed another statement than {content}", SIGN)


def check_signature(folder: Path, path: Path | None, key: "SSlibKey") -> Check:
    """Whether the key has signed the statement of a folder."""
    try:
        if path is None:
            where = f"{beside(folder)} nor {folder / SIGNATURE}"
            raise CheckFailed.of("E461", f"there is no signature, neither {where}", SIGN)
        require_signature_of(path, folder)
        _verify(path, key)
    except CheckFailed as error:
        return Check("signature", error.diagnostics)
    return Check("signature", said=f"by the key {key.keyid} ({key.scheme})")


def _verify(path: Path, key: "SSlibKey") -> None:
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError

    try:
        values = json.loads(path.read_bytes())
        # What an envelope calls a key is a hint that nothing may depend on (DSSE's protocol), and
        # the library asks that it be that of the key.
        for number, signature in enumerate(values["signatures"]):
            signature["keyid"] = str(number)
        envelope = Envelope.from_dict(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        text = f"{path} is no DSSE envelope: {reason(error)}"
        raise CheckFailed.of("E461", text, SIGN) from None
    if envelope.payload_type != PAYLOAD_TYPE:
        text = f"{path} has signed {envelope.payload_type}, and no in-toto statement"
        raise CheckFailed.of("E461", text, SIGN)
    for name, found in envelope.signatures.items():
        same = type(key)(name, key.keytype, key.scheme, key.keyval)
        try:
            same.verify_signature(found, envelope.pae())
        except (UnverifiedSignatureError, VerificationError):
            continue
        return
    raise CheckFailed.of("E461", f"{path} has no signature by this key", "is it the right key?")
