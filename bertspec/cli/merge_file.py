"""`bertspec merge-file`."""

from pathlib import Path

import click


@click.command()
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("path")
def command(base: Path, ours: Path, theirs: Path, path: str) -> int:
    """Merge THEIRS into OURS, which both began as BASE, as `bertspec setup-git` lets git call it.

    PATH says which file of the project they are. dvc.yaml and params.yaml are merged stage by stage
    and key by key, dvc.lock by whole stages; of metrics and plots that both sides built, ours stay.
    Exit code 1 where the file is not final: a conflict for git.

    \b
    Examples:
      bertspec merge-file %O %A %B %P    # in the settings of git
    """  # noqa: D301 - click wants the character
    from bertspec.core.terminal import one_line
    from bertspec.merging.merge import merge_file

    final, told = merge_file(base, ours, theirs, path)
    if told:
        click.echo(f"bertspec: {one_line(told)}", err=True)
    return 0 if final else 1
