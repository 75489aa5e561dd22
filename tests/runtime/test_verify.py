"""`bertspec verify`: a rebuild is the same, or it says which file, what of it, and why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from bertspec.core.manifest import Manifest, digest_files, digest_source, manifest_path
from bertspec.pipeline.lock import Hardware, read_lock
from bertspec.pipeline.stage import MANIFEST, Output, OutputKind, Stage
from bertspec.runtime.beginning import stamps
from bertspec.runtime.hardware import hardware_class
from bertspec.runtime.tables import read_parquet, write_parquet
from bertspec.runtime.verifying.difference import Difference, differences
from bertspec.runtime.verifying.ingredients import causes
from bertspec.runtime.verifying.rebuild import copy_sources
from tests.projects import SPEC, Project, with_onnx


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Built to the export, with a second spec that is not built."""
    project = Project.create(tmp_path_factory.mktemp("verify") / "project")
    spec = with_onnx(training=SPEC["training"] | {"epochs": 1})
    project.write_spec(spec)
    project.write_spec(spec | {"name": "second"}, "second.json")
    project.compile()
    for name in project.stages():
        if not name.startswith("second-"):
            project.bertspec("stage", name)
    return project


@pytest.fixture
def copied(project: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(project.root, tmp_path / "copy", symlinks=True))


@pytest.mark.e2e
def test_every_file_is_the_same_in_a_rebuild(project: Project) -> None:
    before = {p: p.stat().st_mtime_ns for p in project.root.rglob("*") if p.is_file()}
    told = json.loads(project.call("verify", "tiny", "--format", "json").stdout)
    assert set(told["same"]) == {n for n in project.stages() if not n.startswith("second-")}
    assert told["differences"] == told["causes"] == []
    outputs = [project.root / "models/tiny" / name for name in ("trained", "curves")]
    assert told["same"]["tiny-train"] == sum(1 for o in outputs for p in o.iterdir())
    assert {p: p.stat().st_mtime_ns for p in project.root.rglob("*") if p.is_file()} == before


def test_what_is_not_built_or_not_there_is_told(project: Project) -> None:
    assert "models/second/trained is missing" in project.bertspec("verify", code=2)
    assert "did you mean `tiny`" in project.bertspec("verify", "tinny", code=2)


def test_a_stage_that_fails_in_the_rebuild_ends_as_it_does(copied: Project) -> None:
    (copied.root / "data/reviews.csv").unlink()
    said = copied.bertspec("verify", "tiny", code=2)
    assert "error[E481]: reviews-fetch fails in the rebuild" in said
    assert "error[E301]" in said


def test_a_folder_is_copied_around_a_file_that_is_there(tmp_path: Path) -> None:
    here, there = _pair(tmp_path)
    (here / "raw").mkdir()
    for name in ("a.csv", "b.csv"):
        (here / "raw" / name).write_text(name)
    copy_sources(["raw/a.csv", "raw", "nothing"], here, there)
    assert digest_files(here) == digest_files(there)


def test_what_dvc_does_not_watch_is_no_part_of_a_users_folder(tmp_path: Path) -> None:
    """Such as what git writes in a clone of a model, whenever it is asked."""
    here, there = _pair(tmp_path)
    base = here / "base"
    for name in (".git", "sub/.hg", ".dvc", "sub/kept"):
        (base / name).mkdir(parents=True)
        (base / name / "index").write_text("one")
    (base / "sub/.git").write_text("gitdir: elsewhere")
    (base / "config.json").write_text("{}")
    (base / "linked.txt").symlink_to(base / "config.json")
    (base / "nowhere").symlink_to(tmp_path / "none")
    (base / "folder").symlink_to(tmp_path / "there")
    before, stamped = digest_source(base), stamps([base])
    for name in (".git/index", ".git/new", "sub/.hg/index", ".dvc/index", "sub/.git"):
        (base / name).write_text("another")
    assert (digest_source(base), stamps([base])) == (before, stamped)
    copy_sources(["base"], here, there)
    copied = sorted(p.relative_to(there / "base").as_posix() for p in (there / "base").rglob("*"))
    assert copied == ["config.json", "linked.txt", "sub", "sub/kept", "sub/kept/index"]
    assert digest_source(there / "base") == before
    (base / "sub/kept/index").write_text("another")
    assert digest_source(base) != before
    assert stamps([base]) != stamped


def _edit_rows(root: Path) -> None:
    path = root / "data/reviews.csv"
    path.write_text(path.read_text().replace("a warm and funny film", "a cold and funny film", 1))


