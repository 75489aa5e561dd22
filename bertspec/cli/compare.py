"""`bertspec compare`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bertspec.cli.completing import evaluated_models
from bertspec.cli.ranges import FiniteRange

if TYPE_CHECKING:
    from rich.console import Console

    from bertspec.core.diagnostics import Diagnostic
    from bertspec.runtime.comparing.paired import Compared
    from bertspec.runtime.comparing.side import Side


@click.command()
@click.argument("first", shell_complete=evaluated_models)
@click.argument("second", shell_complete=evaluated_models)
@click.option(
    "--require",
    type=click.Choice(["no-worse", "better"]),
    help="Exit code 1 unless the second model is better by the headline metric, or no worse.",
)
@click.option(
    "--margin",
    type=FiniteRange(min=0),
    help="With `--require no-worse`: a loss of the metric that does not matter. Then the interval "
    "must rule out a larger one, and not only fail to show one.",
)
@click.option(
    "--resamples", type=click.IntRange(20, 100_000), default=2000, show_default=True,
    help="How often the rows are drawn again.",
)  # fmt: skip
@click.option(
    "--level", type=FiniteRange(0, 1, min_open=True, max_open=True), default=0.95,
    show_default=True, help="Share of the resamples inside an interval.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the draws.")
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json", "markdown"]), default="text",
    help="A table to read, one JSON object, or a comment for a pull request.",
)  # fmt: skip
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write the comparison report as well: one page with all of it, that needs no other file.",
)  # fmt: skip
def command(
    first: str,
    second: str,
    require: str | None,
    margin: float | None,
    resamples: int,
    level: float,
    seed: int,
    fmt: str,
    html: Path | None,
) -> None:
    """Tell whether the second of two models is better than the first, on the same test rows.

    Each is NAME, a spec that has been evaluated here, or NAME@REVISION: as it was at a branch, tag
    or commit of git, with its predictions from DVC's cache or remote.

    The same rows are drawn again and again for both (paired bootstrap): the interval is that of the
    difference, and a verdict is given where it does not hold 0. With `training.seeds`, a metric
    is the mean over them, and what other seeds might give is in the interval. For one label a row
    there is McNemar's exact test, too.

    `--html` and `--format markdown` also tell which fields, rows and stages differ, with curves and
    the test rows that one of both has right, as far as git and DVC have them.

    \b
    Examples:
      bertspec compare sentiment@main sentiment
      bertspec compare small large --require no-worse --margin 0.01
      bertspec compare sentiment@main sentiment --html comparison.html --format markdown
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import CheckFailed
    from bertspec.core.files import removed_on_signals
    from bertspec.core.terminal import json_text
    from bertspec.pipeline.params.evaluate import Intervals
    from bertspec.runtime.comparing.paired import compare
    from bertspec.runtime.comparing.side import read_side

    if margin is not None and require != "no-worse":
        raise click.UsageError("--margin is of --require no-worse")
    with removed_on_signals():
        sides = [read_side(name, Path.cwd()) for name in (first, second)]
    compared = compare(sides[0], sides[1], Intervals(resamples=resamples, level=level, seed=seed))
    if html is not None or fmt == "markdown":
        said = _report(sides, compared, level, html)
    if fmt == "markdown":
        click.echo(said.encode("utf-8"), nl=False)
    elif fmt == "json":
        click.echo(json_text(_as_json(sides, compared)).encode("utf-8"))  # in any locale
    else:
        from rich.console import Console

        _show(sides, compared, level, Console(highlight=False, markup=False, emoji=False))
    if require and (found := _unmet(sides, compared, require, margin)):
        raise CheckFailed([found])


def _report(sides: "list[Side]", compared: "Compared", level: float, html: Path | None) -> str:
    """Write the page, and give the comment."""
    import tempfile

    from bertspec.core.files import removed_on_signals, write_atomic
    from bertspec.diffing.beside import beside
    from bertspec.diffing.comment import as_markdown
    from bertspec.diffing.comparison import as_page

    with removed_on_signals(), tempfile.TemporaryDirectory(prefix="bertspec-compare-") as folder:
        found = beside((sides[0], sides[1]), compared, level, Path.cwd(), Path(folder))
        if html is not None:
            write_atomic(html, as_page(found).encode("utf-8"))
        return as_markdown(found)


def _as_json(sides: "list[Side]", compared: "Compared") -> dict[str, Any]:
    differences = [asdict(d) | {"difference": d.difference} for d in compared.differences]
    return asdict(compared) | {
        "models": [side.name for side in sides],
        "headline": sides[0].task.headline,
        "differences": differences,
    }


def _show(sides: "list[Side]", compared: "Compared", level: float, console: "Console") -> None:
    from rich.table import Table

    first, second = (side.name for side in sides)
    table = Table(
        "metric", first, second, "difference", f"{100 * level:g}% interval", "p", "verdict"
    )
    for d in compared.differences:
        table.add_row(
            d.metric, f"{d.first:.4f}", f"{d.second:.4f}", f"{d.difference:+.4f}",
            f"{d.low:+.4f} to {d.high:+.4f}", f"{d.p:.3f}", d.verdict,
        )  # fmt: skip
    console.print(table)
    said = f"{compared.rows:,} test rows of both"
    for side, count in zip(sides, compared.only, strict=True):
        said += f"; {count:,} of {side.name} alone, left out" if count else ""
    if max(compared.seeds) > 1:
        said += f"; means over {compared.seeds[0]} and {compared.seeds[1]} seeds"
    console.print(said, soft_wrap=True)
    if one := compared.mcnemar:
        console.print(
            f"McNemar: {one.first_only:,} rows are right in {first} alone, {one.second_only:,} in "
            f"{second} alone, p {one.p:.3f}",
            soft_wrap=True,
        )


def _unmet(
    sides: "list[Side]", compared: "Compared", require: str, margin: float | None
) -> "Diagnostic | None":
    from bertspec.core.diagnostics import Diagnostic
    from bertspec.runtime.comparing.paired import BETTER, WORSE

    name, metric = sides[1].name, sides[0].task.headline  # of which more is better
    found = next((d for d in compared.differences if d.metric == metric), None)
    if found is None:
        return Diagnostic("E492", f"`{metric}` is not defined on these test rows")
    if require == "better":
        holds = found.verdict == BETTER
    else:
        holds = found.verdict != WORSE if margin is None else found.low > -margin
    if holds:
        return None
    wanted = f"{require.replace('-', ' ')}{f' by {margin:g}' if margin is not None else ''}"
    return Diagnostic(
        "E492",
        f"{name} is not shown to be {wanted}: {metric} {found.first:.4f} and {found.second:.4f}, "
        f"interval of the difference {found.low:+.4f} to {found.high:+.4f}",
        "more test rows or seeds make the interval smaller",
    )
