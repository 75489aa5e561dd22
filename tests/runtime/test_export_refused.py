"""Models and exports that the export stage refuses, each with a code and with what to do."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec.catalog.export import NotExportableError, Runner, Shared, exporting
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.exports.torch_export import TorchExport
from bertspec.catalog.onnx_graphs.exported import exported
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError, CheckFailed, InputError
from bertspec.runtime.sizes import Sized, failures_at_sizes
from bertspec.runtime.stage import run_stage
from tests.model.models import inputs as made_inputs
from tests.projects import Project

Inputs = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def project(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the built project, of which all is there but the export."""
    root = tmp_path_factory.mktemp("refused") / "project"
    copied = Project(Path(shutil.copytree(built.root, root, symlinks=True)))
    shutil.rmtree(copied.root / "models/tiny/export")
    return copied


def _refused(project: Project, kind: type[BertspecError]) -> Diagnostic:
    with pytest.raises(kind) as caught:
        run_stage("tiny-export", project.root)
    assert not (project.root / "models/tiny/export").exists()
    (found,) = caught.value.diagnostics
    return found


def _change_at(
    patch: pytest.MonkeyPatch,
    size: tuple[int, int],
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    """What the ONNX export gives at one size is changed."""
    runner = Onnx.runner

    def changed(self: Onnx, path: Path, threads: int, task: Any = None) -> Runner:
        run = runner(self, path, threads, task)

        def at_size(inputs: Inputs) -> np.ndarray:
            found = run(inputs)
            return change(found) if inputs["input_ids"].shape == size else found

        return at_size

    patch.setattr(Onnx, "runner", changed)


def _raise(_: np.ndarray) -> np.ndarray:
    raise RuntimeError("expected to have the same shape\nand so on")


def test_an_export_that_runs_the_sizes_of_test_rows_alone_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_at(monkeypatch, (3, 1), _raise)
    found = _refused(project, CheckFailed)
    assert found.code == "E450"
    assert found.message == (
        "the onnx export does not run 3 x 1 tokens: expected to have the same shape"
    )


def test_an_export_that_is_right_at_the_sizes_of_test_rows_alone_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_at(monkeypatch, (1, 17), lambda found: found + 0.5)
    found = _refused(project, CheckFailed)
    assert found.code == "E450"
    assert found.message == "the onnx export differs from PyTorch by 0.5 at 1 x 17 tokens"


def test_a_model_too_large_for_a_file_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    monkeypatch.setattr(Onnx, "largest", 1000)
    monkeypatch.setattr(Onnx, "write", _raise)
    found = _refused(project, InputError)
    assert found.code == "E468"
    assert "GiB in 32-bit floats; the onnx export takes less than 2 GiB" in found.message


def test_a_family_that_torch_does_not_export_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: Any) -> None:
        with exporting():
            raise RuntimeError("step 1 of 3") from ValueError("no guard on u1\nand so on")

    monkeypatch.setattr(Onnx, "write", write)
    found = _refused(project, InputError)
    assert found.code == "E467"
    assert found.message == (
        "PyTorch does not write the onnx export of a model of the family `bert`: no guard on u1"
    )


class Deciding(torch.nn.Module):
    """It has no graph: what it does depends on numbers."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        return input_ids if attention_mask.sum() > 5 else token_type_ids


def test_what_torch_says_of_a_module_without_a_graph(tmp_path: Path) -> None:
    module = Deciding().eval()
    with pytest.raises(NotExportableError, match="Could not guard on data-dependent expression"):
        exported(module, 18, Shared(), fused=False)
    export = TorchExport(type="torch-export")
    with pytest.raises(NotExportableError, match="Could not guard on data-dependent expression"):
        export.write(module, tmp_path / "model.pt2", Shared())


def test_memory_and_what_we_refuse_are_not_torchs_reasons() -> None:
    for error in (MemoryError(), InputError.of("E407", "no")):
        with pytest.raises(type(error)), exporting():
            raise RuntimeError("step 1 of 3") from error


@pytest.mark.parametrize("shape", [(3, 5), (2,)])
def test_fewer_bits_need_only_give_numbers_of_the_right_shape(shape: tuple[int, ...]) -> None:
    inputs = made_inputs(3, 4)
    sized = Sized(inputs, np.zeros((3, 2), np.float32))
    export = Onnx(type="onnx", quantize="int8")
    assert not failures_at_sizes(export, lambda _: np.full((3, 2), 9.0), [sized])
    (found,) = failures_at_sizes(export, lambda _: np.full((3, 2), np.nan), [sized])
    assert found.message == "the onnx-int8 export gives what is no number at 3 x 4 tokens"
    with pytest.raises(CheckFailed, match=r"an output of shape .* at 3 x 4 tokens"):
        failures_at_sizes(export, lambda _: np.zeros(shape), [sized])


def test_what_is_said_of_padding_is_not_compared() -> None:
    inputs = made_inputs(3, 4)
    expected = np.zeros((3, 4, 2), np.float32)
    got = np.where(inputs["attention_mask"][..., None] == 1, expected, 7.0)
    assert not failures_at_sizes(Onnx(type="onnx"), lambda _: got, [Sized(inputs, expected)])
    (found,) = failures_at_sizes(Onnx(type="onnx"), lambda _: got + 1e-3, [Sized(inputs, expected)])
    assert found.message == "the onnx export differs from PyTorch by 0.001 at 3 x 4 tokens"
