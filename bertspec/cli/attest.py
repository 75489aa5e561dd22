"""`bertspec attest`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bertspec.cli.completing import exported_models

if TYPE_CHECKING:
    from bertspec.runtime.attesting.checks import Check

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Sign what an exported model says of its origin, and check it.

    \b
    bertspec attest sign MODEL --key KEY.pem        sign its provenance.json
    bertspec attest verify MODEL --key PUBLIC.pem   check it, file by file
    """  # noqa: D301 - click wants the character


@command.command()
@click.argument("model", shell_complete=exported_models)
@click.option("--key", type=_FILE, required=True, help="The private key, PEM.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the signature; by default beside the folder.",
)  # fmt: skip
def sign(model: str, key: Path, output: Path | None) -> None:
    """Sign the provenance.json of an exported model, which has the digest of each file.

    MODEL is the name of a spec that has been built, or an export folder. What `bertspec attest
    verify` checks must hold. The signature, a DSSE envelope, is written beside the folder, as
    models/NAME/export.provenance.dsse.json: commit it. `bertspec push-to-hub` sends it, too.

    KEY is of Ed25519, ECDSA (P-256, P-384, P-521), RSA or ML-DSA. The password of one that is
    encrypted is that of BERTSPEC_KEY_PASSWORD, or is asked for.

    \b
    Examples:
      bertspec attest sign sentiment --key key.pem
    """  # noqa: D301 - click wants the character
    from bertspec.cli.predict import export_folder
    from bertspec.core.files import write_atomic
    from bertspec.runtime.attesting.checks import checks, require
    from bertspec.runtime.attesting.envelope import beside, signed
    from bertspec.runtime.attesting.keys import private_key

    folder = export_folder(model)
    signer = private_key(key, lambda: _password(key))
    require(checks(folder))
    path = output or beside(folder)
    write_atomic(path, signed(folder, signer).encode())
    click.echo(f"{path}: signed by the key {signer.public_key.keyid} ({signer.public_key.scheme})")


@command.command()
@click.argument("model", shell_complete=exported_models)
@click.option("--key", type=_FILE, help="The public key that must have signed it, PEM.")
@click.option(
    "--signature", type=_FILE,
    help="The signature; by default that beside the folder, or in it when it comes from a hub.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="A line for each check, or one JSON object.",
)  # fmt: skip
def verify(model: str, key: Path | None, signature: Path | None, fmt: str) -> None:
    """Check that an exported model is what it says of itself.

    MODEL is the name of a spec that has been built, or an export folder. Looked at are

    \b
    files      each is as manifest.json has it, and there is no other
    statement  provenance.json is of these files
    sbom       sbom.cdx.json has the packages of bertspec.lock
    materials  provenance.json has the spec of spec.yaml, the packages and threads of
               bertspec.lock, and what both name of the hub and the web
    signature  with --key: the key has signed provenance.json

    Exit code 1 where one does not hold. Without --key it says that the parts fit each other, and
    not who made them.

    \b
    Examples:
      bertspec attest verify sentiment
      bertspec attest verify sentiment --key public.pem
    """  # noqa: D301 - click wants the character
    from bertspec.cli.predict import export_folder
    from bertspec.core.terminal import json_text, printable
    from bertspec.runtime.attesting.checks import Check, checks, require
    from bertspec.runtime.attesting.envelope import check_signature, signature_of
    from bertspec.runtime.attesting.keys import public_key

    if signature is not None and key is None:
        raise click.UsageError("--signature is checked with a --key")
    folder = export_folder(model)
    public = public_key(key) if key is not None else None
    found = checks(folder)
    if public is None:
        found.append(Check("signature", said="no --key was given", done=False))
    else:
        found.append(check_signature(folder, signature or signature_of(folder), public))
    if fmt == "json":
        told = {"model": str(folder), "checks": [check.as_json() for check in found]}
        click.echo(json_text(told).encode("utf-8"))  # in any locale
    else:
        for check in found:
            click.echo(printable(f"{check.name:<9}  {_as_text(check)}"))
    require(found)


def _as_text(check: "Check") -> str:
    if check.holds is None:
        return f"not checked: {check.said}"
    return f"holds: {check.said}" if check.holds else "does not hold"


def _password(key: Path) -> str:
    """Raises InputError (E463) where nobody can be asked."""
    from bertspec.core.errors import InputError
    from bertspec.runtime.attesting.keys import PASSWORD

    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError.of(
            "E463",
            f"{key} is encrypted, and nobody can be asked",
            f"set {PASSWORD} to its password",
        )
    password: str = click.prompt(f"Password of {key}", hide_input=True, err=True)
    return password
