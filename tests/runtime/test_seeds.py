"""Further seeds: each is the model that its seed gives, and seeds.json agrees with numpy."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec.core.errors import CheckFailed, InputError
from bertspec.core.manifest import digest_files
from bertspec.runtime.seeds import spread
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project
from tests.stages import run_kinds, run_runner

SEEDS = (13, 14, 15)


def _write(project: Project, training: dict[str, Any], **evaluation: Any) -> None:
    spec = SPEC | {
        "training": SPEC["training"] | {"epochs": 2} | training,
        "evaluation": SPEC["evaluation"] | {"intervals": {"resamples": 20}} | evaluation,
    }
    project.write_spec(spec)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two further seeds, as far as their metrics; no bound of it can hold."""
    project = Project.create(tmp_path_factory.mktemp("seeds") / "project")
    _write(project, {"seeds": [14, 15]}, require={"loss": "< 0.000001"})
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    with pytest.raises(CheckFailed):
        run_stage("tiny-evaluate", project.root)
    for seed in SEEDS[1:]:
        run_stage(f"tiny-train-seed{seed}", project.root)
        run_stage(f"tiny-evaluate-seed{seed}", project.root)
    run_stage("tiny-seeds", project.root)
    return project


def _metrics(project: Project, seed: int) -> Any:
    path = f"models/tiny/seeds/{seed}/metrics.json" if seed != 13 else "models/tiny/metrics.json"
    return json.loads((project.root / path).read_text())


def test_what_is_written_of_all_seeds_is_numpys(trained: Project) -> None:
    found = json.loads((trained.root / "models/tiny/seeds.json").read_text())
    measured = [_metrics(trained, seed) for seed in SEEDS]
    assert len({m["test"]["loss"] for m in measured}) == 3, "each seed gives another model"
    assert list(found) == ["train", "validation", "test"]
    for split, metrics in found.items():
        assert set(metrics) == {"accuracy", "f1", "roc_auc", "loss"}
        for name, numbers in metrics.items():
            values = np.array([m[split][name] for m in measured])
            expected = [values.mean(), values.std(ddof=1), values.min(), values.max(), 3]
            assert list(numbers) == ["mean", "std", "min", "max", "seeds"]
            assert list(numbers.values()) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_bound_that_a_further_seed_breaks_is_told_and_stops_nothing(
    trained: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage("tiny-evaluate-seed14", trained.root)
    assert "warning[E410]: loss is" in capsys.readouterr().err


def test_show_tells_how_far_test_differs_while_there_are_seeds(trained: Project) -> None:
    loss = json.loads((trained.root / "models/tiny/seeds.json").read_text())["test"]["loss"]
    said = trained.bertspec("show")
    assert "3 seeds" in said
    assert f"{loss['mean']:.4f} +- {loss['std']:.4f}" in said
    params = trained.root / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("tiny-seeds", "another-seeds"))
    assert "seeds" not in trained.bertspec("show"), "the file is left from an earlier spec"
    params.write_text(text)


def test_a_further_seed_gives_what_a_spec_with_that_seed_gives(
    trained: Project, tmp_path: Path
) -> None:
    """Bit for bit."""
    models = trained.root / "models/tiny"
    expected = digest_files(models / "seeds/14/trained")
    assert digest_files(models / "trained") != expected
    manifest = json.loads((models / "seeds/14/trained.manifest.json").read_text())
    assert manifest["params"]["training"]["seed"] == 14
    other = Project(shutil.copytree(trained.root, tmp_path / "other"))
    _write(other, {"seed": 14})
    other.bertspec("compile")
    run_stage("tiny-train", other.root)
    assert digest_files(other.root / "models/tiny/trained") == expected


def test_a_metric_counts_the_models_that_define_it() -> None:
    measured = [
        {"train": {"loss": 0.5}, "test": {"loss": 1.0, "roc_auc": 0.5}, "fit": {"gap": 1.0}},
        {"train": {"loss": 0.25}, "test": {"loss": 2.0}, "fit": {"gap": 2.0}},
    ]
    assert spread(measured) == {
        "train": {"loss": {"mean": 0.375, "std": pytest.approx(0.125 * 2**0.5), "min": 0.25,
                           "max": 0.5, "seeds": 2}},
        "test": {"loss": {"mean": 1.5, "std": pytest.approx(0.5 * 2**0.5), "min": 1.0, "max": 2.0,
                          "seeds": 2},
                 "roc_auc": {"mean": 0.5, "min": 0.5, "max": 0.5, "seeds": 1}},
    }  # fmt: skip


def test_an_experiment_may_not_count_a_seed_twice(tmp_path: Path) -> None:
    inputs = {}
    for role in ("metrics", "metrics_14"):
        inputs[role] = tmp_path / f"{role}.json"
        inputs[role].write_text('{"test": {"loss": 0.5}}')
    outputs = {"seeds": tmp_path / "seeds.json"}
    run_runner("seeds", {"seed": 13}, tmp_path, inputs, outputs)
    with pytest.raises(InputError, match=r"14, which is also one of `training\.seeds`"):
        run_runner("seeds", {"seed": 14}, tmp_path, inputs, outputs)