def _edit_prepared(root: Path) -> None:
    (path,) = (root / "data/reviews/prepared").glob("train*.parquet")
    table = read_parquet(path)
    texts = ["another text", *table["text"].to_pylist()[1:]]
    path.unlink()
    write_parquet(table.set_column(table.schema.get_field_index("text"), "text", [texts]), path)


def _other_package(root: Path) -> None:
    path = root / "data/reviews/raw.manifest.json"
    manifest = Manifest.read(path)
    Manifest(**{**manifest.__dict__, "packages": {"pyarrow": "0.1"}}).write(path)
    _edit_rows(root)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            _edit_rows,
            [
                "data/reviews/raw/",
                "`review` of row",
                "cold and funny",
                "help: data/reviews.csv has changed since it was made from it: `dvc repro`\n",
            ],
        ),
        (_edit_prepared, ["data/reviews/prepared/", "another text", "not as its stage wrote it"]),
        (_other_package, ["package pyarrow: 0.1 here"]),
    ],
)
def test_the_first_difference_is_told_and_why(
    copied: Project, edit: Callable[[Path], None], said: list[str]
) -> None:
    edit(copied.root)
    told = copied.bertspec("verify", "tiny", code=1)
    assert "error[E480]" in told
    for words in said:
        assert words in told
    assert "same  tiny-train" not in told


@pytest.mark.e2e
def test_another_machine_with_other_threads_is_told_with_the_tensor(copied: Project) -> None:
    """As if it had been trained on a machine of another class, with two threads more."""
    trained = copied.root / "models/tiny/trained"
    weights = load_file(trained / "model.safetensors")
    name = max(weights)
    weights[name].flatten()[0] += 0.25
    save_file(weights, trained / "model.safetensors", metadata={"format": "pt"})
    path = trained.with_name("trained.manifest.json")
    manifest = Manifest.read(path)
    files = digest_files(trained)
    Manifest(**{**manifest.__dict__, "threads": 3, "files": files}).write(path)
    lock = read_lock(copied.root)
    assert lock is not None
    other = lock.model_copy(update={"hardware": Hardware(isa="avx1024", blas="blis")})
    (copied.root / "bertspec.lock").write_text(other.to_text())
    said = copied.bertspec("verify", "tiny", code=1)
    assert "same  reviews-prepare: " in said
    assert "same  tiny-train" not in said, "it is the first"
    assert f"tensors differ, most of all {name}: by up to 0.25" in said
    here = hardware_class("cpu")
    causes = f"threads: 3 here, 1 in the rebuild; hardware: avx1024, blis in the lock, {here} in"
    assert f"help: {causes} the rebuild\n" in said


def test_other_hardware_is_named_where_it_may_be_why(tmp_path: Path) -> None:
    here, there = _pair(tmp_path)
    stages = []
    for name, threads, read in (("a", 1, ()), ("b", None, ("a",)), ("c", None, ("b",))):
        manifest = manifest_path(name)
        outputs = {
            "made": Output(name, OutputKind.ARTIFACT),
            MANIFEST: Output(manifest, OutputKind.ARTIFACT),
        }
        stages.append(
            Stage(name, "prepare", 1, "s.yaml", {}, threads, {}, {r: r for r in read}, (), outputs)
        )
        for root in (here, there):
            (root / name).mkdir()
            Manifest(name, 1, {}, {}, threads, {}, {}).write(root / manifest)
    other = Hardware(isa="avx1024", blas="blis")
    found = [causes(stages, differing, here, there, other) for differing in stages]
    expected = [f"hardware: {other} in the lock, {hardware_class('cpu')} in the rebuild"]
    assert found == [expected, expected, []]


def _pair(folder: Path) -> tuple[Path, Path]:
    for name in ("here", "there"):
        (folder / name).mkdir()
    return folder / "here", folder / "there"


