"""What cannot be allocated is told as that, with what to lower."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

from bertspec.core.errors import EnvironmentFault, is_out_of_memory
from bertspec.pipeline.params.train import Training
from bertspec.runtime import train
from bertspec.runtime.seal import Seal
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.memory import within_memory
from tests.model.models import python
from tests.projects import SPEC, Project
from tests.runtime.forks import forks
from tests.stages import run_kinds


def _gpu() -> Any:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def _system() -> Any:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    "allocate",
    [lambda: torch.empty(2**50), lambda: np.empty(2**50), lambda: bytearray(2**60), _gpu, _system],
)
def test_every_kind_is_known(allocate: Callable[[], Any]) -> None:
    with pytest.raises(EnvironmentFault) as caught, within_memory(Training()):
        allocate()
    (found,) = caught.value.diagnostics
    assert found.code == "E506"
    assert "`training.batch.examples`, which is 32" in found.help
    assert "`tokenization.max_length`" in found.help
    assert "`training.batch.accumulate`" in found.help
    assert "cuda_graphs" not in found.help


def test_graphs_of_a_gpu_are_named_where_there_are_some() -> None:
    with pytest.raises(EnvironmentFault) as caught, within_memory(Training(), has_graphs=True):
        _gpu()
    assert "`training.execution.cuda_graphs: false`" in caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), OSError(errno.ENOSPC, "full"), ValueError("memory")]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, within_memory(Training()):
        raise error
    assert caught.value is error


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One with a large model that is to be trained; for what fails, and changes nothing."""
    project = Project.create(tmp_path_factory.mktemp("memory") / "project")
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"]["intermediate_size"] = 65536
    spec["training"]["batch"]["examples"] = 100
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


@pytest.mark.parametrize("reader", ["read_tokens", "_require_every_label", "_score"])
def test_data_that_does_not_fit_is_told_as_that(
    project: Project, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(train, reader, lambda *_: np.empty(2**50))
    with pytest.raises(EnvironmentFault) as caught:
        run_stage("tiny-train", project.root)
    assert [found.code for found in caught.value.diagnostics] == ["E506"]


def test_out_of_memory_names_what_to_lower(project: Project) -> None:
    limit = """
import resource
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 500 * 2**20,) * 2)
"""
    with forks(project.root) as process:
        code, error = process.run("stage", "tiny-train", setup=limit)
    assert code == 3
    assert "error[E506]: training needs more memory than there is" in error
    assert "lower `training.batch.examples`, which is 100, or `tokenization.max_length`" in error
    assert not (project.root / "models/tiny").exists()
    assert not [p for p in (project.root / ".bertspec/work").rglob("*") if p.is_file()]
    assert not [*(project.root / ".bertspec/checkpoints").rglob("*.*")]


MUCH, SOME = 2**48, 2**28
"""Numbers: more than any machine can hold, and as many as a file may have, which is 1 GiB."""


def _hungry(built: Project, folder: Path, *, loads: bool) -> Path:
    """An export folder with a model that needs MUCH to run, or SOME to be loaded."""
    shutil.copytree(built.root / "models/tiny/export", folder)
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "s"]) for n in names]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", 2])
    numbers = {"much": [MUCH], "two": [2], "zero": [0]}
    held = [from_array(np.array(values), name) for name, values in numbers.items()]
    one = from_array(np.ones(1, np.float32), "large"), from_array(np.zeros(1, np.int64), "place")
    sparse = [] if loads else [helper.make_sparse_tensor(*one, [SOME])]
    nodes = [
        helper.make_node("Shape", ["input_ids"], ["rows"], start=0, end=1),
        helper.make_node("Mul", ["rows", "much"], ["size"]),
        *([helper.make_node("ConstantOfShape", ["size"], ["large"])] if loads else []),
        helper.make_node("ReduceMax", ["large", "zero"], ["most"]),
        helper.make_node("Concat", ["rows", "two"], ["shape"], axis=0),
        helper.make_node("Expand", ["most", "shape"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "hungry", inputs, [output], held, sparse_initializer=sparse)
    version = helper.make_opsetid("", 18)
    onnx.save(
        helper.make_model(graph, opset_imports=[version], ir_version=8), folder / "model.onnx"
    )
    for name in ("model.pt", "provenance.json"):
        (folder / name).unlink()
    bundle = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(bundle | {"models": {"onnx": "model.onnx"}}))
    Seal.of(folder).write()
    return folder


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (("predict", "FOLDER", "a film", "--keep-going"), "close other programs, or run it on a"),
        (
            ("bench", "FOLDER", "--rounds", "1", "--seconds", "0", "--tokens", "8"),
            "lower --batch or --tokens",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_no_broken_one(
    built: Project, tmp_path: Path, command: tuple[str, ...], advice: str
) -> None:
    folder = str(_hungry(built, tmp_path / "export", loads=True))
    arguments = [folder if part == "FOLDER" else part for part in command]
    said = built.call(*arguments, code=3).stderr
    assert "error[E504]: " in said
    assert "needs more memory than there is" in said
    assert f"help: {advice}" in said


LOADED = """
import resource, sys
from pathlib import Path
import bertspec
from bertspec.core.errors import EnvironmentFault

bertspec.load(sys.argv[1])
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 500 * 2**20,) * 2)
try:
    bertspec.load(sys.argv[2])
except EnvironmentFault as error:
    print(error.diagnostics[0].code, error)
"""


def test_a_model_that_cannot_be_loaded_for_it_is_no_broken_one(
    built: Project, tmp_path: Path
) -> None:
    folder = _hungry(built, tmp_path / "export", loads=False)
    said = python(LOADED, str(built.root / "models/tiny/export"), str(folder))
    assert said.startswith(f"E504 {folder / 'model.onnx'} needs more memory than there is: ")
    assert said.count("\n") == 1, "onnxruntime says nothing of its own"
