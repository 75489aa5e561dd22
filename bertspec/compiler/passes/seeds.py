"""Further seeds: the spec's train and evaluate stages again, and the spread of their metrics."""

from dataclasses import replace

from bertspec.compiler.passes.stages import make_stage
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.load import LoadedSpec


def lower_seeds(loaded: LoadedSpec, train: Stage, evaluate: Stage, lock: Lock) -> list[Stage]:
    """The stages of the further seeds, and the one that reads the metrics of all of them.

    `train` and `evaluate` are those of the spec's own model. None without further seeds.
    """
    spec = loaded.spec
    seeds = sorted(spec.training.seeds)
    if not seeds:
        return []
    further = [_of_seed(stage, spec.name, seed) for seed in seeds for stage in (train, evaluate)]
    metrics = layout.metrics(spec.name)
    spread = make_stage(
        "seeds",
        spec.name,
        lock,
        origin=train.origin,
        params={"seed": f"{spec.name}.training.seed"},
        inputs={
            "metrics": metrics,
            **{f"metrics_{seed}": layout.of_seed(metrics, spec.name, seed) for seed in seeds},
        },
        outputs={"seeds": Output(layout.seeds(spec.name), OutputKind.METRIC)},
    )
    return [*further, spread]


def _of_seed(stage: Stage, spec: str, seed: int) -> Stage:
    """The stage with another seed. It reads the same params, so that an experiment on one of them
    is one on all seeds.
    """
    # No other stage's name can end so: each ends in its kind.
    return replace(
        stage,
        name=f"{stage.name}-seed{seed}",
        seed=seed,
        inputs={role: layout.of_seed(path, spec, seed) for role, path in stage.inputs.items()},
        outputs={role: _output(output, spec, seed) for role, output in stage.outputs.items()},
    )


def _output(output: Output, spec: str, seed: int) -> Output:
    path = layout.of_seed(output.path, spec, seed)
    # `dvc plots show` shows the curves of the spec's own model, and not those of a hundred.
    kind = OutputKind.FILE if output.kind is OutputKind.PLOT else output.kind
    return Output(path, kind)
