"""Power fails, through the real dvc: a rerun gives the bits of a build that nothing disturbed."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from bertspec.core.yaml import load_plain
from bertspec.pipeline.kinds import STAGE_KINDS
from tests.e2e.faults import begin, digests, works
from tests.projects import SPEC, Project
from tests.stages import run_kinds
from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]

ELSEWHERE: dict[str, Any] = {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "5"}
"""Another locale, time zone and order of sets."""


def _with_a_further_seed(built: Project, root: Path) -> Project:
    """The tiny project with the stages of another seed, built by nobody who was disturbed."""
    project = begin(built, root)
    project.write_spec(SPEC | {"training": SPEC["training"] | {"seeds": [14]}})
    project.bertspec("compile")
    for name in project.stages():
        project.run("bertspec", "stage", name)
    return project


@pytest.mark.parametrize("kinds", [
    ("prepare", "train"), pytest.param(tuple(STAGE_KINDS), marks=pytest.mark.thorough)
], ids=["some", "every"])  # fmt: skip
def test_killed_in_every_stage_the_rerun_gives_the_same_bits(
    built: Project, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    """Power fails in each stage in turn, for dvc and all that it has started: in two, without
    --thorough, and with it in those of a further seed as well. The folder's name has spaces, quotes
    and letters that are not ASCII; locale and time zone are not the user's.
    """
    every = kinds == tuple(STAGE_KINDS)
    expected = _with_a_further_seed(built, tmp_path / "expected") if every else built
    project = begin(expected, tmp_path / "mes modèles 模型 'n° 1' $HOME")
    project.init_dvc()
    records = load_plain((project.root / "params.yaml").read_text())["bertspec"]["stages"]
    waiting = {name for name, record in records.items() if record["kind"] in kinds}
    killed: list[str] = []
    while waiting:
        process = project.start("dvc", "repro", **ELSEWHERE)
        killed.append(works(project, process, *waiting))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        made = records[killed[-1]]["outputs"].values()
        assert not [path for path in made if (project.root / path).exists()]
        waiting.remove(killed[-1])
    done = load_plain((project.root / "dvc.lock").read_text())["stages"]
    assert set(killed[:-1]) <= set(done), "all before the last kill is kept"
    said = project.run("dvc", "repro", **ELSEWHERE).stdout
    assert said.count("Running stage") == len(records) - len(done)
    assert digests(project) == digests(expected)
    assert "up to date" in project.run("dvc", "status", **ELSEWHERE).stdout


def test_a_killed_training_goes_on_although_dvc_removes_its_outputs(
    copy: Project, tmp_path: Path
) -> None:
    """What each run tells TensorBoard is which steps it took."""
    spec = json.loads(json.dumps(SPEC))
    spec["training"]["learning_rate"] = 0.002
    spec["training"]["execution"] = {"checkpoint_seconds": 1e-9, "tensorboard": "runs"}
    copy.write_spec(spec)
    copy.bertspec("compile")
    undisturbed = Project(Path(shutil.copytree(copy.root, tmp_path / "undisturbed")))
    run_kinds(undisturbed, "train")
    process = copy.start("dvc", "repro", "tiny-train")
    works(copy, process, "tiny-train")
    assert not (copy.root / "models/tiny/trained").exists()
    kept = copy.root / ".bertspec/checkpoints/tiny-train"
    wait_for(lambda: any(kept.glob("*.safetensors")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (file,) = kept.glob("*.safetensors")
    with safe_open(file, framework="numpy") as opened:
        (step,) = opened.get_slice("curves.loss").get_shape()
    copy.run("dvc", "repro", "tiny-train")
    first, second = _steps_told(copy)
    assert first[0] == 0
    assert second[0] == step > 0
    assert second[-1] == _steps_told(undisturbed)[0][-1] > first[-1]
    made = ("models/tiny/trained", "models/tiny/curves")
    assert digests(copy, *made) == digests(undisturbed, *made)
    assert not kept.exists()


def _steps_told(project: Project) -> list[list[int]]:
    """The steps of which each run of a training told TensorBoard, the first run first."""
    files = sorted((project.root / "runs").glob("*/*/steps/*"), key=lambda p: p.stat().st_mtime)
    events = ([*EventFileLoader(str(file)).Load()] for file in files)
    return [[event.step for event in told if event.HasField("summary")] for told in events]
