"""What goes wrong on machines, through the real dvc: each ends in a message, nothing is lost, and
a rerun gives the bits of a build that nothing disturbed. docs/reliability.md has the table.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bertspec.runtime import fetch
from bertspec.runtime.context import Context
from tests.e2e.faults import (
    FETCH,
    PREPARE,
    RAW,
    begin,
    digests,
    failed,
    more_rows,
    undisturbed,
    works,
)
from tests.projects import SPEC, Project
from tests.skipping import skip_here

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]


def _paused(project: Project, stage: str, *command: str) -> "subprocess.Popen[str]":
    """A command that stands still, with all that it has started, while the stage works."""
    process = project.start(*command)
    works(project, process, stage)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def _go_on(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and what it says in the end."""
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=120)
    assert "Traceback" not in said
    return process.returncode, said


def test_a_damaged_file_of_the_cache_is_told_and_made_again(
    copy: Project, built: Project, tmp_path: Path
) -> None:
    """DVC trusts its cache: only the manifest tells."""
    prepared = copy.root / "data/reviews/prepared"
    (train,) = prepared.glob("train*.parquet")
    content = train.read_bytes()
    objects = (p for p in (copy.root / ".dvc/cache/files/md5").rglob("*") if p.is_file())
    (damaged,) = (p for p in objects if p.read_bytes() == content)
    damaged.chmod(0o644)
    damaged.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    damaged.chmod(0o444)
    shutil.rmtree(prepared)
    copy.run("dvc", "checkout")
    assert train.read_bytes() != content
    tokenize = next(n for n in copy.stages() if n.endswith("-tokenize"))
    again = ("dvc", "repro", "--single-item", "--force", tokenize)
    said = failed(copy, *again)
    assert f"error[E518]: data/reviews/prepared/{train.name} is not as its stage made it" in said
    page = copy.bertspec("explain-code", "E518")
    recipe = "\n".join(line for line in page.splitlines() if line.startswith("    "))
    removed = copy.run("sh", "-c", recipe).stdout.split()
    assert removed == [damaged.relative_to(damaged.parents[1]).as_posix()]
    shutil.rmtree(prepared)
    ran = copy.run("dvc", "repro", PREPARE).stdout
    assert f"Running stage '{PREPARE}'" in ran
    copy.run(*again)
    assert digests(copy) == digests(built)


def test_of_two_repros_at_once_the_second_tells_and_does_no_harm(
    copy: Project, built: Project
) -> None:
    process = _paused(copy, FETCH, "dvc", "repro", "--single-item", "--force", FETCH)
    said = failed(copy, "dvc", "repro")
    assert "busy" in said
    assert "dvc repro" in said
    by_hand = copy.run("bertspec", "stage", FETCH, code=3).stderr
    assert f"error[E517]: another process runs the stage `{FETCH}` here" in by_hand
    code, said = _go_on(process)
    assert code == 0, said
    assert copy.run("dvc", "repro").stdout.count("Running stage") == 0
    assert digests(copy) == digests(built)


def test_outputs_that_were_edited_by_hand_are_put_back(copy: Project, built: Project) -> None:
    for file in ("data/reviews/prepared/index.json", "models/tiny/metrics.json",
                 "models/tiny/trained/model.safetensors"):  # fmt: skip
        path = copy.root / file
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-2] + b"xy")
    assert "Running" not in copy.run("dvc", "repro").stdout, "all of it is in the cache"
    assert digests(copy) == digests(built)


