"""Through the real dvc: build, change one thing, compare, share. Each as a user would."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.yaml import dump, load_plain
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project, rows, with_onnx

pytestmark = [
    pytest.mark.e2e, pytest.mark.xdist_group("dvc"), pytest.mark.usefixtures("preloaded")
]  # fmt: skip


def _training(**changes: Any) -> dict[str, Any]:
    return with_onnx(training=SPEC["training"] | changes)


def _would_run(project: Project) -> set[str]:
    """Kinds of the stages that `dvc repro` would run, as it says itself."""
    lines = project.run("dvc", "repro", "--dry").stdout.splitlines()
    commands = [line.partition("bertspec stage ")[2] for line in lines if "bertspec stage" in line]
    return {name.rpartition("-")[2] for name in commands}


def _ran(project: Project, *targets: str) -> set[str]:
    """Kinds of the stages that ran; when all were asked for, it is as planned."""
    planned = _planned(project)
    lines = project.run("dvc", "repro", *targets).stdout.splitlines()
    ran = {line.split("'")[1] for line in lines if line.startswith("Running")}
    if not targets:
        cached = {line.split("'")[1] for line in lines if "is cached" in line}
        assert planned["run"] <= ran | cached, "or the run cache had them after all"
        assert planned["restore"] <= cached
        assert ran | cached <= planned["run"] | planned["restore"] | planned["follow"]
        assert not any(_planned(project).values())
    return {name.rpartition("-")[2] for name in ran}


def _planned(project: Project) -> dict[str, set[str]]:
    """Stages by what a plan says of them."""
    told = json.loads(project.call("plan", "--format", "json", code=None).stdout)
    return {
        action: {step["name"] for step in told["stages"] if step["action"] == action}
        for action in ("run", "restore", "follow")
    }


def test_a_second_repro_has_nothing_to_do(clone: Project) -> None:
    assert _ran(clone) == set()
    assert "up to date" in clone.run("dvc", "status").stdout


def test_another_learning_rate_trains_again_and_branches_are_compared(clone: Project) -> None:
    before = clone.metrics()
    clone.run("git", "checkout", "--quiet", "-b", "slower")
    clone.write_spec(_training(learning_rate=0.0001))
    clone.bertspec("compile")
    assert _ran(clone) == {"train", "evaluate", "export", "report"}, "and nothing before"
    assert _ran(clone) == set()
    clone.commit()
    params = json.loads(clone.run("dvc", "params", "diff", "main", "--json").stdout)
    (changed,) = params["params.yaml"].items()
    assert changed[0] == "tiny.training.learning_rate"
    assert (changed[1]["old"], changed[1]["new"]) == (0.003, 0.0001)
    metrics = json.loads(clone.run("dvc", "metrics", "diff", "main", "--json").stdout)
    loss = metrics["models/tiny/metrics.json"]["test.loss"]
    assert (loss["old"], loss["new"]) == (before["test"]["loss"], clone.metrics()["test"]["loss"])
    assert loss["new"] > loss["old"], "a rate too low to learn in ten epochs"
    shutil.rmtree(clone.root / "models/tiny/evaluation")
    both = ("tiny@main", "tiny@slower")
    compared = clone.run("bertspec", "compare", *both, "--format", "json", "--html", "both.html")
    (accuracy, *_) = json.loads(compared.stdout)["differences"]
    for side, measured in (("first", before), ("second", clone.metrics())):
        assert accuracy[side] == measured["test"]["accuracy"]
    page = (clone.root / "both.html").read_text(encoding="utf-8")
    assert "training.learning_rate 0.003 -&gt; 0.0001" in page
    assert "prepare reads fetch. " in page
    assert re.search(r"train reads [a-z, ]+, and made something else", page)
    assert "Training loss, smoothed" in page
    assert "now wrong" in page
    assert "<h2>Not looked at</h2>" not in page, "git and DVC have all of it"
    assert "E490" in clone.bertspec("compare", "tiny@nowhere", "tiny@main", code=2)


@pytest.mark.thorough
def test_another_decision_and_another_metric_train_nothing(clone: Project) -> None:
    task = SPEC["task"] | {"decision": {"type": "precision", "at_least": 0.9}}
    clone.write_spec(with_onnx(task=task, evaluation={"metrics": ["accuracy", "matthews"]}))
    clone.bertspec("compile")
    assert _ran(clone) == {"evaluate", "export", "report"}, "the model card has both"
    assert set(clone.metrics()["test"]) == {"accuracy", "matthews", "loss"}
    fitted = json.loads((clone.root / "models/tiny/decision.json").read_text())
    bundle = json.loads((clone.root / "models/tiny/export/bundle.json").read_text())
    assert bundle["decision"] == fitted
    assert 0 <= fitted["threshold"] <= 1


def test_comments_defaults_and_descriptions_rebuild_nothing(clone: Project) -> None:
    spec = _training(seed=13, precision="fp32")
    clone.write_spec(spec | {"description": "words"})
    assert "up to date" in clone.bertspec("compile")
    assert _would_run(clone) == set()


def test_a_changed_row_rebuilds_what_reads_it(clone: Project) -> None:
    changed = rows()
    changed[0] = ("a new text altogether", changed[0][1])
    clone.write_rows(changed)
    (tokenize,) = (name for name in clone.stages() if name.endswith("-tokenize"))
    assert {"fetch", "prepare", "tokenize"} <= _ran(clone, tokenize)


def test_a_file_that_dvc_tracks_is_a_dependency(clone: Project) -> None:
    clone.run("git", "rm", "--quiet", "--cached", "data/reviews.csv")
    clone.run("dvc", "add", "--quiet", "data/reviews.csv")
    (clone.root / "data" / "reviews.csv").unlink()
    assert "E110" not in clone.bertspec("compile"), "it may still be pulled"
    clone.run("dvc", "checkout", "--quiet", "data/reviews.csv.dvc")
    assert _ran(clone) == set(), "the same content rebuilds nothing"
    clone.write_rows([*rows(), ("one more film", "good")])
    assert _ran(clone, "reviews-fetch") == {"fetch"}


@pytest.mark.thorough
def test_a_result_that_stays_the_same_stops_the_rebuild(clone: Project) -> None:
    """A column that no one reads: fetch and prepare run, and no training after them."""
    path = clone.root / "data/reviews.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",note", *(line + ",x" for line in lines[1:])]) + "\n")
    assert _ran(clone) == {"fetch", "prepare", "export", "report"}, "where lineage is told"


def test_what_dvc_shows(clone: Project) -> None:
    assert "tiny-train" in clone.run("dvc", "dag").stdout
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    assert shown[""]["data"]["models/tiny/metrics.json"]["data"] == clone.metrics()
    clone.run("dvc", "plots", "show", "--out", "plots")
    page = (clone.root / "plots/index.html").read_text()
    assert "Training loss" in page
    assert "Confusion" in page


@pytest.mark.thorough  # the next one does it, too, and adopts it
def test_an_experiment_changes_one_param(clone: Project) -> None:
    change = "tiny.training.learning_rate=0.002"
    clone.run("dvc", "exp", "run", "--set-param", change, "tiny-train")
    assert "learning_rate: 0.002" in (clone.root / "params.yaml").read_text()
    manifest = json.loads((clone.root / "models/tiny/trained.manifest.json").read_text())
    assert manifest["params"]["training"]["learning_rate"] == 0.002


def test_an_experiment_is_adopted_and_nothing_runs_again(clone: Project) -> None:
    (clone.root / "specs/tiny.json").unlink()
    text = dump(with_onnx()).replace("training:\n", "# How it learns.\ntraining:\n")
    spec = clone.root / "specs/tiny.yaml"
    spec.write_text(text)
    clone.bertspec("compile")
    clone.commit()
    change = "tiny.training.learning_rate=0.002"
    clone.run("dvc", "exp", "run", "--name", "slow", "--set-param", change, "tiny-evaluate")
    measured = clone.metrics()
    clone.run("git", "reset", "--quiet", "--hard")
    clone.run("dvc", "exp", "apply", "slow")
    clone.bertspec("adopt")
    assert spec.read_text() == text.replace("learning_rate: 0.003", "learning_rate: 0.002")
    clone.bertspec("compile", "--check")
    assert _ran(clone, "tiny-evaluate") == set()
    assert clone.metrics() == measured
    assert clone.run("dvc", "status", "tiny-evaluate").stdout.endswith("up to date.\n")


def test_an_experiment_on_what_specs_share_changes_it_everywhere(clone: Project) -> None:
    (stage,) = (name for name in clone.stages() if name.endswith("-tokenize"))
    key = f"tokenizations.{stage.removesuffix('-tokenize')}.tokenization.max_length"
    clone.run("dvc", "exp", "run", "--set-param", f"{key}=5", stage)
    (manifest,) = (clone.root / "data/reviews/tokenized").glob("*.manifest.json")
    assert json.loads(manifest.read_text())["params"]["tokenization"]["max_length"] == 5
    changed = json.loads(clone.run("dvc", "status", "--json").stdout)
    assert {"tiny-train", "tiny-evaluate", "tiny-export"} <= set(changed)


@pytest.mark.thorough
def test_an_experiment_on_half_of_the_task_is_told(clone: Project) -> None:
    change = "tiny.task.labels=[good,bad]"
    result = clone.run("dvc", "exp", "run", "--set-param", change, code=None)
    assert result.returncode != 0
    assert "E205" in result.stderr


def test_an_experiment_with_a_wrong_value_is_told(clone: Project) -> None:
    result = clone.run(
        "dvc", "exp", "run", "--set-param", "tiny.training.epochs=many", "tiny-train", code=None
    )
    assert result.returncode != 0
    assert "E203" in result.stderr
    assert "training.epochs" in result.stderr


def test_a_fresh_clone_pulls_what_another_has_pushed(repository: Project, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    first, second = Project(tmp_path / "first"), Project(tmp_path / "second")
    repository.run("git", "clone", "--quiet", str(repository.root), str(first.root))
    first.run("dvc", "checkout")
    first.run("dvc", "remote", "add", "--default", "store", str(remote))
    first.run("dvc", "push")
    first.commit("a remote")
    first.run("git", "clone", "--quiet", str(first.root), str(second.root))
    second.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "other-cache"))
    assert not (second.root / "models/tiny/export").exists()
    compared = second.run("bertspec", "compare", "tiny@HEAD", "tiny@HEAD", "--format", "json")
    (accuracy, *_) = json.loads(compared.stdout)["differences"]
    assert accuracy["second"] == second.metrics()["test"]["accuracy"], "from the remote"
    second.run("dvc", "pull")
    assert _would_run(second) == set()
    before = first.bertspec("predict", "tiny", "a warm film", "--format", "json")
    assert second.bertspec("predict", "tiny", "a warm film", "--format", "json") == before


@pytest.mark.thorough
def test_another_spec_on_the_same_data_builds_its_own_stages_alone(clone: Project) -> None:
    clone.write_spec(_training(epochs=1) | {"name": "a-second", "export": []}, "second.json")
    clone.bertspec("compile")
    lines = clone.run("dvc", "repro").stdout.splitlines()
    ran = {line.split("'")[1] for line in lines if line.startswith("Running")}
    assert ran == {f"a-second-{kind}" for kind in ("train", "evaluate", "report")}


def test_stages_of_a_spec_that_is_gone_disappear(clone: Project) -> None:
    clone.write_spec(_training(epochs=1) | {"name": "second"}, "second.json")
    clone.bertspec("compile")
    assert "second-train" in clone.stages()
    (clone.root / "specs/second.json").unlink()
    clone.bertspec("compile")
    assert "second-train" not in clone.stages()
    assert _would_run(clone) == set()


@pytest.mark.thorough
def test_a_further_seed_trains_nothing_else(clone: Project) -> None:
    clone.write_spec(_training(seeds=[14]))
    clone.bertspec("compile")
    assert _ran(clone, "tiny-seeds") == {"seed14", "seeds"}
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert {f"models/tiny/{f}" for f in ("seeds.json", "seeds/14/metrics.json")} < set(shown)
    clone.write_spec(_training(seeds=[14, 15]))
    clone.bertspec("compile")
    changed = json.loads(clone.run("dvc", "status", "--json").stdout)
    assert {name.removeprefix("tiny-") for name in changed} == {
        "train-seed15", "evaluate-seed15", "seeds", "report"
    }  # fmt: skip


def test_a_requirement_that_fails_stops_dvc_and_shows_the_metric(clone: Project) -> None:
    evaluation = SPEC["evaluation"] | {"require": {"loss": "< 0.000001"}}
    clone.write_spec(with_onnx(evaluation=evaluation))
    clone.bertspec("compile")
    result = clone.run("dvc", "repro", code=None)
    assert result.returncode != 0
    assert "E410" in result.stderr
    assert clone.metrics()["test"]["loss"] > 0


@pytest.mark.parametrize(
    "kind",
    ["prepare", "train", *(
        pytest.param(kind, marks=pytest.mark.thorough)
        for kind in ("fetch", "contract", "base", "tokenize", "evaluate", "export", "report")
    )],
)  # fmt: skip
def test_interrupted_at_any_stage_the_rerun_is_right(
    repository: Project, clone: Project, kind: str
) -> None:
    """Ctrl-C while the stage works: nothing half-written, exit code 130, and a rerun as new."""
    name = next(n for n in clone.stages() if n.endswith(f"-{kind}"))
    outputs = _outputs(clone, name)
    before = {p: p.read_bytes() for p in outputs}
    program = Path(sys.executable).parent / "bertspec"
    process = subprocess.Popen(
        [program, "stage", name], cwd=clone.root, stderr=subprocess.PIPE, text=True
    )
    work = clone.root / ".bertspec" / "work" / name
    deadline = time.monotonic() + 60
    while not work.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert not work.exists()
    assert {p: p.read_bytes() for p in _outputs(clone, name)} == before
    run_stage(name, clone.root)
    assert {p: p.read_bytes() for p in _outputs(clone, name)} == before


def _outputs(project: Project, name: str) -> list[Path]:
    params = load_plain((project.root / "params.yaml").read_text())
    paths = params["bertspec"]["stages"][name]["outputs"].values()
    places = [project.root / p for p in paths]
    return sorted(f for p in places for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file())