def test_tensors_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    here, there = _pair(tmp_path)
    tensors = {"a": torch.zeros(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
    save_file(tensors, here / "m.safetensors")
    save_file(tensors, there / "m.safetensors", metadata={"made": "elsewhere"})
    (found,) = differences("m.safetensors", here, there)
    assert (found.same_content, found.what) == (True, "the same content in other bytes")
    other = load_file(there / "m.safetensors")
    other["b"][1] += 0.25
    save_file(other, there / "m.safetensors")
    (found,) = differences("m.safetensors", here, there)
    assert found.what == "1 of 2 tensors differ, most of all b: by up to 0.25"
    other = {"a": tensors["a"].clone(), "b": tensors["b"].clone()}
    other["a"][0, 0] = -0.0
    save_file(other, there / "m.safetensors")
    (found,) = differences("m.safetensors", here, there)
    assert found.what == "zeros of another sign"
    for each, gap in ((tensors, 0.0), (other, 0.5)):
        each["b"][:3] = torch.tensor([torch.inf, torch.nan, 1 + gap], dtype=torch.bfloat16)
        save_file(each, (here if each is tensors else there) / "m.safetensors")
    (found,) = differences("m.safetensors", here, there)
    assert found.what == "2 of 2 tensors differ, most of all b: by up to 0.5"
    save_file(other | {"c": torch.zeros(1)}, there / "m.safetensors")
    assert "only one build has the tensor c" in next(differences(".", here, there)).what
    save_file(other | {"a": torch.zeros(3, 2)}, there / "m.safetensors")
    assert "tensor a is torch.float32 [2, 3]" in next(differences(".", here, there)).what


def test_tables_and_json_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    here, there = _pair(tmp_path)
    table = pa.table({"id": ["x", "y"], "score": [0.5, None]})
    write_parquet(table, here / "t.parquet")
    pa.parquet.write_table(table, there / "t.parquet", compression="gzip")
    (found,) = differences("t.parquet", here, there)
    assert found.same_content
    write_parquet(table.set_column(1, "score", [[0.5, 0.25]]), there / "t.parquet")
    (found,) = differences("t.parquet", here, there)
    assert found.what == "`score` of row 2 is null, and 0.25 in the rebuild"
    (there / "t.parquet").write_bytes((here / "t.parquet").read_bytes()[:-9])
    (found,) = differences("t.parquet", here, there)
    assert "bytes differ from" in found.what, "of a file that is damaged"
    (here / "a").mkdir()
    (there / "a").mkdir()
    (here / "a/m.json").write_text('{"test": {"f1": [1, 0.5], "ok": true}}')
    (there / "a/m.json").write_text('{"test":{"f1":[1,0.75],"ok":true}}')
    for folder in (here, there):
        (folder / "a/model.onnx").write_text(folder.name)
        (folder / "a/README.md").write_text(folder.name)
    (here / "a/x.bin").write_bytes(b"abcd")
    (there / "a/x.bin").write_bytes(b"abc")
    (there / "a/y").write_bytes(b"")
    (graph, read_me, *others) = differences("a", here, there)
    assert [graph.path, read_me.path] == ["a/model.onnx", "a/README.md"], "what tells most first"
    assert [(d.path, d.what) for d in others] == [
        ("a/x.bin", "bytes differ from 3 on (4 bytes, and 3 in the rebuild)"),
        ("a/y", "only the rebuild has it"),
        ("a/m.json", "`test.f1[1]` is 0.5, and 0.75 in the rebuild"),
    ], "JSON last, which may have digests of the others"


def test_onnx_models_are_compared_by_their_weights_and_nodes(
    built: Project, tmp_path: Path
) -> None:
    here, there = _pair(tmp_path)
    model = onnx.load(built.root / "models/tiny/export/model.onnx")
    onnx.save(model, here / "m.onnx")

    def told() -> Difference:
        onnx.save(model, there / "m.onnx")
        (found,) = differences("m.onnx", here, there)
        return found

    model.producer_version = "another"
    assert (told().same_content, told().what) == (True, "the same content in other bytes")
    weights = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    values = numpy_helper.to_array(weights).copy()
    values.flat[3] += 0.5
    weights.raw_data = values.tobytes()
    count = len(model.graph.initializer)
    assert told().what == f"1 of {count} tensors differ, most of all {weights.name}: by up to 0.5"
    values.flat[3] -= 0.5
    weights.raw_data = values.tobytes()
    odd = model.graph.initializer.add()
    odd.CopyFrom(numpy_helper.from_array(np.array([np.nan, 0], np.float32), "odd"))
    onnx.save(model, here / "m.onnx")
    model.producer_version = "a third"
    assert told().same_content, "what is no number equals itself here"
    odd.CopyFrom(numpy_helper.from_array(np.array([np.nan, -0.0], np.float32), "odd"))
    assert (told().same_content, told().what) == (False, "zeros of another sign")
    odd.raw_data = b"\1\0\xc0\x7f" + odd.raw_data[4:]  # another of the values that are none
    assert told().what == "zeros of another sign, or values that are no number"
    onnx.save(model, here / "m.onnx")
    model.graph.node[4].op_type = "Other"
    assert told().what == f"node {model.graph.node[4].name} of the graph is another"
    (there / "m.onnx").write_bytes((there / "m.onnx").read_bytes()[:-100])
    assert "bytes differ from" in next(differences("m.onnx", here, there)).what
