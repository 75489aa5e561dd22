"""torch-export, transformers and OpenVINO: the same bytes anywhere, no pickle, no telemetry."""

import json
import os
import pickle
import shutil
import sys
import zipfile
from importlib import metadata
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec.catalog.export import Export, Shared, Trained
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.exports.openvino import load_openvino
from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.core.errors import CheckFailed, EnvironmentFault
from bertspec.core.manifest import digest_files
from bertspec.runtime.benching.formats import PYTORCH, Format
from bertspec.runtime.benching.loading import load
from bertspec.runtime.export import exported_module
from bertspec.runtime.seal import Seal
from bertspec.runtime.trained import load_trained
from tests.model.models import TASK, copy, edit_json, edit_weights, python
from tests.model.models import inputs as made_inputs
from tests.projects import SPEC, Project

KINDS = ("torch-export", "transformers", "openvino")

ALONE = """
import sys
from bertspec.catalog.exports.openvino import load_openvino
load_openvino().Core()
print([name for name in sys.modules if name.partition(".")[0] == "openvino_telemetry"])
"""


def _export(kind: str) -> Export:
    return EXPORTS[kind].model_validate({"type": kind})


@pytest.fixture(scope="module")
def project(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the built project with these exports, made by a process of its own."""
    root = tmp_path_factory.mktemp("kinds") / "another place"
    copied = Project(Path(shutil.copytree(built.root, root, symlinks=True)))
    exports = [{"type": "onnx"}, *({"type": kind} for kind in KINDS)]
    copied.write_spec(json.loads(json.dumps(SPEC)) | {"export": exports})
    copied.compile()
    copied.run("bertspec", "stage", "tiny-export", PYTHONHASHSEED="7")
    return copied


@pytest.fixture(scope="module")
def folder(project: Project) -> Path:
    return project.root / "models/tiny/export"


def test_another_process_writes_the_same_bytes(
    built: Project, folder: Path, tmp_path: Path
) -> None:
    """One that has exported before, and in which OpenVINO has counted other operators."""
    trained = built.root / "models/tiny/trained"
    module = exported_module(load_trained(trained), TASK).eval()
    plain = (built.root / "models/tiny/export/model.onnx").read_bytes()
    shared = Shared({("onnx", 18, False): plain}, trained=Trained(TASK, trained, 32))
    for _ in range(7):
        load_openvino().opset1.constant(1.0)
    for kind in KINDS:
        _export(kind).write(module, tmp_path / _export(kind).filename, shared)
    written, others = digest_files(tmp_path), digest_files(folder)
    assert {"model.pt2", "openvino_model.bin", "transformers/model.safetensors"} <= set(written)
    assert written == {name: others[name] for name in written}


def test_no_file_tells_of_the_machine(project: Project, folder: Path) -> None:
    for name in digest_files(folder):
        content = (folder / name).read_bytes()
        for word in (
            "site-packages",
            str(project.root),
            "File ",
            torch.__version__,
            "OpenVINO Runtime",
        ):
            assert word.encode() not in content, name
    with zipfile.ZipFile(folder / "model.pt2") as archive:
        assert archive.testzip() is None
        assert all(info.date_time[0] == 1980 for info in archive.infolist())
        assert not archive.read("archive/data/sample_inputs/model.pt")


def test_where_sources_are_does_not_reach_a_pt2_file(tmp_path: Path) -> None:
    found = []
    for place in ("one", "another place"):
        path = tmp_path / place / "doubling.py"
        path.parent.mkdir()
        path.write_text(
            "import torch\n\nclass Double(torch.nn.Module):\n"
            "    def forward(self, a, b, c):\n        return (a + b + c) * 2\n"
        )
        about = spec_from_file_location("doubling", path)
        assert about is not None
        assert about.loader is not None
        module = module_from_spec(about)
        about.loader.exec_module(module)
        _export("torch-export").write(module.Double().eval(), path.with_suffix(".pt2"), Shared())
        found.append(path.with_suffix(".pt2").read_bytes())
    assert found[0] == found[1]
    run = _export("torch-export").runner(tmp_path / "one/doubling.pt2", 1)
    assert run({n: a[:1] for n, a in made_inputs(2, 3).items()}).shape == (1, 3)


def test_no_pickle_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a pickle")

    for owner, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"),
                        (pickle, "Unpickler")):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)
    runs = [_export(kind).runner(folder / _export(kind).filename, 1, TASK) for kind in KINDS]
    first, *others = (run(made_inputs(3, 5)) for run in runs)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)


def test_openvino_tells_nobody(tmp_path: Path) -> None:
    """Its package sends an event at each import, and keeps a number of its user at home."""
    assert python(ALONE, HOME=str(tmp_path)).strip() == "[]"
    assert not list(tmp_path.iterdir())


def test_without_openvino_its_extra_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", None)
        with pytest.raises(EnvironmentFault) as caught:
            load_openvino()
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == ("E502", "pip install 'bertspec[openvino]'")
    version = metadata.version

    def without(name: str) -> str:
        if name == "openvino":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    assert f"openvino: {version('openvino')}" in (project.root / "bertspec.lock").read_text()
    monkeypatch.setattr(metadata, "version", without)
    said = project.bertspec("lock", code=3)
    assert "E502" in said
    assert "pip install 'bertspec[openvino]'" in said


def test_weights_that_are_not_all_the_models_are_refused(folder: Path, tmp_path: Path) -> None:
    broken = copy(folder / "transformers", tmp_path / "broken")
    edit_weights(broken, lambda w: {n: t for n, t in w.items() if n != "classifier.bias"})
    with pytest.raises(CheckFailed) as caught:
        _export("transformers").runner(broken, 1, TASK)
    (found,) = caught.value.diagnostics
    assert found.code == "E450"
    assert "missing keys classifier.bias" in found.message


def test_a_changed_file_of_a_folder_is_noticed(project: Project, tmp_path: Path) -> None:
    copied = Project(Path(shutil.copytree(project.root, tmp_path / "copy", symlinks=True)))
    assert "15 files" in copied.bertspec("bundle", "verify", "tiny")
    path = copied.root / "models/tiny/export/transformers/config.json"
    path.write_text(path.read_text() + "\n")
    said = copied.bertspec("bundle", "verify", "tiny", code=1)
    assert os.path.join("transformers", "config.json") in said  # noqa: PTH118 - as it is printed


def test_bench_measures_each_with_all_its_files(
    folder: Path, project: Project, tmp_path: Path
) -> None:
    alone = copy(folder, tmp_path / "export", "model.onnx")
    edit_json(alone / "bundle.json", models={kind: _export(kind).filename for kind in KINDS})
    Seal.of(alone).write()
    options = ("--threads", "1", "--rounds", "1", "--seconds", "0", "--batch", "1", "--tokens", "8")
    found = json.loads(project.call("bench", str(alone), *options, "--format", "json").stdout)
    assert [each["name"] for each in found["formats"]] == list(KINDS)
    assert [each["name"] for each in found["not_measured"]] == ["pytorch"]
    sizes = {each["name"]: each["bytes"] for each in found["formats"]}
    files = {name: (folder / name).stat().st_size for name in digest_files(folder)}
    assert sizes == {
        "torch-export": files["model.pt2"],
        "transformers": sum(n for name, n in files.items() if name.startswith("transformers/")),
        "openvino": files["openvino_model.xml"] + files["openvino_model.bin"],
    }
    card = (folder / "README.md").read_text()
    for kind, size in sizes.items():
        (row,) = [line for line in card.splitlines() if line.startswith(f"| {kind} |")]
        assert f"| {size / 1e3:,.1f} kB |" in row
    weights = alone / "openvino_model.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    said = project.bertspec("bench", str(alone), *options, code=2)
    assert "E457" in said
    assert "openvino_model.bin is not as it was exported" in said


def test_what_is_not_measured_of_pytorch_is_the_same_for_all(folder: Path, built: Project) -> None:
    """Whether autograd looks on, which takes time."""
    seen = []

    class Looking(TextClassification):
        def forward(self, model: Any, inputs: Any) -> torch.Tensor:
            seen.append(torch.is_inference_mode_enabled())
            return super().forward(model, inputs)

    task = Looking.model_validate(TASK.model_dump())
    trained = Format(PYTORCH, PYTORCH, built.root / "models/tiny/trained")
    exported = Format("transformers", "transformers", folder / "transformers")
    for form in (trained, exported):
        load(form, task, 1)(made_inputs(1, 3))
    assert seen == [True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_predict_says_what_it_runs(project: Project, kind: str) -> None:
    said = project.bertspec("predict", "tiny", "a text", "--export", kind, code=2)
    assert "E451" in said
    assert f"the export `{kind}` is {_export(kind).filename}" in said
    assert "name one of: onnx" in said
