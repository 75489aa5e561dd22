"""`bertspec diff`."""

from pathlib import Path

import click


@click.command()
@click.argument("words", nargs=-1, metavar="[A] [B]")
@click.option(
    "--exit-code", is_flag=True, help="Exit code 1 when something differs, as `git diff` has it.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Text to read, or one JSON object.",
)  # fmt: skip
def command(words: tuple[str, ...], exit_code: bool, fmt: str) -> int:  # noqa: FBT001
    """Compare two revisions of the project, or two specs, by what they mean.

    A and B are both revisions of git, and then all specs are compared; or both specs: NAME as it
    is here, or NAME@REVISION. Without B it is what is here, committed or not; without A, too, it is
    HEAD beside what is here.

    It tells which fields differ once every default is written out: those that change results, with
    the stages that run again, and those that do not; what the locks fix; rows that were added,
    removed, relabelled, edited or moved, with data from DVC's cache or remote; and metrics, of
    which `bertspec compare` says what is more than chance. Another layout is no difference.

    \b
    Examples:
      bertspec diff                         # since the last commit
      bertspec diff main
      bertspec diff v1 v2
      bertspec diff sentiment@main          # with sentiment here
      bertspec diff small large
    """  # noqa: D301 - click wants the character
    import tempfile

    from bertspec.core.files import removed_on_signals
    from bertspec.core.terminal import json_text
    from bertspec.diffing.diff import diff
    from bertspec.diffing.report import as_json, show
    from bertspec.diffing.side import SPECS
    from bertspec.diffing.wanted import MOST, read_words
    from bertspec.spec.load import load

    if len(words) > MOST:
        raise click.UsageError("name two revisions or specs, and no more")
    root = Path.cwd()
    here = load([SPECS], root)
    names = {loaded.spec.name for loaded in here.specs}
    with removed_on_signals(), tempfile.TemporaryDirectory(prefix="bertspec-diff-") as folder:
        found = diff(read_words(words, root, names), root, here, Path(folder))
    if fmt == "json":
        click.echo(json_text(as_json(found)).encode("utf-8"))  # in any locale
    else:
        from rich.console import Console

        show(found, Console(highlight=False, markup=False, emoji=False))
    return int(exit_code and found.differs)
