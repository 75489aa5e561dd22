"""The last layer of a packed model whose head reads the first tokens alone: it makes no others.

Layers as transformers 5 has them, put together anew; tests hold them to transformers' gradients.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from bertspec.runtime.training.grouped import Groups, attend
from bertspec.runtime.training.layers import layer_lists
from bertspec.runtime.training.rows import Take

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEADS = ("ForSequenceClassification", "ForMultipleChoice")
"""Classes of transformers whose heads read the first token, in all families below."""

KEYWORD = "packed"
"""Of the attention, in the table of transformers, and of the layout that layers are given."""


class _BertLayer(GradientCheckpointingLayer):
    """A layer of BERT and its likes."""

    def forward(self: Any, hidden_states: torch.Tensor, *_: object, **given: Any) -> torch.Tensor:
        own, firsts = self.attention.self, _firsts(hidden_states, given)
        found = _attended(
            own.query(firsts), own.key(hidden_states), own.value(hidden_states),
            own.num_attention_heads, own.dropout, given,
        )  # fmt: skip
        attended = self.attention.output(found, firsts)
        result: torch.Tensor = self.output(self.intermediate(attended), attended)
        return result


class _DistilBertLayer(GradientCheckpointingLayer):
    """One of DistilBERT."""

    def forward(self: Any, hidden_states: torch.Tensor, *_: object, **given: Any) -> torch.Tensor:
        own, firsts = self.attention, _firsts(hidden_states, given)
        found = own.out_lin(_attended(
            own.q_lin(firsts), own.k_lin(hidden_states), own.v_lin(hidden_states),
            own.n_heads, own.dropout, given,
        ))  # fmt: skip
        attended = self.sa_layer_norm(found + firsts)
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
    each sequence's first token, (1, sequences, hidden).
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


def _firsts(hidden: torch.Tensor, given: dict[str, Any]) -> torch.Tensor:
    groups: Groups = given[KEYWORD].groups
    return Take.apply(hidden.squeeze(0), groups.firsts)[None]


def _attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    heads: int,
    dropout: torch.nn.Dropout,
    given: dict[str, Any],
) -> torch.Tensor:
    """(1, sequences, hidden), (1, tokens, hidden) twice -> (1, sequences, hidden)."""
    q, k, v = (t.squeeze(0).unflatten(-1, (heads, -1)) for t in (query, key, value))
    scaling = q.shape[-1] ** -0.5
    share = dropout.p if dropout.training else 0.0
    return attend(q, k, v, given[KEYWORD].groups, share, scaling).flatten(1)[None]
