"""The last layer of a model whose head reads the first tokens alone: it makes no others.

Layers as transformers 5 has them, put together anew; tests hold them to transformers' gradients.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.modeling_layers import GradientCheckpointingLayer

from bertspec.runtime.training.grouped import attend
from bertspec.runtime.training.layers import layer_lists
from bertspec.runtime.training.rounding import rounded
from bertspec.runtime.training.rows import Take

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from bertspec.runtime.training.packing import Layout

HEADS = ("ForSequenceClassification", "ForMultipleChoice")
"""Classes of transformers whose heads read the first token, in all families below."""

_Attending = tuple[tuple[torch.nn.Module, ...], int, torch.nn.Dropout]
"""Layers of queries, keys and values, the number of heads, and the dropout of scores."""


class _Layer(GradientCheckpointingLayer):
    """A layer of first tokens; a family says what attends, and what comes behind it."""

    def forward(
        self: Any,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *_: object,
        packed: "Layout | None" = None,
        **__: object,
    ) -> torch.Tensor:
        (query, key, value), heads, dropout = self.attending()
        firsts, read = _firsts(hidden_states, packed), rounded(hidden_states)
        found = _attended(
            query(firsts), key(read), value(read), heads, dropout, attention_mask, packed
        )
        result: torch.Tensor = self.behind(found, firsts)
        return result


class _BertLayer(_Layer):
    """A layer of BERT and its likes."""

    def attending(self: Any) -> _Attending:
        own = self.attention.self
        return (own.query, own.key, own.value), own.num_attention_heads, own.dropout

    def behind(self: Any, found: torch.Tensor, firsts: torch.Tensor) -> torch.Tensor:
        attended = self.attention.output(found, firsts)
        result: torch.Tensor = self.output(self.intermediate(attended), attended)
        return result


class _DistilBertLayer(_Layer):
    """One of DistilBERT."""

    def attending(self: Any) -> _Attending:
        own = self.attention
        return (own.q_lin, own.k_lin, own.v_lin), own.n_heads, own.dropout

    def behind(self: Any, found: torch.Tensor, firsts: torch.Tensor) -> torch.Tensor:
        attended = self.sa_layer_norm(self.attention.out_lin(found) + firsts)
        result: torch.Tensor = self.output_layer_norm(self.ffn(attended) + attended)
        return result


FAMILIES = {
    "bert": _BertLayer, "camembert": _BertLayer, "distilbert": _DistilBertLayer,
    "electra": _BertLayer, "roberta": _BertLayer, "xlm-roberta": _BertLayer,
}  # fmt: skip
"""What the last layer becomes. ALBERT runs one layer many times, and the last time like the others.
"""


def first_tokens(
    model: "PreTrainedModel",
) -> Callable[[torch.nn.Module], type[torch.nn.Module] | None]:
    """What modules of `model` become: a layer from hidden states (1, tokens, hidden) to those of
    each sequence's first token, (1, sequences, hidden); or, where the model is not packed, from
    (batch, length, hidden) to (batch, 1, hidden).
    """
    family = FAMILIES.get(model.config.model_type)
    if family is None or not _reads_first_tokens(model):
        return lambda _: None
    last = layer_lists(model)[0][-1]
    return lambda module: family if module is last else None


def _reads_first_tokens(model: "PreTrainedModel") -> bool:
    """Whether it reads no others; ELECTRA's head of choices may."""
    config = model.config
    if getattr(config, "summary_type", "first") != "first" or getattr(config, "is_decoder", False):
        return False
    return type(model).__name__.endswith(HEADS)


def _firsts(hidden: torch.Tensor, packed: "Layout | None") -> torch.Tensor:
    if packed is None:
        return hidden[:, 0].unsqueeze(1)
    return Take.apply(hidden.squeeze(0), packed.groups.firsts, len(packed.groups.firsts))[None]


def _attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    heads: int,
    dropout: torch.nn.Dropout,
    mask: torch.Tensor | None,
    packed: "Layout | None",
) -> torch.Tensor:
    """(1, sequences, hidden), (1, tokens, hidden) twice -> (1, sequences, hidden).

    Padded: (batch, 1, hidden), (batch, length, hidden) twice -> (batch, 1, hidden).
    """
    apart = [t.unflatten(-1, (heads, -1)) for t in (query, key, value)]
    share = dropout.p if dropout.training else 0.0
    if packed is None:
        q, k, v = (t.transpose(1, 2) for t in apart)
        seen = None if mask is None else mask[:, :, :1]
        found = scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=share)
        return found.transpose(1, 2).flatten(2)
    q, k, v = (t.squeeze(0) for t in apart)
    return attend(q, k, v, packed.groups, share, q.shape[-1] ** -0.5).flatten(1)[None]
