"""A full disk, through the real dvc: nothing is half-written, and a rerun gives the right bits."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bertspec.core.errors import is_disk_full
from bertspec.runtime.tables import write_arrow, write_parquet
from tests.e2e.faults import FETCH, RAW, digests, failed, more_rows, undisturbed
from tests.projects import Project
from tests.skipping import skip_here
from tests.stages import run_kinds

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]


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
    said = failed(project, "dvc", "repro", FETCH)
    assert "error[E503]: the disk is full" in said
    assert "make room and run it again" in said
    assert not digests(project, "data").keys() - {"data/reviews.csv"}
    filler.unlink()
    project.run("dvc", "repro", FETCH)
    expected = undisturbed(project, tmp_path / "expected", "fetch")
    assert digests(project, "data/reviews") == digests(expected, "data/reviews")


def test_a_model_that_does_not_fit_on_the_disk_leaves_the_old_one(
    built: Project, small_disk: Path
) -> None:
    """What writes models is not written in Python, and has errors of its own."""
    project = Project(Path(shutil.copytree(built.root, small_disk / "project", symlinks=True)))
    before = digests(project)
    filler = _fill(small_disk, left=40_000)
    for kind in ("base", "train", "export"):
        (name,) = (n for n in project.stages() if n.endswith(f"-{kind}"))
        said = project.bertspec("stage", name, code=3)
        assert "error[E503]: the disk is full" in said
        assert digests(project) == before
        assert not (project.root / ".bertspec/work" / name).exists()
    filler.unlink()
    run_kinds(project, "base")
    assert digests(project) == before


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


def test_a_cache_on_a_full_disk_loses_no_result(
    copy: Project, small_disk: Path, tmp_path: Path
) -> None:
    """The stage has made its outputs, and DVC has no room for them."""
    copy.run("dvc", "config", "--local", "cache.dir", str(small_disk / "cache"))
    more_rows(copy)
    lock = (copy.root / "dvc.lock").read_bytes()
    filler = _fill(small_disk, left=0)
    said = failed(copy, "dvc", "repro", FETCH)
    assert "No space left on device" in said
    assert (copy.root / "dvc.lock").read_bytes() == lock, "dvc does not take it for built"
    raw = digests(copy, RAW)
    filler.unlink()
    copy.run("dvc", "repro", FETCH)
    expected = digests(undisturbed(copy, tmp_path / "expected", "fetch"), RAW)
    assert raw == expected
    assert digests(copy, RAW) == expected
