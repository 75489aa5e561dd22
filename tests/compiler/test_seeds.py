"""What `training.seeds` compiles to: stages beside those of the spec's own model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bertspec.compiler.checks import load_checked
from bertspec.compiler.emit import emit_dvc, emit_params
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Pipeline
from tests.projects import SPEC, Project

GOLDEN = Path(__file__).parent / "golden"


def _pipeline(
    project: Project, seeds: Sequence[int] | None, file: str = "tiny.json", **changes: Any
) -> Pipeline:
    """The pipeline after a spec is written, with these further seeds."""
    spec: dict[str, Any] = json.loads(json.dumps(SPEC)) | changes
    if seeds is not None:
        spec["training"]["seeds"] = list(seeds)
    project.write_spec(spec, file)
    loaded = load_checked([Path("specs")], project.root)
    assert not loaded.diagnostics
    lock = Lock(threads=2, packages=dict.fromkeys(packages_used(loaded.specs), "1.0"))
    return lower(loaded.specs, lock)


def _dvc(pipeline: Pipeline) -> dict[str, Any]:
    """Each stage as dvc.yaml has it, and with it the values of the params that DVC watches."""
    stages = load_plain(emit_dvc(pipeline, None))["stages"]
    params = load_plain(emit_params(pipeline, None))

    def value(key: str) -> Any:
        found: Any = params
        for part in key.split("."):
            found = found[part]
        return found

    return {n: (s, {key: value(key) for key in s["params"]}) for n, s in stages.items()}


def test_the_compiled_files_are_the_golden_ones(
    project: Project, golden: Callable[[str, Path], None]
) -> None:
    pipeline = _pipeline(project, [15, 14])
    golden(emit_dvc(pipeline, None), GOLDEN / "seeds-dvc.yaml")
    golden(emit_params(pipeline, None), GOLDEN / "seeds-params.yaml")


def test_further_seeds_change_no_stage_but_the_report(project: Project) -> None:
    alone, without = _pipeline(project, None), _pipeline(project, [])
    assert alone == without
    two, three = _pipeline(project, [14, 15]), _pipeline(project, [16, 15, 14])
    assert alone.params == two.params == three.params

    def changed(old: Pipeline, new: Pipeline) -> set[str]:
        before, after = _dvc(old), _dvc(new)
        return {name for name in before | after if before.get(name) != after.get(name)}

    assert changed(alone, two) == {
        "tiny-train-seed14", "tiny-evaluate-seed14", "tiny-train-seed15", "tiny-evaluate-seed15",
        "tiny-seeds", "tiny-report",
    }  # fmt: skip
    assert changed(two, three) == {"tiny-train-seed16", "tiny-evaluate-seed16", "tiny-seeds"}
    assert changed(three, _pipeline(project, [15, 16])) == {
        "tiny-train-seed14", "tiny-evaluate-seed14", "tiny-seeds"
    }  # fmt: skip


def test_an_experiment_on_a_param_is_one_on_all_seeds(project: Project) -> None:
    stages = {s.name: s for s in _pipeline(project, [14]).stages}
    for kind in ("train", "evaluate"):
        own, further = stages[f"tiny-{kind}"], stages[f"tiny-{kind}-seed14"]
        assert further.params == own.params
        assert (further.kind, further.version, further.packages) == (
            own.kind, own.version, own.packages,
        )  # fmt: skip


def test_names_that_look_like_those_of_seeds_are_free(project: Project) -> None:
    _pipeline(project, [1])
    names = ("tiny-train", "tiny-train-seed1", "tiny-seeds", "tiny-seed1", "seeds")
    for name in names:
        pipeline = _pipeline(project, [1, 2], f"{name}.json", name=name)
    stages = [stage.name for stage in pipeline.stages]
    assert len(stages) == len(set(stages))
    outputs = [output.path for stage in pipeline.stages for output in stage.outputs.values()]
    assert len(outputs) == len(set(outputs))
    assert len(_dvc(pipeline)) == len(stages)


def test_a_spec_starts_from_the_model_of_the_others_own_seed(project: Project) -> None:
    _pipeline(project, [14])
    model = {"base": {"type": "spec", "name": "tiny"}}
    training = SPEC["training"] | {"learning_rate": 1e-4}
    pipeline = _pipeline(project, [20], "b.json", name="b", model=model, training=training)
    (base,) = [s for s in pipeline.stages if s.kind == "base" and "trained" in s.inputs]
    assert base.inputs["trained"] == "models/tiny/trained"
    names = [stage.name for stage in pipeline.stages]
    assert names.index("tiny-train") < names.index(base.name) < names.index("b-train-seed20")


def test_stages_of_dropped_seeds_disappear(project: Project) -> None:
    project.compile()
    without = {f: (project.root / f).read_text() for f in ("dvc.yaml", "params.yaml")}
    project.write_spec(SPEC | {"training": SPEC["training"] | {"seeds": [14]}})
    project.bertspec("compile")
    assert {"tiny-train-seed14", "tiny-seeds"} < set(project.stages())
    project.write_spec(SPEC)
    project.bertspec("compile")
    assert {f: (project.root / f).read_text() for f in without} == without
