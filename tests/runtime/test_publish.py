"""Outputs appear all together or not at all, whatever happens while they are moved."""

import os
import signal
from pathlib import Path

import pytest

from bertspec.core.files import publish


def _work(root: Path) -> dict[Path, Path]:
    """Two finished outputs, a folder and a file, and their places, where older ones are."""
    for place, text in (("work", "new"), ("data", "old")):
        (root / place / "raw").mkdir(parents=True)
        (root / place / "raw" / "train.parquet").write_text(text)
        (root / place / "raw.manifest.json").write_text(text)
    return {root / "work" / name: root / "data" / name for name in ("raw", "raw.manifest.json")}


def _texts(root: Path) -> set[str]:
    files = [p for p in (root / "data").rglob("*") if p.is_file()]
    assert {p.name for p in files} == {"train.parquet", "raw.manifest.json"}, "nothing else is left"
    return {p.read_text() for p in files}


@pytest.mark.parametrize("renames", range(4))
def test_ctrl_c_while_publishing_waits_until_all_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    rename, done = Path.rename, 0

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal done
        if done == renames:
            os.kill(os.getpid(), signal.SIGINT)
        done += 1
        return rename(self, target)

    places = _work(tmp_path)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(places)
    assert _texts(tmp_path) == {"new"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("renames", range(4))
def test_a_failure_while_publishing_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    rename, done = Path.rename, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal done
        done += 1
        if done == renames + 1:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    places = _work(tmp_path)
    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        publish(places)
    assert _texts(tmp_path) == {"old"}


def test_outputs_may_be_on_another_file_system(tmp_path: Path) -> None:
    import tempfile

    shared = Path("/dev/shm")  # noqa: S108 - a second file system, where there is one
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system here")
    places = _work(tmp_path)
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        publish({source: Path(elsewhere) / target.name for source, target in places.items()})
        assert (Path(elsewhere) / "raw" / "train.parquet").read_text() == "new"
        assert len(list(Path(elsewhere).iterdir())) == 2
