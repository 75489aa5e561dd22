"""Outputs appear all together or not at all, whatever happens while they are moved."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from bertspec.core.files import publish, write_atomic
from tests.skipping import skip_here

NAMES = ("raw", "raw.manifest.json")


def _work(root: Path, old: Collection[str] = NAMES) -> dict[Path, Path]:
    """Two finished outputs, a folder and a file, and their places; older ones are at some."""
    for place, text, names in (("work", "new", NAMES), ("data", "old", old)):
        (root / place).mkdir(parents=True)
        if "raw" in names:
            (root / place / "raw").mkdir()
            (root / place / "raw" / "train.parquet").write_text(text)
        if "raw.manifest.json" in names:
            (root / place / "raw.manifest.json").write_text(text)
    return {root / "work" / name: root / "data" / name for name in NAMES}


def _found(root: Path) -> dict[str, str]:
    """All files below data, with their text."""
    files = [p for p in (root / "data").rglob("*") if p.is_file()]
    return {p.relative_to(root / "data").as_posix(): p.read_text() for p in files}


NEW = {"raw/train.parquet": "new", "raw.manifest.json": "new"}


def _fail(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, Path, Path], bool]) -> None:
    """Let each rename fail for which `fails(how many came before, from, to)`."""
    rename, done = Path.rename, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if fails(done - 1, self, target):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("renames", range(4))
def test_an_interrupt_while_publishing_waits_until_all_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int, number: signal.Signals
) -> None:
    class Ended(Exception):
        """In place of the end of the process."""

    def end(number: int, frame: object) -> None:
        raise Ended

    def interrupted(done: int, source: Path, target: Path) -> bool:
        if done == renames:
            os.kill(os.getpid(), number)
        return False

    places = _work(tmp_path)
    _fail(monkeypatch, interrupted)
    before = signal.signal(number, end)
    try:
        with pytest.raises(Ended):
            publish(places)
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)
    assert _found(tmp_path) == NEW


OLD = [(), ("raw",), ("raw.manifest.json",), NAMES]


@pytest.mark.parametrize(
    ("old", "renames"), [(old, n) for old in OLD for n in range(len(NAMES) + len(old))]
)
def test_a_failure_while_publishing_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Collection[str], renames: int
) -> None:
    places = _work(tmp_path, old)
    before = _found(tmp_path)
    _fail(monkeypatch, lambda done, source, target: done == renames)
    with pytest.raises(OSError, match="No space"):
        publish(places)
    assert _found(tmp_path) == before


def test_what_cannot_be_put_back_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second output cannot be placed, and then the first cannot be put back."""
    places = _work(tmp_path)

    def fails(done: int, source: Path, target: Path) -> bool:
        return source.name in {".raw.manifest.json.new", ".raw.old"}

    with monkeypatch.context() as patched:
        _fail(patched, fails)
        with pytest.raises(OSError, match="No space") as caught:
            publish(places)
    assert _found(tmp_path) == {".raw.old/train.parquet": "old", "raw.manifest.json": "old"}
    assert any(".raw.old" in note for note in caught.value.__notes__)


def test_the_only_copy_that_a_killed_run_left_goes_when_the_new_one_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = _work(tmp_path)
    (tmp_path / "data/raw").rename(tmp_path / "data/.raw.old")
    before = _found(tmp_path)
    with monkeypatch.context() as patched:
        _fail(patched, lambda done, source, target: done == 2)
        with pytest.raises(OSError, match="No space"):
            publish(places)
    assert _found(tmp_path) == before
    again = tmp_path / "again"
    again.mkdir()
    publish(_work(again))
    shutil.copytree(again / "data/raw", tmp_path / "work/raw")
    shutil.copy(again / "data/raw.manifest.json", tmp_path / "work/raw.manifest.json")
    publish(places)
    assert _found(tmp_path) == NEW


@pytest.mark.parametrize("ignore", ["bertspec/cli/template/gitignore", ".gitignore"])
def test_git_takes_nothing_of_what_a_killed_run_left(tmp_path: Path, ignore: str) -> None:
    shutil.copy(Path(__file__).parents[2] / ignore, tmp_path / ".gitignore")
    for name in ("models/a/.trained.new", "models/a/.report.html.old", ".dvc.yaml.x1y2.new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=tmp_path, check=True, stdout=subprocess.PIPE)
    assert listed.stdout.decode().split() == [".gitignore"]


def test_a_file_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to("folder/file")
    for content in (b"new", b"newer"):
        write_atomic(link, content)
        assert link.is_symlink()
        assert (tmp_path / "folder/file").read_bytes() == content
    assert len(list(tmp_path.rglob("*"))) == 3


def test_outputs_may_be_on_another_file_system(tmp_path: Path) -> None:
    import tempfile

    shared = Path("/dev/shm")  # noqa: S108 - a second file system, where there is one
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        skip_here("there is one file system here")
    places = _work(tmp_path)
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        publish({source: Path(elsewhere) / target.name for source, target in places.items()})
        assert (Path(elsewhere) / "raw" / "train.parquet").read_text() == "new"
        assert len(list(Path(elsewhere).iterdir())) == 2
