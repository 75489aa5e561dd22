"""An archive that PyTorch wrote, without what tells of the machine and not of the model."""

import hashlib
import io
import zipfile
from collections.abc import Callable

_ALIGNMENT = 64
"""Offset of each entry's bytes, as PyTorch's own writer has it, so that tensors can be mapped."""

_ID = "/.data/serialization_id"
_ID_DIGITS = 40

Change = Callable[[str, bytes], bytes | None]
"""Name and bytes of an entry -> its new bytes, or None for one that is left out."""


def rewritten(archive: bytes, change: Change) -> bytes:
    """The archive with each entry changed.

    PyTorch's hash of all that it wrote becomes one of what is there now.
    """
    contents: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                contents[name] = content
    hashed = hashlib.sha256()
    for name, content in contents.items():
        if not name.endswith(_ID):
            hashed.update(content)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as new:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name)  # its date is 1980, whatever the clock says
            header = 30 + len(name.encode()) + 4
            padding = -(target.tell() + header) % _ALIGNMENT
            entry.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            new.writestr(entry, _digits(hashed) if name.endswith(_ID) else content)
    return target.getvalue()


def _digits(hashed: "hashlib._Hash") -> bytes:
    """A hash as PyTorch writes one: in decimal digits."""
    return f"{int(hashed.hexdigest(), 16) % 10**_ID_DIGITS:0{_ID_DIGITS}}".encode()
