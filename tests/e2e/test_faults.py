"""What goes wrong on machines, through the real dvc: each ends in a message, nothing is lost, and
a rerun gives the bits of a build that nothing disturbed. docs/reliability.md has the table.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from bertspec.core.errors import is_disk_full
from bertspec.core.manifest import digest_files
from bertspec.core.yaml import load_plain
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.runtime import fetch
from bertspec.runtime.context import Context
from bertspec.runtime.tables import write_arrow, write_parquet
from tests.projects import SPEC, Project, rows
from tests.skipping import skip_here
from tests.stages import run_kinds
from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]

SOURCES = ("specs", "data/reviews.csv", "bertspec.lock", "dvc.yaml", "params.yaml")
"""What a build begins with."""

ELSEWHERE: dict[str, Any] = {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "5"}
"""Another locale, time zone and order of sets."""

FETCH, PREPARE = "reviews-fetch", "reviews-prepare"
RAW = "data/reviews/raw"


@pytest.fixture(scope="module")
def made(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project in git and in DVC, which has all of it in its cache. For copying only."""
    project = Project(tmp_path_factory.mktemp("faults") / "made")
    shutil.copytree(built.root, project.root, symlinks=True)
    project.init_dvc()
    project.run("dvc", "commit", "--force", "--quiet")
    project.commit("build")
    return project


@pytest.fixture
def copy(made: Project, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(made.root, tmp_path / "copy", symlinks=True)))


def _begin(built: Project, root: Path) -> Project:
    """A new project with the sources of the tiny one, of which nothing is built."""
    for name in SOURCES:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        place = built.root / name
        shutil.copytree(place, target) if place.is_dir() else shutil.copy(place, target)
    return Project(root)


def _digests(project: Project, *folders: str) -> dict[str, str]:
    """All that was made, with whatever was left behind; DVC's own ignore files are not."""
    return {
        f"{folder}/{name}": value
        for folder in folders or ("data/reviews", "models")
        for name, value in digest_files(project.root / folder).items()
        if not name.endswith(".gitignore")
    }


def _undisturbed(copy: Project, folder: Path, *kinds: str) -> Project:
    """A build of what the specs and rows of `copy` say now, up to these kinds of stage."""
    project = _begin(copy, folder)
    project.bertspec("compile")
    run_kinds(project, *kinds)
    return project


def _works(project: Project, process: "subprocess.Popen[str]", *stages: str) -> str:
    """Wait until one of the stages has begun to work, and tell which."""
    work = project.root / ".bertspec/work"
    deadline = time.monotonic() + 120
    while True:
        for stage in stages:
            if (work / stage).exists():
                return stage
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def _paused(project: Project, stage: str, *command: str) -> "subprocess.Popen[str]":
    """A command that stands still, with all that it has started, while the stage works."""
    process = project.start(*command)
    _works(project, process, stage)
    os.killpg(process.pid, signal.SIGSTOP)
    return process


