"""`bertspec show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bertspec.cli.completing import evaluated_models

if TYPE_CHECKING:
    from rich.table import Table


@click.command()
@click.argument("names", nargs=-1, shell_complete=evaluated_models)
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="Tables to read, or one JSON object: for each model its metrics, those over seeds, and "
    "the places of its artifacts.",
)  # fmt: skip
def command(names: tuple[str, ...], fmt: str) -> None:
    """Show the metrics of the models in this project, and where their artifacts are.

    NAMES are specs, by default all that have been evaluated.

    \b
    Examples:
      bertspec show
      bertspec show sentiment --format json
    """  # noqa: D301 - click wants the character
    from rich.console import Console

    from bertspec.core.errors import InputError
    from bertspec.core.names import did_you_mean, sentences
    from bertspec.core.terminal import json_text
    from bertspec.pipeline import layout

    evaluated = sorted(path.parent.name for path in Path().glob(layout.metrics("*")))
    if not evaluated:
        raise InputError.of("E206", "no model has been evaluated here", "run `dvc repro`")
    for name in names:
        if name not in evaluated:
            raise InputError.of(
                "E206",
                f"{layout.metrics(name)} is missing",
                sentences(did_you_mean(name, evaluated), "`dvc repro` evaluates what has not been"),
            )
    found = {name: _read(name) for name in names or evaluated}
    shown = {name: _summary(name, about) for name, about in found.items()}
    if fmt == "json":
        click.echo(json_text(found).encode("utf-8"))  # in any locale
        return
    console = Console(highlight=False)
    for parts in shown.values():
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, str))


def _read(name: str) -> dict[str, Any]:
    """The metrics of a model, and the places of what has been built.

    Raises InputError (E206) for a metrics.json that is no JSON.
    """
    import json

    from bertspec.pipeline import layout

    path = Path(layout.metrics(name))
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        seeds = _over_seeds(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(name, error) from None
    places = {
        "trained": layout.trained(name),
        "export": layout.export(name),
        "report": layout.report(name),
    }
    there = {title: place for title, place in places.items() if Path(place).exists()}
    return {"metrics": metrics, "seeds": seeds, "artifacts": there}


def _broken(name: str, error: Exception) -> Exception:
    from bertspec.core.errors import InputError
    from bertspec.pipeline import layout

    return InputError.of(
        "E206",
        f"{layout.metrics(name)} is broken or incomplete ({type(error).__name__}: {error})",
        "`dvc repro` writes it anew",
    )


def _summary(name: str, about: dict[str, Any]) -> list["Table | str"]:
    """The metrics as a table, the verdict, and the places.

    Raises InputError (E206) for a metrics.json that is not as evaluate writes it.
    """
    from rich.table import Table

    metrics, seeds = about["metrics"], about["seeds"]
    try:
        splits = [s for s in ("train", "validation", "test") if s in metrics]
        sure = metrics.get("intervals", {})
        columns = [*splits, *(["test lies in"] if sure else [])]
        columns += [f"test, {seeds['loss']['seeds']} seeds"] if seeds else []
        table = Table("metric", *columns, title=name, title_style="bold", title_justify="left")
        for metric in metrics["train"]:  # test may not define all of them
            values = [_shown(metrics[s].get(metric)) for s in splits]
            values += [_between(sure.get(metric))] if sure else []
            values += [_spread(seeds.get(metric))] if seeds else []
            table.add_row(metric, *values)
        simple = [
            f"{baseline:12} " + ", ".join(f"{m} {_shown(v)}" for m, v in measured.items())
            for baseline, measured in metrics.get("baselines", {}).items()
        ]
        verdict = f"{metrics['fit']['verdict']}: {metrics['fit']['evidence']}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken(name, error) from None
    there = [f"{title:8} {place}" for title, place in about["artifacts"].items()]
    return [table, *simple, verdict, *there]


def _between(interval: "dict[str, float] | None") -> str:
    return f"{interval['low']:.4f} - {interval['high']:.4f}" if interval else "-"


def _over_seeds(name: str) -> dict[str, dict[str, float]]:
    """How the metrics of the test split differ between seeds; empty without further seeds."""
    import json

    from bertspec.pipeline import layout
    from bertspec.pipeline.stage import RECORDS
    from bertspec.runtime.stage import read_params

    path = Path(layout.seeds(name))
    # It may be left from when there were some.
    if not path.is_file() or f"{name}-seeds" not in read_params(Path()).get(RECORDS, {})["stages"]:
        return {}
    found: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["test"]
    return found


def _spread(seeds: dict[str, float] | None) -> str:
    """Mean and standard deviation."""
    return f"{seeds['mean']:.4f} +- {seeds['std']:.4f}" if seeds and "std" in seeds else "-"


def _shown(value: float | None) -> str:
    """A dash for a metric that the split does not define."""
    return "-" if value is None else f"{value:.4f}"
