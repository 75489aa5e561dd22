"""Attention and its projections as one operator give what torch gives, where they can be one."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx.numpy_helper import from_array
from torch.nn.functional import scaled_dot_product_attention

from bertspec.catalog.onnx_graphs.int8 import dynamic_int8
from bertspec.catalog.onnx_graphs.self_attention import fuse_projections
from bertspec.catalog.onnx_graphs.session import open_session

HEADS, WIDTH = 2, 8
SIZES: dict[str, tuple[int, ...]] = {"w": (WIDTH, WIDTH), "b": (WIDTH,)}
WEIGHTS = {
    f"{kind}_{part}": np.random.default_rng([*part.encode(), i]).normal(size=size).astype("f4")
    for part in "qkv"
    for i, (kind, size) in enumerate(SIZES.items())
}
WINDOWS = {"a window": 300, "a long window": 5000}
MASKED = -1e30

PADDING = "hidden = Where (seen, zero, masked)"
WINDOW = """
        length = Shape <start = 1> (attention_mask)
        last = Squeeze (length)
        places = Range (first, last, one)
        rows = Unsqueeze (places, one)
        apart = Sub (rows, places)
        far = Abs (apart)
        near = Less (far, window)
        both = And (seen, near)
        hidden = Where (both, zero, masked)"""
MASKS = {
    "padding": PADDING,
    "a window": WINDOW,
    "a long window": WINDOW,
    "segments": """
        segments = Cast <to = 9> (token_type_ids)
        beside = Unsqueeze (segments, axes)
        both = Or (seen, beside)
        hidden = Where (both, zero, masked)""",
    "a token": """
        hides = Equal (input_ids, token)
        shows = Not (hides)
        beside = Unsqueeze (shows, axes)
        both = And (seen, beside)
        hidden = Where (both, zero, masked)""",
    "as many as tokens": """
        shape = Shape (input_ids)
        rows = Expand (yes, shape)
        beside = Unsqueeze (rows, axes)
        both = And (seen, beside)
        hidden = Where (both, zero, masked)""",
    "learned places": f"""
        {PADDING.replace("hidden", "padding")}
        hidden = Add (padding, learned)""",
}
"""How what is added to scores comes from `seen`, which is (batch, 1, sequence, sequence)."""
PADDING_ALONE = ("padding", "as many as tokens")
TOKEN = 57
"""That the mask of that name hides."""


def _graph(mask: str | None, scale: float, query: str = "x", layers: int = 1) -> onnx.ModelProto:
    """Layers of projections and MultiHeadAttention, one behind another; `query` is of x or of y."""
    lines = []
    if mask:
        lines = ["kept = Cast <to = 9> (attention_mask)", "wide = Unsqueeze (kept, axes)",
                 "tall = Transpose <perm = [0, 1, 3, 2]> (wide)", "any = Or (tall, yes)",
                 "seen = And (wide, any)", *MASKS[mask].strip().split("\n")]  # fmt: skip
    for layer in range(layers):
        source = f"x{layer}" if layer else "x"
        for part, value in {"q": source if layer else query, "k": source, "v": source}.items():
            lines += [f"m{layer}_{part} = MatMul ({value}, w_{part})",
                      f"{part}{layer} = Add (b_{part}, m{layer}_{part})"]  # fmt: skip
        bias = ", , , hidden" if mask else ""
        lines.append(
            f"x{layer + 1} = com.microsoft.MultiHeadAttention <num_heads = {HEADS}, "
            f"scale = {scale}, unidirectional = 0> (q{layer}, k{layer}, v{layer}{bias})"
        )
    body = "\n".join(lines)
    model: onnx.ModelProto = onnx.parser.parse_model(f"""
        <ir_version: 10, opset_import: ["": 18, "com.microsoft": 1]>
        graph (float[b, s, {WIDTH}] x, float[b, s, {WIDTH}] y, int64[b, s] attention_mask,
               int64[b, s] token_type_ids, int64[b, s] input_ids)
        => (float[b, s, {WIDTH}] x{layers}) {{ {body} }}""")
    numbers = {
        "zero": np.float32(0), "masked": np.float32(MASKED),
        "learned": np.zeros((1, 1, 1, 1), np.float32),
        "first": np.int64(0), "one": np.int64(1), "window": np.int64(WINDOWS.get(mask or "", 0)),
        "token": np.int64(TOKEN), "axes": np.array([1, 2]), "yes": np.array(True),
    }  # fmt: skip
    read = {name for node in model.graph.node for name in node.input}
    for name, numbers_of_it in (numbers | WEIGHTS).items():
        if name in read:
            model.graph.initializer.append(from_array(np.asarray(numbers_of_it), name))
    return model


def _given(length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    lengths = np.array([length, max(length - 2, 1), 1])
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    x, y = rng.normal(size=(2, 3, length, WIDTH)).astype(np.float32)
    ids = np.where(np.arange(length) % 4 == 1, TOKEN, np.full_like(mask, 5))
    segments = mask[::-1].copy()
    return {"x": x, "y": y, "attention_mask": mask, "token_type_ids": segments, "input_ids": ids}


def _expected(given: dict[str, Any], mask: str | None, scale: float, query: str) -> np.ndarray:
    x = {name: torch.from_numpy(value) for name, value in given.items()}
    weights = {name: torch.from_numpy(value) for name, value in WEIGHTS.items()}
    values = {"q": x[query], "k": x["x"], "v": x["x"]}
    q, k, v = (
        (value @ weights[f"w_{part}"] + weights[f"b_{part}"])
        .unflatten(2, (HEADS, -1))
        .transpose(1, 2)
        for part, value in values.items()
    )
    seen = x["attention_mask"][:, None, None, :] > 0
    if mask in WINDOWS:
        places = torch.arange(seen.shape[-1])
        seen = seen & ((places - places[:, None]).abs() < WINDOWS[mask])
    if mask == "segments":
        seen = seen | (x["token_type_ids"][:, None, None, :] > 0)
    if mask == "a token":
        seen = seen & (x["input_ids"] != TOKEN)[:, None, None, :]
    bias = None if mask is None else torch.where(seen, 0.0, MASKED)
    found = scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    return found.transpose(1, 2).flatten(2).numpy()


USUAL = (WIDTH // HEADS) ** -0.5
CASES: dict[str, tuple[str | None, float, str, str]] = {
    "no mask": (None, USUAL, "x", "Attention"),
    **{mask: (mask, USUAL, "x", "Attention") for mask in PADDING_ALONE},
    "another scale": ("padding", 0.3, "x", "MultiHeadAttention"),
    "two values": ("padding", USUAL, "y", "MultiHeadAttention"),
    **{
        mask: (mask, USUAL, "x", "MultiHeadAttention")
        for mask in MASKS
        if mask not in PADDING_ALONE
    },
}


@pytest.mark.parametrize("length", [1, 5, 400])
@pytest.mark.parametrize("case", CASES)
def test_it_is_what_torch_computes(case: str, length: int) -> None:
    mask, scale, query, kind = CASES[case]
    model = _graph(mask, scale, query)
    fuse_projections(model)
    onnx.checker.check_model(model)
    found = Counter(node.op_type for node in model.graph.node)
    assert found[kind] == 1
    assert found["MatMul"] == (0 if kind == "Attention" else 3)
    assert found["Where"] == (mask not in (None, *PADDING_ALONE)), "else the mask is read as it is"
    given = _given(length)
    (got,) = open_session(model.SerializeToString(), 1).run(["x1"], given)
    np.testing.assert_allclose(got, _expected(given, mask, scale, query), atol=2e-5)


def test_layers_of_the_same_weights_share_them() -> None:
    model = _graph("padding", USUAL, layers=3)
    fuse_projections(model)
    found = Counter(node.op_type for node in model.graph.node)
    assert (found["Attention"], found["Cast"]) == (3, 1)
    assert sorted(w.name for w in model.graph.initializer) == ["b_q+b_k+b_v", "w_q+w_k+w_v"]


def test_in_8_bits_it_is_one_operator_too() -> None:
    model = _graph("padding", USUAL)
    fuse_projections(model)
    small = dynamic_int8(model)
    assert [n.op_type for n in small.graph.node].count("QAttention") == 1
    given = _given(40)
    (got,) = open_session(small.SerializeToString(), 1).run(["x1"], given)
    expected = _expected(given, "padding", USUAL, "x")
    assert 0 < np.abs(got - expected).max() < 0.1 * np.abs(expected).max()
