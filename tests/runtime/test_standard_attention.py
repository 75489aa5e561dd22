"""Attention and GELU in standard operators give what torch gives, with every kind of mask."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch.nn.functional import gelu, scaled_dot_product_attention

from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.catalog.onnx_graphs.silence import silence
from bertspec.catalog.onnx_graphs.standard import standard_translations
from tests.model.models import fused_operators

HEADS, SIZE = 4, 8
LARGE = torch.finfo(torch.float32).max / 100


class EveryKind(torch.nn.Module):
    """Attention of each kind, and GELU."""

    def forward(
        self, query: torch.Tensor, other: torch.Tensor, seen: torch.Tensor, bias: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        attend, few = scaled_dot_product_attention, other[:, :2]
        return (
            attend(query, other, query + 1),
            attend(query, other, other, scale=0.3),
            attend(query, other, other, attn_mask=seen),
            attend(query, other, other, attn_mask=bias),
            attend(query, other, other, attn_mask=bias[..., :1, :].clamp(max=0) * LARGE),
            attend(query, other, other, is_causal=True),
            attend(query[:, :, :1], other, other, is_causal=True),
            attend(query, few, few, enable_gqa=True),
            attend(query[:, 0], other[:, 0], other[:, 1]),
            gelu(query),
            gelu(query, approximate="tanh"),
        )


@pytest.fixture(scope="module", params=[18, 22])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of a module; batch and length are free."""
    heads, masks = torch.zeros(2, HEADS, 5, SIZE), torch.zeros(2, 1, 5, 5)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    axes = [{0: batch, 2: length}] * 2 + [{0: batch, 2: length, 3: length}] * 2
    file = tmp_path_factory.mktemp("standard") / "model.onnx"
    with silence():
        program = torch.onnx.export(
            EveryKind().eval(), (heads, heads + 1, masks > 0, masks), dynamo=True,
            opset_version=request.param,
            input_names=["query", "other", "seen", "bias"], dynamic_shapes=axes,
            custom_translation_table=dict(standard_translations(request.param)), verbose=False,
        )  # fmt: skip
    assert program is not None
    onnx.save(program.model_proto, file)
    return file


@pytest.mark.parametrize("length", [1, 7])
def test_it_is_what_torch_computes(path: Path, length: int) -> None:
    generator = torch.Generator().manual_seed(3)
    query, other = torch.randn(2, 3, HEADS, length, SIZE, generator=generator)
    bias = torch.randn(3, 1, length, length, generator=generator)
    seen = bias > 0
    seen[..., 0] = True
    expected = EveryKind()(query, other, seen, bias)
    given = {"query": query, "other": other, "seen": seen, "bias": bias}
    found = open_session(path, 1).run(None, {name: t.numpy() for name, t in given.items()})
    for wanted, got in zip(expected, found, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=2e-6)


def test_onnxruntime_finds_gelu_and_no_score_is_asked_whether_it_is_a_number(
    path: Path, tmp_path: Path
) -> None:
    _, run = fused_operators(path, tmp_path)
    assert run["Gelu"] in (1, 2), "that of 20, or one that is found"
    assert "IsNaN" not in {node.op_type for node in onnx.load(path).graph.node}


def test_newer_operator_sets_keep_the_standards_own() -> None:
    aten = torch.ops.aten
    attention, own = aten.scaled_dot_product_attention.default, aten.gelu.default
    for opset, kinds in {19: {attention, own}, 20: {attention}, 22: {attention}, 23: set()}.items():
        assert set(standard_translations(opset)) == kinds
