"""The clone that a trial runs in: what stays between trials, and what must not."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.sweeping.definition import read_definition
from bertspec.sweeping.objective import Objective
from bertspec.sweeping.origin import origin_of
from bertspec.sweeping.pruning import MedianRule
from bertspec.sweeping.record import State
from bertspec.sweeping.slot import Slot
from bertspec.sweeping.trial import Job, run_trial
from tests.projects import Project
from tests.sweep.conftest import write_sweep


def test_only_checkpoints_and_dvcs_own_stay_between_trials(tried: Project, tmp_path: Path) -> None:
    write_sweep(tried)
    (tried.root / ".gitignore").write_text("/data/reviews.csv\n")
    tried.run("git", "rm", "--quiet", "--cached", "data/reviews.csv")
    tried.run("git", "config", "user.name", "The One Who Tries")
    tried.commit("data that git does not have")
    origin, _ = origin_of(read_definition("rates", tried.root), None)
    slot = Slot(tmp_path / "slots" / "0", origin)
    slot.prepare()
    own = Project(slot.project)
    assert (own.root / "data/reviews.csv").read_bytes() == (
        tried.root / "data/reviews.csv"
    ).read_bytes()
    assert own.run("git", "config", "user.name").stdout == "The One Who Tries\n"
    cache = Path(own.run("dvc", "cache", "dir").stdout.strip())
    assert cache == Path(tried.run("dvc", "cache", "dir").stdout.strip())
    kept = own.root / ".bertspec/checkpoints/tiny-train/key.safetensors"
    curve = own.root / ".bertspec/work/tiny-train/validation/validation.csv"
    for file in (kept, curve):
        file.parent.mkdir(parents=True)
        file.write_text("of a trial that was stopped")
    (own.root / ".bertspec/.gitignore").write_text("*\n")
    (own.root / "params.yaml").write_text("of another trial")
    own.run("git", "update-ref", "refs/exps/exec/EXEC_HEAD", "HEAD")
    slot.prepare()
    assert kept.exists()
    assert not curve.exists()
    assert (own.root / "params.yaml").read_text() == (tried.root / "params.yaml").read_text()
    assert own.run("git", "for-each-ref", "refs/exps").stdout == ""
    assert own.run("git", "status", "--porcelain").stdout == ""


def test_data_that_git_does_not_have_is_that_of_the_beginning(
    tried: Project, tmp_path: Path
) -> None:
    write_sweep(tried)
    (tried.root / ".gitignore").write_text("/data/*.csv\n")
    tried.run("git", "rm", "--quiet", "--cached", "data/reviews.csv")
    tried.commit("data that git does not have")
    definition = read_definition("rates", tried.root)
    origin, _ = origin_of(definition, None)
    slot = Slot(tmp_path / "slots" / "0", origin)
    slot.prepare()
    data = tried.root / "data/reviews.csv"
    before = data.read_bytes()
    data.write_bytes(before + b"another row,good\n")
    with pytest.raises(InputError, match=r"data/reviews\.csv has changed") as raised:
        slot.prepare()
    assert raised.value.diagnostics[0].code == "E238"
    now, _ = origin_of(definition, None)
    assert now.sources.keys() == origin.sources.keys() == {"data/reviews.csv"}
    Slot(slot.folder, now).prepare()
    assert (slot.project / "data/reviews.csv").read_bytes() == data.read_bytes()
    data.unlink()
    with pytest.raises(InputError, match="has changed"):
        Slot(slot.folder, now).prepare()


def test_what_git_has_is_not_copied(tried: Project) -> None:
    write_sweep(tried)
    origin, _ = origin_of(read_definition("rates", tried.root), None)
    assert origin.sources == {}


def test_the_users_repository_stays_whatever_git_is_told_of_it(
    tried: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook, or with `git --git-dir`."""
    write_sweep(tried)
    tried.run("git", "update-ref", "refs/exps/aa/bb/mine", "HEAD")
    status = tried.run("git", "status", "--porcelain").stdout
    monkeypatch.setenv("GIT_DIR", str(tried.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tried.root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tried.root / ".git/index"))
    origin, _ = origin_of(read_definition("rates", tried.root), None)
    slot = Slot(tmp_path / "slots" / "0", origin)
    slot.prepare()
    slot.prepare()
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert tried.run("git", "for-each-ref", "refs/exps").stdout.count("mine") == 1
    assert tried.run("git", "status", "--porcelain").stdout == status
    assert (slot.folder / ".git").is_dir()


STOPPED = "\n".join(["step,validation_loss", *(f"{n},{9.0}" for n in range(1, 6)), ""])


@pytest.mark.parametrize(
    ("stage", "code", "state"),
    [
        ("tiny-train", "E404", State.FAILED),
        ("tiny-train", "E411", State.FAILED),
        ("tiny-train", "E501", None),
        ("tiny-evaluate", "E410", State.PRUNED),
    ],
)
def test_a_trial_that_fails_before_its_curve_is_there_is_not_judged_by_another_ones(
    tried: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, code: str,
    state: State | None,
) -> None:  # fmt: skip
    """What dvc prints is made up; the curve is one that the rule would stop."""
    write_sweep(tried)
    curve = tried.root / "models/tiny/curves/validation.csv"
    curve.parent.mkdir(parents=True)
    curve.write_text(STOPPED)
    tried.run("git", "add", "--force", str(curve))
    tried.commit("a curve that another run has left")
    origin, _ = origin_of(read_definition("rates", tried.root), None)
    job = Job(
        1, "rates-1", "tiny", (tried.root / "params.yaml").read_text(),
        Slot(tmp_path / "slots" / "0", origin), tmp_path / "1.txt",
        Objective("loss", lower_is_better=True),
        MedianRule(1, 0, lower_is_better=True, others=[[1.0] * 5]),
    )  # fmt: skip
    said = f"echo \"Running stage '{stage}':\"; echo 'error[{code}]: so it is'; exit 255"
    popen = subprocess.Popen

    def start(command: Any, **options: Any) -> Any:
        is_trial = command[:3] == ("dvc", "exp", "run")
        return popen(["sh", "-c", said] if is_trial else command, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    if state is None:
        with pytest.raises(EnvironmentFault, match="E501"):
            run_trial(job)
    else:
        assert run_trial(job).state is state
