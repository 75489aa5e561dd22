"""`bertspec import`."""  # noqa: N999 - commands are modules of their names

from pathlib import Path

import click

_KINDS = ("run_glue", "trainer", "ludwig", "spacy")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A new file for it."
)
def command(kind: str, arguments: tuple[str, ...], output: Path | None) -> int:
    """Translate what another tool is told into a spec.

    \b
    Examples:
      bertspec import run_glue --model_name_or_path bert-base-cased --task_name mrpc
      bertspec import run_glue arguments.json
      bertspec import trainer runs/1             # what transformers' Trainer has saved
      bertspec import ludwig model.yaml reviews.csv
      bertspec import spacy config.cfg

    The spec is printed, or written to a file that is not there yet. Defaults of the other tool
    are written out where bertspec has others. What has no counterpart stands above it in comments,
    each with the reason, and so does what only you know.
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import InputError
    from bertspec.core.files import write_if_changed
    from bertspec.core.verbosity import did
    from bertspec.importing import translator

    if output is not None and output.exists():
        raise InputError.of(
            "E243", f"{output} is there already", "name a new file, or move it away"
        )
    made = translator(kind)(arguments)
    if output is None:
        click.echo(made.text().encode("utf-8"), nl=False)  # in any locale
        return 0
    made.name(output.stem)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_if_changed(output, made.text())
    did(f"{output} written: {len(made.open)} to fill in, {len(made.left)} not carried over")
    return 0
