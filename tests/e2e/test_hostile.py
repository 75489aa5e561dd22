"""Specs, files and folders of somebody who means harm: each is refused, or does none."""

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.errors import InputError
from bertspec.runtime.stage import run_stage
from tests.projects import SPEC, Project
from tests.stages import raw_rows, read_whole, run_kinds, source_of

SECRET = "password: s3cret\n"


def _spec(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(SPEC)), **changes}


def _reading(name: str) -> dict[str, Any]:
    spec = _spec()
    spec["data"]["source"]["files"]["train"] = name
    return spec


def test_a_spec_of_100_megabytes_is_refused_unread(project: Project) -> None:
    os.truncate(project.root / "specs/tiny.json", 100_000_000)
    begin = time.monotonic()
    assert "error[E007]: the file is larger than 1 MiB" in project.bertspec("validate", code=2)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("name", ["a;touch pwned", "$(touch pwned)", "`touch pwned`", "../a", "-h"])
def test_a_name_that_a_shell_would_obey_is_refused(project: Project, name: str) -> None:
    project.write_spec(_spec(name=name))
    assert "error[E015]" in project.bertspec("validate", code=2)
    data = _spec()["data"]
    project.write_spec(_spec(data=data | {"name": name}))
    assert "error[E015]" in project.bertspec("validate", code=2)


@pytest.mark.e2e
def test_a_path_that_a_shell_would_obey_is_a_path(project: Project) -> None:
    """Through dvc, which runs the commands of stages in a shell."""
    name = "data/a b;touch pwned;$(touch pwned)`touch pwned`'\"&|>pwned #.csv"
    (project.root / "data/reviews.csv").rename(project.root / name)
    project.write_spec(_reading(name))
    project.compile()
    project.init_dvc()
    project.run("dvc", "repro", "reviews-fetch")
    assert len(raw_rows(project, "train")) == 120
    assert not [*project.root.rglob("pwned*")]


@pytest.mark.parametrize("parent", ["../outside.yaml", "specs/../../outside.yaml", "ABSOLUTE"])
def test_a_spec_extends_no_file_outside_of_the_project(project: Project, parent: str) -> None:
    outside = project.root.parent / "outside.yaml"
    outside.write_text(SECRET)
    named = str(outside) if parent == "ABSOLUTE" else f"../{parent}"
    project.write_spec({"bertspec": 1, "name": "a", "extends": named})
    said = project.bertspec("validate", code=2)
    assert "error[E109]" in said
    assert "leads out of the project" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("link", ["specs/a.yaml", "specs/_parent.yaml", "specs/datasets/d.yaml"])
def test_a_spec_that_is_a_link_out_of_the_project_is_not_read(project: Project, link: str) -> None:
    outside = project.root.parent / "outside.yaml"
    outside.write_text(SECRET)
    place = project.root / link
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    if link == "specs/_parent.yaml":
        project.write_spec({"bertspec": 1, "name": "a", "extends": "_parent.yaml"})
    if link == "specs/datasets/d.yaml":
        project.write_spec(_spec(data="d"))
    said = project.bertspec("validate", code=2)
    assert "error[E109]" in said
    assert "s3cret" not in said


def test_what_a_stage_writes_goes_through_no_link(project: Project) -> None:
    """The places of its outputs are links out of the project: they are replaced, not followed."""
    outside = project.root.parent / "outside"
    (outside / "raw").mkdir(parents=True)
    (outside / "raw/mine.txt").write_text("mine")
    (outside / "manifest").write_text("mine")
    project.compile()
    (project.root / "data/reviews").mkdir()
    (project.root / "data/reviews/raw").symlink_to(outside / "raw")
    (project.root / "data/reviews/raw.manifest.json").symlink_to(outside / "manifest")
    run_stage("reviews-fetch", project.root)
    assert not (project.root / "data/reviews/raw").is_symlink()
    assert len(raw_rows(project, "train")) == 120
    assert [p.name for p in (outside / "raw").iterdir()] == ["mine.txt"]
    assert (outside / "manifest").read_text() == "mine"


def test_a_link_among_the_data_is_read_and_never_written(project: Project) -> None:
    outside = project.root.parent / "reviews.csv"
    (project.root / "data/reviews.csv").rename(outside)
    (project.root / "data/reviews.csv").symlink_to(outside)
    before = outside.read_bytes(), outside.stat().st_mode
    project.compile()
    run_kinds(project, "fetch", "prepare")
    assert len(raw_rows(project, "train")) == 120
    assert (outside.read_bytes(), outside.stat().st_mode) == before


def test_the_name_in_a_packed_file_names_no_file(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    with (root / "a.csv.gz").open("wb") as file:
        packed = gzip.GzipFile("../../evil.csv", "wb", fileobj=file)
        packed.write(b"text,label\na,b\n")
        packed.close()
    tables = read_whole(source_of("csv", files={"train": "a.csv.gz"}), root)
    assert tables["train"].to_pylist() == [{"text": "a", "label": "b"}]
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.csv.gz", "project"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_files_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    """So a path in it leads nowhere."""
    import io
    import tarfile
    import zipfile

    root = tmp_path / "project"
    root.mkdir()
    name, content = "../evil.csv", b"text,label\na,b\n"
    if kind == "zip":
        with zipfile.ZipFile(root / "a.zip", "w") as archive:
            archive.writestr(name, content)
    else:
        with tarfile.open(root / "a.tar.gz", "w:gz") as archive:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    (file,) = root.iterdir()
    with pytest.raises(InputError):
        read_whole(source_of("csv", files={"train": file.name}), root)
    assert [p.name for p in tmp_path.rglob("*")] == ["project", file.name]
