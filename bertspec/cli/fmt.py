"""`bertspec fmt`."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bertspec.core.diagnostics import Diagnostic


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def command(paths: tuple[Path, ...], check: bool, diff: bool) -> int:  # noqa: FBT001
    """Format specs and data sets: indentation, spaces, order of keys.

    PATHS are files and folders, by default `specs`. A folder stands for the specs in it, those
    whose name begins with `_` too, and the data sets in its folder `datasets`.

    Every comment stays, and what a file means does; both are looked at before anything is written.
    When one file cannot be read or formatted, none is written.

    \b
    Examples:
      bertspec fmt
      bertspec fmt --check            # for CI
      bertspec fmt --diff specs/sentiment.yaml
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import CheckFailed, InputError
    from bertspec.core.files import write_atomic
    from bertspec.core.verbosity import did
    from bertspec.formatting.spec_file import formatted
    from bertspec.spec.document import shown

    root = Path.cwd()
    texts: dict[Path, tuple[str, str]] = {}
    found: dict[Diagnostic, None] = {}
    for file in _files([root / path for path in paths or (Path("specs"),)], root, found):
        try:
            texts[file] = formatted(file, root)
        except InputError as error:
            found.update(dict.fromkeys(error.diagnostics))
    if found:
        raise InputError(list(found))
    changed = {file: pair for file, pair in texts.items() if pair[0] != pair[1]}
    for file, (old, new) in changed.items():
        if diff:
            _show_difference(shown(file, root), old, new)
        elif not check:
            write_atomic(file, new.encode("utf-8"))
            did(f"formatted {shown(file, root)}")
    if check and changed:
        names = ", ".join(shown(file, root) for file in changed)
        raise CheckFailed.of("E234", f"not formatted: {names}", "run `bertspec fmt`")
    if not diff:
        count = f"{len(texts)} file{'s' if len(texts) != 1 else ''}"
        did(f"{count}, {len(changed)} changed" if changed else f"{count}, all formatted")
    return 0


def _files(paths: Iterable[Path], root: Path, found: "dict[Diagnostic, None]") -> Iterator[Path]:
    """The files that paths stand for; `found` gets those that are not there."""
    from bertspec.core.diagnostics import Diagnostic, Position
    from bertspec.core.names import nearest_file
    from bertspec.spec.document import shown
    from bertspec.spec.extends import DATA_SETS, SUFFIXES
    from bertspec.spec.unsaved import is_file

    for path in paths:
        name = shown(path, root)
        if is_file(path):
            yield path
        elif not os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a very long name
            message = f"there is no file or folder {name}"
            found[Diagnostic("E007", message, nearest_file(path), Position(name))] = None
        else:
            for folder in (path, path / DATA_SETS):
                for file in sorted(folder.iterdir()) if folder.is_dir() else ():
                    is_spec = file.suffix.lower() in SUFFIXES and file.name[0] != "."
                    if is_spec and file.is_file():
                        yield file


def _show_difference(name: str, old: str, new: str) -> None:
    from difflib import unified_diff

    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for line in unified_diff(before, after, name, f"{name} (formatted)"):
        click.echo(line, nl=not line.endswith("\n"))
