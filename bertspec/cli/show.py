"""`bertspec show`."""

from pathlib import Path

import click


@click.command()
@click.argument("names", nargs=-1)
def command(names: tuple[str, ...]) -> None:
    """Show the metrics of the models in this project, and where their artifacts are.

    NAMES are specs, by default all that have been evaluated.
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from bertspec.core.errors import InputError
    from bertspec.pipeline import layout

    found = names or sorted(p.parent.name for p in Path("models").glob("*/metrics.json"))
    if not found:
        raise InputError.of("E206", "no model has been evaluated here", "run `dvc repro`")
    console = Console(highlight=False)
    for name in found:
        path = Path(layout.metrics(name))
        if not path.is_file():
            raise InputError.of("E206", f"{path} is missing", "run `dvc repro`")
        metrics = json.loads(path.read_text(encoding="utf-8"))
        splits = [s for s in ("train", "validation", "test") if s in metrics]
        table = Table("metric", *splits, title=name, title_style="bold", title_justify="left")
        for metric in metrics["train"]:  # test may not define all of them
            table.add_row(metric, *(_shown(metrics[s].get(metric)) for s in splits))
        console.print(table)
        console.print(f"{metrics['fit']['verdict']}: {metrics['fit']['evidence']}", soft_wrap=True)
        for title, place in (
            ("trained", layout.trained(name)),
            ("export", layout.export(name)),
            ("report", layout.report(name)),
        ):
            if Path(place).exists():
                console.print(f"{title:8} {place}", soft_wrap=True)


def _shown(value: float | None) -> str:
    """A dash for a metric that the split does not define."""
    return "-" if value is None else f"{value:.4f}"
