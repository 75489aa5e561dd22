"""The clone that a trial runs in: what stays between trials, and what must not."""

from pathlib import Path

from bertspec.sweeping.definition import read_definition
from bertspec.sweeping.origin import origin_of
from bertspec.sweeping.slot import Slot
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