def _go_on(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and what it says in the end."""
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=120)
    assert "Traceback" not in said
    return process.returncode, said


def _failed(project: Project, *command: str, **env: str) -> str:
    """What a command says that must fail."""
    result = project.run(*command, code=None, **env)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout + result.stderr


def _more_rows(project: Project, count: int = 10) -> None:
    project.write_rows([*rows(), *((f"one more film number {i}", "good") for i in range(count))])


def _with_a_further_seed(built: Project, root: Path) -> Project:
    """The tiny project with the stages of another seed, built by nobody who was disturbed."""
    project = _begin(built, root)
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
    project = _begin(expected, tmp_path / "mes modèles 模型 'n° 1' $HOME")
    project.init_dvc()
    records = load_plain((project.root / "params.yaml").read_text())["bertspec"]["stages"]
    waiting = {name for name, record in records.items() if record["kind"] in kinds}
    killed: list[str] = []
    while waiting:
        process = project.start("dvc", "repro", **ELSEWHERE)
        killed.append(_works(project, process, *waiting))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        made = records[killed[-1]]["outputs"].values()
        assert not [path for path in made if (project.root / path).exists()]
        waiting.remove(killed[-1])
    done = load_plain((project.root / "dvc.lock").read_text())["stages"]
    assert set(killed[:-1]) <= set(done), "all before the last kill is kept"
    said = project.run("dvc", "repro", **ELSEWHERE).stdout
    assert said.count("Running stage") == len(records) - len(done)
    assert _digests(project) == _digests(expected)
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
    _works(copy, process, "tiny-train")
    assert not (copy.root / "models/tiny/trained").exists()
    kept = copy.root / ".bertspec/checkpoints/tiny-train"
    wait_for(lambda: any(kept.glob("*.safetensors")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (file,) = kept.glob("*.safetensors")
    with safe_open(file, framework="numpy") as opened:
        step = len(json.loads(opened.metadata()["progress"])["curves"]["loss"])
    copy.run("dvc", "repro", "tiny-train")
    first, second = _steps_told(copy)
    assert first[0] == 0
    assert second[0] == step > 0
    assert second[-1] == _steps_told(undisturbed)[0][-1] > first[-1]
    made = ("models/tiny/trained", "models/tiny/curves")
    assert _digests(copy, *made) == _digests(undisturbed, *made)
    assert not kept.exists()


def _steps_told(project: Project) -> list[list[int]]:
    """The steps of which each run of a training told TensorBoard, the first run first."""
    files = sorted((project.root / "runs").glob("*/*/steps/*"), key=lambda p: p.stat().st_mtime)
    events = ([*EventFileLoader(str(file)).Load()] for file in files)
    return [[event.step for event in told if event.HasField("summary")] for told in events]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 16 MiB, where one can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "small", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        skip_here("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path, left: int) -> Path:
    """Write a file that leaves so many bytes of room."""
    room = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(room.f_bavail * room.f_frsize - left))
    return filler


def test_on_a_full_disk_nothing_is_half_written(small_disk: Path, tmp_path: Path) -> None:
    many = [(os.urandom(64).hex(), "good" if i % 2 else "bad") for i in range(6000)]
    project = Project.create(small_disk / "project")
    project.write_rows(many)
    project.compile()
    project.init_dvc()
    filler = _fill(small_disk, left=200_000)
    said = _failed(project, "dvc", "repro", FETCH)
    assert "error[E503]: the disk is full" in said
    assert "make room and run it again" in said
    assert not _digests(project, "data").keys() - {"data/reviews.csv"}
    filler.unlink()
    project.run("dvc", "repro", FETCH)
    expected = _undisturbed(project, tmp_path / "expected", "fetch")
    assert _digests(project, "data/reviews") == _digests(expected, "data/reviews")


def test_a_model_that_does_not_fit_on_the_disk_leaves_the_old_one(
    built: Project, small_disk: Path
) -> None:
    """What writes models is not written in Python, and has errors of its own."""
    project = Project(Path(shutil.copytree(built.root, small_disk / "project", symlinks=True)))
    before = _digests(project)
    filler = _fill(small_disk, left=40_000)
    for kind in ("base", "train", "export"):
        (name,) = (n for n in project.stages() if n.endswith(f"-{kind}"))
        said = project.bertspec("stage", name, code=3)
        assert "error[E503]: the disk is full" in said
        assert _digests(project) == before
        assert not (project.root / ".bertspec/work" / name).exists()
    filler.unlink()
    run_kinds(project, "base")
    assert _digests(project) == before


def _safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(100_000)}, path)


def _tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models

    words = {f"w{i}": i for i in range(60_000)}
    Tokenizer(models.WordLevel(words, "w0")).save(str(path))


def _parquet(path: Path) -> None:
    write_parquet(pa.table({"a": np.random.default_rng(0).random(100_000)}), path)


def _arrow(path: Path) -> None:
    write_arrow(pa.table({"a": np.zeros(100_000)}), path)


def _openvino(path: Path) -> None:
    import openvino
    import torch

    model = openvino.convert_model(torch.nn.Linear(400, 400), example_input=torch.zeros(1, 400))
    openvino.save_model(model, path.with_suffix(".xml"), compress_to_fp16=False)


@pytest.mark.parametrize("write", [_safetensors, _tokenizer, _parquet, _arrow, _openvino])
def test_a_full_disk_is_known_by_what_each_library_says(
    small_disk: Path, write: Callable[[Path], None]
) -> None:
    _fill(small_disk, left=40_000)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - they share no class
        write(small_disk / "file")
    assert is_disk_full(caught.value)


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
    said = _failed(copy, *again)
    assert f"error[E518]: data/reviews/prepared/{train.name} is not as its stage made it" in said
    page = copy.bertspec("explain-code", "E518")
    recipe = "\n".join(line for line in page.splitlines() if line.startswith("    "))
    removed = copy.run("sh", "-c", recipe).stdout.split()
    assert removed == [damaged.relative_to(damaged.parents[1]).as_posix()]
    shutil.rmtree(prepared)
    ran = copy.run("dvc", "repro", PREPARE).stdout
    assert f"Running stage '{PREPARE}'" in ran
    copy.run(*again)
    assert _digests(copy) == _digests(built)


def test_of_two_repros_at_once_the_second_tells_and_does_no_harm(
    copy: Project, built: Project
) -> None:
    process = _paused(copy, FETCH, "dvc", "repro", "--single-item", "--force", FETCH)
    said = _failed(copy, "dvc", "repro")
    assert "busy" in said
    assert "dvc repro" in said
    by_hand = copy.run("bertspec", "stage", FETCH, code=3).stderr
    assert f"error[E517]: another process runs the stage `{FETCH}` here" in by_hand
    code, said = _go_on(process)
    assert code == 0, said
    assert copy.run("dvc", "repro").stdout.count("Running stage") == 0
    assert _digests(copy) == _digests(built)


def test_outputs_that_were_edited_by_hand_are_put_back(copy: Project, built: Project) -> None:
    for file in ("data/reviews/prepared/index.json", "models/tiny/metrics.json",
                 "models/tiny/trained/model.safetensors"):  # fmt: skip
        path = copy.root / file
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-2] + b"xy")
    assert "Running" not in copy.run("dvc", "repro").stdout, "all of it is in the cache"
    assert _digests(copy) == _digests(built)


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
    _more_rows(copy)
    lock = (copy.root / "dvc.lock").read_bytes()
    try:
        said = _failed(copy, *_bound_by_modes("dvc", "repro", FETCH))
        assert "Permission denied" in said
        assert (copy.root / "dvc.lock").read_bytes() == lock, "dvc does not take it for built"
        raw = _digests(copy, RAW)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    copy.run("dvc", "repro", FETCH)
    expected = _digests(_undisturbed(copy, tmp_path / "expected", "fetch"), RAW)
    assert raw == expected
    assert _digests(copy, RAW) == expected


def test_a_cache_on_a_full_disk_loses_no_result(
    copy: Project, small_disk: Path, tmp_path: Path
) -> None:
    """The stage has made its outputs, and DVC has no room for them."""
    copy.run("dvc", "config", "--local", "cache.dir", str(small_disk / "cache"))
    _more_rows(copy)
    lock = (copy.root / "dvc.lock").read_bytes()
    filler = _fill(small_disk, left=0)
    said = _failed(copy, "dvc", "repro", FETCH)
    assert "No space left on device" in said
    assert (copy.root / "dvc.lock").read_bytes() == lock, "dvc does not take it for built"
    raw = _digests(copy, RAW)
    filler.unlink()
    copy.run("dvc", "repro", FETCH)
    expected = _digests(_undisturbed(copy, tmp_path / "expected", "fetch"), RAW)
    assert raw == expected
    assert _digests(copy, RAW) == expected


def test_a_clock_that_was_set_back_hides_no_change(copy: Project, tmp_path: Path) -> None:
    """Every file is older than it was, and the edit is older than what was made before it."""
    for path in copy.root.rglob("*"):
        if path.is_file() and ".git" not in path.parts and ".dvc" not in path.parts:
            os.utime(path, (1_000_000_000, 1_000_000_000))
    copy.call("plan", code=0)
    _more_rows(copy)
    os.utime(copy.root / "data/reviews.csv", (900_000_000, 900_000_000))
    told = json.loads(copy.call("plan", "--format", "json", code=2).stdout)
    assert FETCH in {step["name"] for step in told["stages"]}
    assert f"Running stage '{FETCH}'" in copy.run("dvc", "repro", FETCH).stdout
    expected = _undisturbed(copy, tmp_path / "expected", "fetch")
    assert _digests(copy, RAW) == _digests(expected, RAW)


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
    assert _digests(copy) == _digests(built)


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
    expected = _undisturbed(copy, tmp_path / "expected", "fetch", "prepare")
    prepared = _digests(expected, "data/reviews/prepared")
    assert _digests(copy, "data/reviews/prepared") == prepared
    assert prepared != _digests(built, "data/reviews/prepared")
    copy.write_spec(SPEC)
    copy.bertspec("compile")
    copy.run("dvc", "repro", PREPARE)
    assert _digests(copy) == _digests(built)


def test_a_file_that_is_changed_while_it_is_read_is_not_mixed_up(
    copy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is another one when the stage has just read it."""
    real = fetch.run

    def changed(context: Context[Any]) -> None:
        real(context)
        _more_rows(copy)

    before = _digests(copy)
    with monkeypatch.context() as patched:
        patched.setattr(fetch, "run", changed)
        said = copy.bertspec("stage", FETCH, code=2)
    assert "error[E516]: data/reviews.csv was changed while" in said
    assert _digests(copy) == before
    copy.run("dvc", "repro", FETCH)
    expected = _undisturbed(copy, tmp_path / "expected", "fetch")
    assert _digests(copy, RAW) == _digests(expected, RAW)


def test_a_dvc_lock_in_conflict_is_told_and_resolved(copy: Project, built: Project) -> None:
    for branch, count in (("theirs", 5), ("ours", 7)):
        copy.run("git", "checkout", "--quiet", "-b", branch, "main")
        _more_rows(copy, count)
        copy.run("dvc", "repro", FETCH)
        copy.commit(branch)
    ours = _digests(copy, RAW)
    assert "CONFLICT" in _failed(copy, "git", "merge", "theirs")
    assert "<<<<<<<" in (copy.root / "dvc.lock").read_text()
    said = _failed(copy, "dvc", "repro", FETCH)
    assert "dvc.lock" in said
    said = copy.bertspec("plan", code=1)
    assert "error[E218]: dvc.lock" in said
    assert _digests(copy, RAW) == ours
    for command in (("checkout", "--ours", "dvc.lock", "data/reviews.csv"), ("add", "--update")):
        copy.run("git", *command)
    assert "Running" not in copy.run("dvc", "repro", FETCH).stdout
    assert _digests(copy, RAW) == ours


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
    expected = _begin(copy, tmp_path / "expected")
    expected.bertspec("compile")
    new = {name: (expected.root / name).read_bytes() for name in names}
    assert sum(now[name] == new[name] for name in names) == written
    assert sum(now[name] == old[name] for name in names) == 2 - written
    if written:
        tokenize = next(n for n in copy.stages() if n.endswith("-tokenize"))
        assert "are missing from 'params.yaml'" in _failed(copy, "dvc", "repro", tokenize)
    copy.bertspec("compile")
    assert {name: (copy.root / name).read_bytes() for name in names} == new
