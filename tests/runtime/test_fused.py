"""Kernels of a GPU: what they compute, in Triton's interpreter where there is no GPU."""

from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear

from bertspec.core.errors import EnvironmentFault
from bertspec.runtime.training import fused as fused_module
from bertspec.runtime.training.fused import FAMILIES, fused
from bertspec.runtime.training.packing import packing
from tests.runtime.test_packing import gradients, inputs_of, tiny_model

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module")
def kernels() -> Any:
    pytest.importorskip("triton")
    from bertspec.runtime.training import kernels

    return kernels


def drawn(width: int, rows: int, precision: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Two inputs (rows, width) in the precision, and three vectors in fp32."""
    torch.manual_seed(width)
    inputs = [torch.randn(rows, width, dtype=precision) for _ in range(2)]
    vectors = [torch.randn(width) for _ in range(3)]
    return tuple(t.to(DEVICE).requires_grad_() for t in (*inputs, *vectors))


def require_close(
    found: torch.Tensor, wanted: torch.Tensor, precision: torch.dtype = torch.float32
) -> None:
    near = 5e-2 if precision == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found.float(), wanted.float(), rtol=near, atol=near)


PRECISIONS = pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
SHAPES = pytest.mark.parametrize(("width", "rows"), [(96, 37), (33, 1), (1100, 3)])


@PRECISIONS
@SHAPES
def test_a_sum_is_normalized_as_torch_does(
    kernels: Any, width: int, rows: int, precision: torch.dtype
) -> None:
    x, residual, bias, weight, shift = leaves = drawn(width, rows, precision)
    found = kernels.add_norm(x, bias, residual, weight, shift, 0.0, 1e-5)
    total = x.float() + bias + residual.float()
    expected = layer_norm(total, (width,), weight, shift, 1e-5)
    assert found.dtype == precision
    require_close(found, expected, precision)
    wanted = torch.randn_like(expected)
    mine = torch.autograd.grad(found, leaves, wanted.to(precision))
    theirs = torch.autograd.grad(expected, leaves, wanted)
    for gradient, reference in zip(mine, theirs, strict=True):
        require_close(gradient, reference, precision)


@pytest.mark.parametrize(("width", "rows"), [(96, 37), (1100, 3)])
def test_dropout_has_one_mask_in_both_passes(kernels: Any, width: int, rows: int) -> None:
    x, residual, bias, weight, shift = leaves = drawn(width, rows, torch.float32)
    torch.manual_seed(3)
    found = kernels.add_norm(x, bias, residual, weight, shift, 0.3, 1e-5)
    wanted = torch.randn_like(found)
    mine = torch.autograd.grad(found, leaves, wanted)
    kept = mine[0] != 0
    assert kept.float().mean().item() == pytest.approx(0.7, abs=0.06)
    expected = layer_norm((x + bias) * kept / 0.7 + residual, (width,), weight, shift, 1e-5)
    require_close(found, expected)
    theirs = torch.autograd.grad(expected, leaves, wanted)
    for gradient, reference in zip(mine, theirs, strict=True):
        require_close(gradient, reference)

    torch.manual_seed(3)
    assert torch.equal(kernels.add_norm(x, bias, residual, weight, shift, 0.3, 1e-5), found)
    other = kernels.add_norm(x, bias, residual, weight, shift, 0.3, 1e-5)
    again = torch.autograd.grad(other, x, wanted)[0] != 0
    assert (again != kept).float().mean().item() == pytest.approx(0.42, abs=0.08), "independent"
    assert len({tuple(row.tolist()) for row in kept}) == rows, "each row has its own"


@PRECISIONS
@SHAPES
def test_gelu_is_that_of_torch(kernels: Any, width: int, rows: int, precision: torch.dtype) -> None:
    x, _, bias, *_ = drawn(width, rows, precision)
    found = kernels.bias_gelu(x, bias)
    expected = gelu(x.float() + bias)
    require_close(found, expected, precision)
    wanted = torch.randn_like(expected)
    mine = torch.autograd.grad(found, (x, bias), wanted.to(precision))
    theirs = torch.autograd.grad(expected, (x, bias), wanted)
    for gradient, reference in zip(mine, theirs, strict=True):
        require_close(gradient, reference, precision)


@PRECISIONS
def test_a_projection_is_that_of_torch(kernels: Any, precision: torch.dtype) -> None:
    x, _, bias, *_ = drawn(96, 37, precision)
    weight = torch.randn(96, 96, device=DEVICE, requires_grad=True)
    found = kernels.project(x, weight, bias)
    expected = linear(x, weight.to(precision), bias.to(precision))
    assert torch.equal(found, expected)
    wanted = torch.randn_like(expected)
    mine = torch.autograd.grad(found, (x, weight, bias), wanted)
    theirs = torch.autograd.grad(expected, (x, weight, bias), wanted)
    for gradient, reference in zip(mine, theirs, strict=True):
        assert gradient.dtype == reference.dtype
        torch.testing.assert_close(gradient, reference, rtol=2e-2, atol=1e-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fused_model_has_the_gradients_of_transformers(
    kernels: Any, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_module, "DEVICE", DEVICE)
    model = tiny_model(family).to(DEVICE)
    inputs = {name: t.to(DEVICE) for name, t in inputs_of([3, 9, 2, 21]).items()}
    before = [type(m) for m in model.modules()]
    expected, theirs = gradients(model, inputs)
    with fused(model):
        changed = sum(type(m) is not b for m, b in zip(model.modules(), before, strict=True))
        assert changed == 6 * model.config.num_hidden_layers
        with packing(model):
            found, mine = gradients(model, inputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for gradient, reference in zip(mine, theirs, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-3, atol=1e-4)
    assert [type(m) for m in model.modules()] == before


def test_without_a_compiler_training_ends(kernels: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(fused_module, "DEVICE", DEVICE)
    monkeypatch.setattr(kernels, "bias_gelu", compiled)
    with pytest.raises(EnvironmentFault, match="Failed to find C compiler") as e:
        fused(tiny_model("bert").to(DEVICE))
    assert e.value.diagnostics[0].code == "E519"


def test_other_activations_and_families_run_as_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_module, "DEVICE", DEVICE)
    for model, count in (
        (tiny_model("bert", hidden_act="relu"), 10),
        (tiny_model("distilbert"), 0),
        (tiny_model("mpnet"), 0),
    ):
        before = [type(m) for m in model.modules()]
        with fused(model.to(DEVICE)):
            now = [type(m) for m in model.modules()]
        assert sum(a is not b for a, b in zip(now, before, strict=True)) == count
