"""`bertspec sweep` with the real dvc: trials are experiments, and what they share is not built."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bertspec.core.errors import EnvironmentFault
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.sweeping.on_ray import Cluster
from tests.projects import Project, environment, with_onnx
from tests.sweep.conftest import write_sweep
from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("dvc")]

LOGS = ".bertspec/sweeps/rates/logs/*.txt"


def _experiments(project: Project) -> dict[str, Any]:
    """What `dvc exp show` has of each experiment of the commit."""
    (shown,) = [
        commit
        for commit in json.loads(project.run("dvc", "exp", "show", "--json").stdout)
        if commit["rev"] != "workspace"
    ]
    found = shown["experiments"] or []
    return {each["name"]: each["revs"][0]["data"] for each in found}


def _log(project: Project, number: int) -> str:
    return (project.root / LOGS.replace("*", str(number))).read_text()


def _longer(project: Project, epochs: int) -> None:
    training = {"epochs": epochs, "batch": {"examples": 8}}
    project.write_spec(with_onnx(training={**training, "execution": {"checkpoint_seconds": 0.2}}))
    project.bertspec("compile")
    project.commit("longer")
    write_sweep(project, fields={"training.learning_rate": [1e-3, 2e-3, 3e-3]})


def test_trials_are_experiments_and_the_best_is_taken_over_by_one_command(clone: Project) -> None:
    """The second of two trials is stopped, as it learns nothing."""
    write_sweep(
        clone,
        fields={"training.learning_rate": [4e-3, 1e-9]},
        pruner={"type": "median", "startup": 1, "warmup": 2},
    )
    told = json.loads(clone.bertspec("sweep", "rates", "--format", "json"))
    assert [trial["state"] for trial in told["trials"]] == ["complete", "pruned"]
    assert 3 <= len(told["trials"][1]["curve"]) < 10
    assert told["best"] == "rates-1"
    assert re.findall(r"Running stage '(.+)'", _log(clone, 1)) == ["tiny-train", "tiny-evaluate"]
    shown = _experiments(clone)
    assert shown.keys() == {"rates-1"}
    metrics = shown["rates-1"]["metrics"]["models/tiny/metrics.json"]["data"]
    assert metrics["validation"]["loss"] == told["trials"][0]["value"]
    assert min(told["trials"][0]["curve"]) == pytest.approx(metrics["validation"]["loss"], 1e-5)
    assert clone.run("git", "status", "--porcelain").stdout.split() == ["??", "sweeps/"]
    logs = {path: path.stat().st_mtime_ns for path in clone.root.glob(LOGS)}
    assert "--experiment rates-1" in clone.bertspec("sweep", "rates")
    assert {path: path.stat().st_mtime_ns for path in clone.root.glob(LOGS)} == logs
    assert len(logs) == 2
    assert not (clone.root / ".bertspec/sweeps/rates/slots").exists()

    clone.bertspec("adopt", "tiny", "--experiment", "rates-1")
    assert json.loads((clone.root / "specs/tiny.json").read_text())["training"] == (
        with_onnx()["training"] | {"learning_rate": 0.004}
    )
    assert load_plain((clone.root / "params.yaml").read_text())["tiny"]["training"][
        "learning_rate"
    ] == 0.004  # fmt: skip
    said = clone.run("dvc", "repro", "tiny-evaluate").stdout
    assert "Running stage" not in said
    assert said.count("is cached - skipping run") == 2
    assert clone.metrics()["validation"]["loss"] == told["trials"][0]["value"]


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_trials_beside_each_other_go_on_from_their_checkpoints(
    clone: Project, tmp_path: Path, number: signal.Signals
) -> None:
    """What a sweep ends with after it was interrupted is what it ends with at one go."""
    _longer(clone, 60)
    process = clone.start("bertspec", "sweep", "rates", "--jobs", "2")
    slots = clone.root / ".bertspec/sweeps/rates/slots"
    saved = "*/.bertspec/checkpoints/tiny-train/*.safetensors"
    wait_for(lambda: len(list(slots.glob(saved))) == 2)
    process.send_signal(number)
    process.wait(60)
    told = json.loads(clone.bertspec("sweep", "rates", "--jobs", "2", "--format", "json"))
    assert [trial["state"] for trial in told["trials"]] == ["complete"] * 3
    assert _experiments(clone).keys() == {"rates-1", "rates-2", "rates-3"}
    # Bit for bit what dvc builds of the same values without any of this.
    clone.run("dvc", "exp", "run", "--temp", "--name", "plain", "--set-param",
              "tiny.training.learning_rate=0.001", "tiny-evaluate")  # fmt: skip
    clone.run("dvc", "config", "--local", "cache.dir", str(tmp_path / "nothing"))
    shown = _experiments(clone)
    assert shown["plain"]["deps"] == shown["rates-1"]["deps"]
    assert shown["plain"]["metrics"] == shown["rates-1"]["metrics"]


@pytest.mark.thorough
def test_a_trial_that_diverges_has_failed_and_one_below_its_bound_is_rejected(
    clone: Project,
) -> None:
    evaluation = {"metrics": ["accuracy"], "require": {"loss": "<= 0.5"}}
    clone.write_spec(with_onnx(evaluation=evaluation))
    clone.bertspec("compile")
    clone.commit("with a bound")
    write_sweep(clone, fields={"training.learning_rate": [1e9, 1e-9, 3e-3]})
    told = json.loads(clone.bertspec("sweep", "rates", "--format", "json"))
    assert [trial["state"] for trial in told["trials"]] == ["failed", "rejected", "complete"]
    assert "E404" in told["trials"][0]["reason"]
    assert "E410" in told["trials"][1]["reason"]
    assert told["best"] == "rates-3"
    assert _experiments(clone).keys() == {"rates-3"}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of this machine alone."""
    import ray

    # Its daemons take longer than usual to start beside other tests; and no token is kept at home.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    slow = {"RAY_raylet_start_wait_time_s": "200", "RAY_agent_register_timeout_ms": "200000"}
    for name, value in (environment() | quiet | slow).items():
        monkeypatch.setenv(name, value)
    ray.init(
        "local", num_cpus=2, include_dashboard=False, log_to_driver=False,
        _node_ip_address="127.0.0.1",
    )  # fmt: skip
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.mark.thorough
def test_trials_on_a_cluster_of_ray_are_those_of_this_machine(clone: Project, cluster: str) -> None:
    write_sweep(clone)
    options = ("rates", "--jobs", "2", "--format", "json")
    there = json.loads(clone.run("bertspec", "sweep", *options, "--ray", cluster).stdout)
    assert _experiments(clone).keys() == {"rates-1", "rates-2"}
    here = json.loads(clone.bertspec("sweep", *options, "--restart"))
    for trial in (*there["trials"], *here["trials"]):
        del trial["seconds"]
    assert there == here


@pytest.mark.thorough
def test_ctrl_c_lets_trials_on_a_cluster_keep_their_checkpoints(
    clone: Project, cluster: str
) -> None:
    """A training that nobody waits for would go on in its place beside that of the rerun."""
    _longer(clone, 1000)
    process = clone.start("bertspec", "sweep", "rates", "--ray", cluster)
    slot = clone.root / ".bertspec/sweeps/rates/slots/0"
    saved = ".bertspec/checkpoints/tiny-train/*.safetensors"
    wait_for(lambda: any(slot.glob(saved)))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not [p for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(
        str(slot))]  # fmt: skip
    log = _log(clone, 1)
    assert "interrupted" in log


@pytest.mark.thorough
def test_an_address_without_a_cluster_is_told() -> None:
    with pytest.raises(EnvironmentFault, match=r"no Ray cluster at 127\.0\.0\.1:1: "):
        Cluster("127.0.0.1:1", 1, Lock(threads=1, packages={}))