def _bound_by_modes(*command: str) -> tuple[str, ...]:
    """A command that may write only what modes let it write, also as root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        skip_here("root may write anything, and there is no setpriv here")
    return "setpriv", "--bounding-set=-dac_override", *command


def test_a_cache_that_cannot_be_written_loses_no_result(copy: Project, tmp_path: Path) -> None:
    cache = copy.root / ".dvc/cache"
    folders = [cache, *(p for p in cache.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    shutil.rmtree(copy.root / "data/reviews/raw")
    copy.run(*_bound_by_modes("dvc", "checkout"))
    assert (copy.root / "data/reviews/raw").is_dir(), "reading needs no more"
    more_rows(copy)
    lock = (copy.root / "dvc.lock").read_bytes()
    try:
        said = failed(copy, *_bound_by_modes("dvc", "repro", FETCH))
        assert "Permission denied" in said
        assert (copy.root / "dvc.lock").read_bytes() == lock, "dvc does not take it for built"
        raw = digests(copy, RAW)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    copy.run("dvc", "repro", FETCH)
    expected = digests(undisturbed(copy, tmp_path / "expected", "fetch"), RAW)
    assert raw == expected
    assert digests(copy, RAW) == expected


def test_a_clock_that_was_set_back_hides_no_change(copy: Project, tmp_path: Path) -> None:
    """Every file is older than it was, and the edit is older than what was made before it."""
    for path in copy.root.rglob("*"):
        if path.is_file() and ".git" not in path.parts and ".dvc" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    copy.call("plan", code=0)
    more_rows(copy)
    os.utime(copy.root / "data/reviews.csv", (900_000_000, 900_000_000))
    told = json.loads(copy.call("plan", "--format", "json", code=2).stdout)
    assert FETCH in {step["name"] for step in told["stages"]}
    assert f"Running stage '{FETCH}'" in copy.run("dvc", "repro", FETCH).stdout
    expected = undisturbed(copy, tmp_path / "expected", "fetch")
    assert digests(copy, RAW) == digests(expected, RAW)


def test_where_there_are_no_hard_links_files_are_copied(
    copy: Project, built: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is kept of shards lies on another file system, to which no link can be made."""
    import tempfile

    shared = Path("/dev/shm")  # noqa: S108 - a second file system, where there is one
    if not shared.is_dir() or shared.stat().st_dev == copy.root.stat().st_dev:
        skip_here("there is one file system here")
    shard = next((built.root / "data/reviews/raw").glob("train*"))
    assert shard.stat().st_nlink == 2, "else nothing would be linked anyway"
    shutil.rmtree(copy.root / ".bertspec", ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        (copy.root / ".bertspec").symlink_to(elsewhere)
        copy.run("dvc", "repro", "--single-item", "--force", FETCH)
        assert (Path(elsewhere) / "shards" / FETCH).is_dir()
        assert (copy.root / "data/reviews/raw" / shard.name).stat().st_nlink == 1
        copy.run("dvc", "repro", "--single-item", "--force", PREPARE)
    assert digests(copy) == digests(built)


def test_a_spec_that_is_changed_while_its_stage_runs_is_not_mixed_up(
    copy: Project, built: Project, tmp_path: Path
) -> None:
    """DVC reads params when the stage has ended: it would keep the old rows for the new split."""
    other = json.loads(json.dumps(SPEC))
    other["data"]["split"]["salt"] = "another"
    lock = (copy.root / "dvc.lock").read_bytes()
    process = _paused(copy, PREPARE, "dvc", "repro", "--single-item", "--force", PREPARE)
    copy.write_spec(other)
    copy.bertspec("compile")
    code, said = _go_on(process)
    assert code != 0
    assert "error[E516]: `split` in params.yaml was changed while" in said
    assert (copy.root / "dvc.lock").read_bytes() == lock
    copy.run("dvc", "repro", PREPARE)
    expected = undisturbed(copy, tmp_path / "expected", "fetch", "prepare")
    prepared = digests(expected, "data/reviews/prepared")
    assert digests(copy, "data/reviews/prepared") == prepared
    assert prepared != digests(built, "data/reviews/prepared")
    copy.write_spec(SPEC)
    copy.bertspec("compile")
    copy.run("dvc", "repro", PREPARE)
    assert digests(copy) == digests(built)


def test_a_file_that_is_changed_while_it_is_read_is_not_mixed_up(
    copy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is another one when the stage has just read it."""
    real = fetch.run

    def changed(context: Context[Any]) -> None:
        real(context)
        more_rows(copy)

    before = digests(copy)
    with monkeypatch.context() as patched:
        patched.setattr(fetch, "run", changed)
        said = copy.bertspec("stage", FETCH, code=2)
    assert "error[E516]: data/reviews.csv was changed while" in said
    assert digests(copy) == before
    copy.run("dvc", "repro", FETCH)
    expected = undisturbed(copy, tmp_path / "expected", "fetch")
    assert digests(copy, RAW) == digests(expected, RAW)


def test_a_dvc_lock_in_conflict_is_told_and_resolved(copy: Project, built: Project) -> None:
    for branch, count in (("theirs", 5), ("ours", 7)):
        copy.run("git", "checkout", "--quiet", "-b", branch, "main")
        more_rows(copy, count)
        copy.run("dvc", "repro", FETCH)
        copy.commit(branch)
    ours = digests(copy, RAW)
    assert "CONFLICT" in failed(copy, "git", "merge", "theirs")
    assert "<<<<<<<" in (copy.root / "dvc.lock").read_text()
    said = failed(copy, "dvc", "repro", FETCH)
    assert "dvc.lock" in said
    said = copy.bertspec("plan", code=1)
    assert "error[E218]: dvc.lock" in said
    assert digests(copy, RAW) == ours
    for command in (("checkout", "--ours", "dvc.lock", "data/reviews.csv"), ("add", "--update")):
        copy.run("git", *command)
    assert "Running" not in copy.run("dvc", "repro", FETCH).stdout
    assert digests(copy, RAW) == ours


KILLED = """
import os, sys
from pathlib import Path
from typing import Any
from bertspec.cli import main
real, left = Path.replace, int(sys.argv[1])
def replace(self, target):
    global left
    if not left:
        os.kill(os.getpid(), 9)
    left -= 1
    return real(self, target)
Path.replace = replace
main(["compile"])
"""
"""`bertspec compile`, killed when it has put so many files into their places."""


@pytest.mark.parametrize("written", [0, 1])
def test_an_interrupted_compile_leaves_whole_files_and_runs_again(
    copy: Project, tmp_path: Path, written: int
) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["data"]["split"]["salt"] = "another"
    spec["model"]["base"]["tokenizer"]["vocab_size"] = 150
    names = ("dvc.yaml", "params.yaml")
    old = {name: (copy.root / name).read_bytes() for name in names}
    copy.write_spec(spec)
    copy.run("python", "-c", KILLED, str(written), code=-signal.SIGKILL)
    now = {name: (copy.root / name).read_bytes() for name in names}
    expected = begin(copy, tmp_path / "expected")
    expected.bertspec("compile")
    new = {name: (expected.root / name).read_bytes() for name in names}
    assert sum(now[name] == new[name] for name in names) == written
    assert sum(now[name] == old[name] for name in names) == 2 - written
    if written:
        tokenize = next(n for n in copy.stages() if n.endswith("-tokenize"))
        assert "are missing from 'params.yaml'" in failed(copy, "dvc", "repro", tokenize)
    copy.bertspec("compile")
    assert {name: (copy.root / name).read_bytes() for name in names} == new
