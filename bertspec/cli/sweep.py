"""`bertspec sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bertspec.cli.completing import sweeps

if TYPE_CHECKING:
    from bertspec.pipeline.lock import Lock
    from bertspec.sweeping.engine import Engine
    from bertspec.sweeping.sweep import Swept


@click.command()
@click.argument("name", shell_complete=sweeps)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True,
    help="Trials at a time. Each has the locked number of threads.",
)  # fmt: skip
@click.option("--restart", is_flag=True, help="Begin anew: forget the trials that there are.")
@click.option(
    "--ray", metavar="ADDRESS",
    help="Run trials on this Ray cluster, such as `auto`, whose machines see this folder.",
)  # fmt: skip
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json"]), default="text",
    help="A table to read, or one JSON object.",
)  # fmt: skip
def command(name: str, jobs: int, restart: bool, ray: str | None, fmt: str) -> int:  # noqa: FBT001
    """Try values of a spec's fields, as sweeps/NAME.yaml says, and tell which are best.

    \b
      bertspec: 1
      spec: sentiment
      metric: validation.accuracy
      sampler: {type: tpe, trials: 20}         # or grid, random
      pruner: {type: median}                   # stop bad trials early; optional
      fields:
        training.learning_rate: {low: 1e-5, high: 1e-3, log: true}
        training.batch.examples: [8, 16, 32]

    Each trial is an experiment of DVC, NAME-1 and so on, of the last commit: `dvc exp show` lists
    it. Stages that it does not change are not run again. Trials are compared by validation rows
    alone; test rows tell how good the chosen one is. One that misses a bound of
    `evaluation.require`, which is of test rows, is rejected: leave bounds out of the spec while
    you search.

    After Ctrl-C or a fault, run it again: trials that have ended are kept, and a training that was
    interrupted goes on from its checkpoint. The same file, commit and --jobs try the same values.

    \b
    Examples:
      bertspec sweep rates
      bertspec sweep rates --jobs 2
      bertspec sweep rates --restart        # forget the trials that there are
    """  # noqa: D301 - click wants the character
    from rich.console import Console

    from bertspec.core.files import make_ignored, removed_on_signals
    from bertspec.core.progress import progress
    from bertspec.core.terminal import json_text
    from bertspec.pipeline.layout import WORK_FOLDER
    from bertspec.runtime.alone import alone
    from bertspec.sweeping.definition import read_definition
    from bertspec.sweeping.sweep import Sweep

    root = Path.cwd()
    definition = read_definition(name, root)
    lock = make_ignored(root / WORK_FOLDER) / "locks" / f"sweep {name}"
    with alone(lock, f"sweep `{name}`"), removed_on_signals():
        sweep = Sweep(definition, restart=restart)
        with progress(f"sweep {name}", sweep.total) as bar:

            def tell(_: object = None, advance: int = 1) -> None:
                best = sweep.swept().best
                said = f"best {best.value:.4g}, {name}-{best.number}" if best else ""
                bar(advance, note=said)

            tell(advance=len(sweep.swept().outcomes))
            swept = sweep.run(_engine(ray, jobs, definition.lock), jobs, tell)
    if fmt == "json":
        click.echo(json_text(_as_json(swept)).encode("utf-8"))  # in any locale
    else:
        _show(swept, Console(highlight=False, markup=False, emoji=False))
    if swept.best is None:
        click.echo(f"no trial of `{name}` is complete", err=True)
        return 1
    return 0


def _engine(ray: str | None, jobs: int, lock: "Lock") -> "Engine":
    from bertspec.core.packages import available_cores
    from bertspec.core.verbosity import note
    from bertspec.sweeping.engine import ThisMachine

    if ray is not None:
        from bertspec.sweeping.on_ray import Cluster

        return Cluster(ray, jobs, lock)
    cores, threads = available_cores(), lock.threads
    if jobs > 1 and jobs * threads > cores:
        note(f"{jobs} trials of {threads} threads share {cores} cores: fewer jobs may be faster")
    return ThisMachine(jobs)


def _as_json(swept: "Swept") -> dict[str, Any]:
    trials = [
        {
            "experiment": swept.experiment(number),
            "values": dict(values),
            "state": swept.outcomes[number].state,
            "value": swept.outcomes[number].value,
            "curve": list(swept.outcomes[number].curve),
            "reason": swept.outcomes[number].reason,
            "seconds": swept.outcomes[number].seconds,
        }
        for number, values in swept.trials.items()
    ]
    return {
        "sweep": swept.name,
        "spec": swept.spec,
        "metric": str(swept.objective),
        "lower_is_better": swept.objective.lower_is_better,
        "trials": trials,
        "best": swept.experiment(swept.best.number) if swept.best else None,
    }


def _short(value: Any) -> str:
    """A drawn number has more digits than one reads; JSON has all of them."""
    from bertspec.core.values import shown

    return f"{value:.4g}" if isinstance(value, float) else shown(value)


def _show(swept: "Swept", console: "Any") -> None:
    from rich.table import Table

    fields = list(next(iter(swept.trials.values())))
    table = Table("experiment")
    below = [field.partition(".")[2] for field in fields]  # their section
    titles = below if len({*below}) == len(fields) else fields
    for title in (*titles, str(swept.objective), "state", "seconds"):
        table.add_column(title, overflow="fold")
    for number, values in swept.trials.items():
        outcome = swept.outcomes[number]
        value = "-" if outcome.value is None else f"{outcome.value:.4f}"
        row = [_short(values[field]) for field in fields]
        state = outcome.state.value
        if outcome.curve and state == "pruned":
            state += f" after {len(outcome.curve)}"
        table.add_row(swept.experiment(number), *row, value, state, f"{outcome.seconds:.0f}")
    console.print(table)
    for outcome in swept.outcomes.values():
        if outcome.reason:
            said = f"{swept.experiment(outcome.number)} {outcome.state}: {outcome.reason}"
            console.print(said, soft_wrap=True)
    if best := swept.best:
        name = swept.experiment(best.number)
        order = "lowest" if swept.objective.lower_is_better else "highest"
        console.print(f"{name} has the {order} {swept.objective}: {best.value:.4f}")
        console.print(f"to keep it: bertspec adopt {swept.spec} --experiment {name}")
