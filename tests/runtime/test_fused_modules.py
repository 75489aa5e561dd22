"""Embeddings and attention become onnxruntime's operators where these compute the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn.functional import scaled_dot_product_attention

from bertspec.catalog.export import INPUTS, Shared
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.tasks import TASKS
from bertspec.runtime.export import exported_module
from tests.model.models import inputs as made_inputs
from tests.model.models import operators

WIDTH, HEADS = 16, 4
HIDDEN_TOKEN = 57
KINDS = ("EmbedLayerNormalization", "Attention", "MultiHeadAttention")


class Layer(torch.nn.Module):
    """Embeddings and one layer of attention in the usual form. Each case changes a part."""

    positions_of: Callable[[torch.Tensor], torch.Tensor] = staticmethod(
        lambda ids: torch.arange(ids.shape[1])[None]
    )
    mask_of: Callable[..., torch.Tensor | None] = staticmethod(
        lambda ids, mask: _rows(mask[:, None, None, :] > 0)
    )
    epsilon = 1e-12
    wide = 1
    """How many times as many queries there are as tokens."""
    value_size = WIDTH // HEADS

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = {"words": 120, "positions": 200, "segments": 2, "others": 200}
        self.tables = torch.nn.ModuleDict(
            {name: torch.nn.Embedding(size, WIDTH) for name, size in sizes.items()}
        )
        self.norm = torch.nn.LayerNorm(WIDTH, self.epsilon)
        outputs = {"q": self.wide * WIDTH, "k": WIDTH, "v": HEADS * self.value_size}
        self.layers = torch.nn.ModuleDict(
            {name: torch.nn.Linear(WIDTH, size) for name, size in outputs.items()}
        )
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, 0, 0.5)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> torch.Tensor:
        values = self.embedded(input_ids, token_type_ids)
        q, k, v = (
            layer(values).view(values.shape[0], -1, HEADS, size).transpose(1, 2)
            for layer, size in zip(
                self.layers.values(), [WIDTH // HEADS] * 2 + [self.value_size], strict=True
            )
        )
        return self.joined(self.attend(q, k, v, self.mask_of(input_ids, attention_mask)))

    def embedded(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        tables = self.tables
        words, places = tables["words"](ids), tables["positions"](self.positions_of(ids))
        return self.norm(words + places + tables["segments"](types))

    def attend(self, q: Any, k: Any, v: Any, mask: Any) -> torch.Tensor:
        return scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def joined(self, heads: torch.Tensor) -> torch.Tensor:
        return heads.transpose(1, 2).flatten(2)


def _rows(mask: torch.Tensor) -> torch.Tensor:
    """One for each query."""
    return mask.expand(-1, -1, mask.shape[-1], -1)


class TwoEmbeddings(Layer):
    def embedded(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        first = super().embedded(ids, types)
        places = self.tables["others"](self.positions_of(ids))
        return first + self.norm(self.tables["words"](ids) + places)


class TwoPositions(Layer):
    def embedded(self, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        places = self.positions_of(ids)
        summed = self.tables["positions"](places) + self.tables["others"](places % 7)
        return self.norm(self.tables["words"](ids) + summed)


class NoHeads(Layer):
    def attend(self, q: Any, k: Any, v: Any, mask: Any) -> torch.Tensor:
        q, k, v = (each.transpose(1, 2).flatten(2) for each in (q, k, v))
        found = scaled_dot_product_attention(q, k, v, attn_mask=mask[:, 0])
        return found.unflatten(2, (HEADS, -1)).transpose(1, 2)


class SharedKeys(Layer):
    def attend(self, q: Any, k: Any, v: Any, mask: Any) -> torch.Tensor:
        return scaled_dot_product_attention(q, k[:, :2], v[:, :2], attn_mask=mask, enable_gqa=True)


class RepeatedKeys(Layer):
    def attend(self, q: Any, k: Any, v: Any, mask: Any) -> torch.Tensor:
        return scaled_dot_product_attention(q, k[:, :1], v[:, :1], attn_mask=mask)


class HeadsInTheLength(Layer):
    def joined(self, heads: torch.Tensor) -> torch.Tensor:
        return heads.transpose(1, 2).flatten(1, 2)


def _case(base: type[Layer] = Layer, **changes: Any) -> type[Layer]:
    functions = {n: staticmethod(v) if callable(v) else v for n, v in changes.items()}
    return type(base.__name__, (base,), functions)


CASES: dict[str, tuple[type[Layer], tuple[int, int, int]]] = {
    "usual": (Layer, (1, 1, 0)),
    "another epsilon": (_case(epsilon=0.1), (1, 1, 0)),
    "positions of one dimension": (
        _case(positions_of=lambda ids: torch.arange(ids.shape[1])),
        (0, 1, 0),
    ),
    "one position for a text": (_case(positions_of=lambda ids: ids[:, :1]), (0, 1, 0)),
    "two embeddings": (TwoEmbeddings, (2, 1, 0)),
    "two tables of positions": (TwoPositions, (0, 1, 0)),
    "values of another size": (_case(value_size=2 * WIDTH // HEADS), (1, 0, 0)),
    "no heads": (NoHeads, (1, 0, 0)),
    "heads that share keys": (SharedKeys, (1, 0, 0)),
    "keys of one head": (RepeatedKeys, (1, 0, 0)),
    "more queries than tokens": (_case(wide=2, mask_of=lambda *_: None), (1, 0, 1)),
    "heads that go into the length": (HeadsInTheLength, (1, 1, 0)),
    "a mask without texts": (
        _case(mask_of=lambda ids, _: torch.ones_like(ids[0] * ids[0][:, None]).tril() > 0),
        (1, 0, 0),
    ),
    "one row of a mask": (
        _case(mask_of=lambda _, mask: mask[:, None, None, :] > 0),
        (1, 1, 0),
    ),
    "a row that hides a token": (
        _case(mask_of=lambda ids, _: (ids != HIDDEN_TOKEN)[:, None, None, :]),
        (1, 0, 1),
    ),
}


THOROUGH = ("usual", "one position for a text", "keys of one head", "a mask without texts")


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=pytest.mark.thorough if c in THOROUGH else ()) for c in CASES]
)
def test_what_is_not_understood_stays_as_it_is(case: str, tmp_path: Path) -> None:
    kind, expected = CASES[case]
    module, export = kind().eval(), Onnx(type="onnx", optimize=True)
    export.write(module, tmp_path / "model.onnx", Shared())
    found = operators(tmp_path / "model.onnx")
    assert tuple(found[kind] for kind in KINDS) == expected
    _compare(module, export.runner(tmp_path / "model.onnx", 1))


def _compare(module: torch.nn.Module, run: Callable[..., np.ndarray]) -> None:
    for rows, length in ((1, 1), (3, 17)):
        given = made_inputs(rows, length)
        given["input_ids"][:, ::3] = HIDDEN_TOKEN
        given["input_ids"][:, -1] = 5
        with torch.no_grad():
            wanted = module(*(torch.from_numpy(given[name]) for name in INPUTS))
        np.testing.assert_allclose(run(given), wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"), {"question-answering": (1, 2, 0), "multiple-choice": (1, 1, 1)}.items()
)
def test_tasks_of_each_shape_of_inputs_are_fused(
    kind: str, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    """(batch, sequence), and (batch, choice, sequence). That of first tokens reads two values."""
    task = TASKS[kind].model_validate({"type": kind})
    config = transformers.BertConfig(
        vocab_size=120, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    model = getattr(transformers, task.auto_class).from_config(config)
    module, export = exported_module(model, task).eval(), Onnx(type="onnx", optimize=True)
    export.write(module, tmp_path / "model.onnx", Shared())
    found = operators(tmp_path / "model.onnx")
    assert tuple(found[kind] for kind in KINDS) == expected
    _compare(module, export.runner(tmp_path / "model.onnx", 1))
