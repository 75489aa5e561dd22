"""`bertspec verify`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bertspec.cli.completing import evaluated_models

if TYPE_CHECKING:
    from bertspec.core.diagnostics import Diagnostic
    from bertspec.runtime.verifying.difference import Difference


@click.command()
@click.argument("names", nargs=-1, shell_complete=evaluated_models)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="A line for each stage, or one JSON object.",
)  # fmt: skip
def command(names: tuple[str, ...], fmt: str) -> None:
    """Build models again in a new folder, and compare every file with what is here, bit for bit.

    NAMES are specs, by default all. The rebuild has the specs, bertspec.lock and your own files,
    and nothing that was built; each stage runs in a process of its own, with another locale, time
    zone, umask and order of sets. It takes as long as a build from nothing.

    Exit code 1 at the first stage that makes something else, with what differs and which ingredient
    is not the same. Files of the same content in other bytes are a difference, and said to be such.

    \b
    Examples:
      bertspec verify
      bertspec verify sentiment
    """  # noqa: D301 - click wants the character
    import tempfile

    from bertspec.cli.compile import difference, lowered
    from bertspec.core.errors import CheckFailed
    from bertspec.core.files import removed_on_signals
    from bertspec.core.progress import progress
    from bertspec.core.terminal import json_text
    from bertspec.runtime.verifying.difference import differences
    from bertspec.runtime.verifying.ingredients import causes
    from bertspec.runtime.verifying.rebuild import copy_sources, rebuild
    from bertspec.runtime.verifying.scope import compared, needed, require_built

    root = Path.cwd()
    _, pipeline = lowered((), root)
    stages = needed(pipeline, names)
    require_built(stages, root)
    same: dict[str, int] = {}
    found: list[Difference] = []
    why: list[str] = []
    with removed_on_signals(), tempfile.TemporaryDirectory(prefix="bertspec-verify-") as place:
        folder = Path(place) / "a rebuild"
        folder.mkdir()
        for name, text in difference(pipeline, folder)[1].items():
            (folder / name).write_text(text, encoding="utf-8")
        with progress("verify", len(stages)) as bar:
            for stage in stages:
                bar(0, stage.name)
                copy_sources(stage.sources, root, folder)
                rebuild(stage.name, folder)
                paths = compared(stage)
                if found := [d for path in paths for d in differences(path, root, folder)]:
                    why = causes(stages, stage, root, folder, pipeline.hardware)
                    break
                same[stage.name] = sum(_count(folder / path) for path in paths)
                if fmt == "text":
                    click.echo(f"same  {stage.name}: {_files(same[stage.name])}")
                bar()
    if fmt == "json":
        told = {"same": same, "differences": [asdict(d) for d in found], "causes": why}
        click.echo(json_text(told).encode("utf-8"))  # in any locale
    elif not found:
        click.echo(f"{_files(sum(same.values()))} of {len(same)} stages, the same to the bit")
    if found:
        raise CheckFailed([_told(found, why)])


def _told(found: "list[Difference]", why: list[str]) -> "Diagnostic":
    from bertspec.core.diagnostics import Diagnostic

    more = f"; {_files(len(found) - 1)} more differ" if len(found) > 1 else ""
    none = "all that manifests and the lock say is the same: it may be other hardware, see "
    advice = "; ".join(why) or f"{none}`bertspec doctor`"
    return Diagnostic("E480", f"{found[0].path}: {found[0].what}{more}", advice)


def _files(count: int) -> str:
    return f"{count:,} file{'s' if count != 1 else ''}"


def _count(path: Path) -> int:
    return sum(p.is_file() for p in path.rglob("*")) if path.is_dir() else 1
