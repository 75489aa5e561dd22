"""Attention as one operator gives what torch gives, with every kind of mask."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from bertspec.catalog.onnx_graphs.attention import fuse_attention
from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.catalog.onnx_graphs.translations import MARKERS
from tests.model.models import operators

HEADS, SIZE = 2, 4


def _graph(mask: int | None, *, causal: bool) -> onnx.ModelProto:
    """The marker between inputs of heads that are set apart; `mask` is the type of one."""
    names = ["query", "key", "value"]
    shape: list[int | str | None] = ["batch", HEADS, "sequence", SIZE]
    inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in names]
    if mask is not None:
        shape_of_mask: list[int | str | None] = ["batch", 1, "sequence", "sequence"]
        inputs.append(helper.make_tensor_value_info("mask", mask, shape_of_mask))
    marker = helper.make_node(
        "Attention",
        [*names, *(["mask"] if mask is not None else [])],
        ["out"],
        "marker",
        domain=MARKERS,
        num_heads=HEADS,
        size=SIZE,
        scale=0.3,
        unidirectional=int(causal),
        mask_is_bool=int(mask == TensorProto.BOOL),
    )
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)
    graph = helper.make_graph([marker], "graph", inputs, [output])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MARKERS, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


@pytest.mark.parametrize("kind", ["none", "bool", "float", "causal"])
def test_it_is_what_torch_computes(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    values = {name: torch.randn(3, HEADS, 5, SIZE) for name in ("query", "key", "value")}
    seen = torch.rand(3, 1, 5, 5) > 0.4
    seen[..., 0] = True
    masks = {"bool": seen, "float": torch.randn(3, 1, 5, 5)}
    types = {"bool": TensorProto.BOOL, "float": TensorProto.FLOAT}
    model = _graph(types.get(kind), causal=kind == "causal")
    fuse_attention(model)
    assert {o.domain for o in model.opset_import} == {"", "com.microsoft"}
    onnx.save(model, tmp_path / "model.onnx")
    assert operators(tmp_path / "model.onnx")["MultiHeadAttention"] == 1
    given = values | ({"mask": masks[kind]} if kind in masks else {})
    session = open_session(tmp_path / "model.onnx", 1)
    (found,) = session.run(["out"], {name: value.numpy() for name, value in given.items()})
    expected = torch.nn.functional.scaled_dot_product_attention(
        values["query"],
        values["key"],
        values["value"],
        attn_mask=masks.get(kind),
        is_causal=kind == "causal",
        scale=0.3,
    )
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)
