"""`bertspec bundle`."""

from collections.abc import Mapping
from contextlib import suppress

import click

from bertspec.cli.completing import exported_models


@click.group()
def command() -> None:
    """Look after exported models.

    \b
    bertspec bundle verify MODEL   check that each file is as it was exported
    """  # noqa: D301 - click wants the character


@command.command()
@click.argument("model", shell_complete=exported_models)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="A line to read, or one JSON object: the SHA-256 of each file, and what holds.",
)  # fmt: skip
def verify(model: str, fmt: str) -> None:
    """Check that each file of an exported model is as it was exported.

    MODEL is the name of a spec that has been built, or an export folder. Its manifest.json has the
    SHA-256 of every other file in it. Exit code 1 when one is missing, changed, or not in it, or
    when its provenance.json, sbom.cdx.json, spec.yaml and bertspec.lock do not fit each other: it
    is `bertspec attest verify` without a signature. Exit code 2 for what is no exported model.

    `bertspec predict`, `bertspec serve` and `bertspec.load` check all that is there but the model
    card and the exports that they do not run.

    \b
    Examples:
      bertspec bundle verify sentiment
      bertspec bundle verify models/sentiment/export --format json
    """  # noqa: D301 - click wants the character
    from bertspec.cli.predict import export_folder
    from bertspec.core.errors import BertspecError
    from bertspec.core.terminal import json_text
    from bertspec.core.verbosity import did
    from bertspec.runtime.attesting.checks import checks, require
    from bertspec.runtime.seal import Seal

    folder = export_folder(model)
    found = checks(folder)
    if fmt == "json":
        files: Mapping[str, str] = {}
        with suppress(BertspecError):  # then the first check does not hold
            files = Seal.read(folder).files
        told = [check.as_json() for check in found]
        said = {"folder": str(folder), "files": files, "checks": told}
        click.echo(json_text(said).encode("utf-8"))
    require(found)
    if fmt == "text":
        did(f"{folder}: {found[0].said}")
