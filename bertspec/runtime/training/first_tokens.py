"""What the last layer does after its attention, at the tokens alone that a head reads: the first
ones of a packed row's sequences.
"""

from typing import TYPE_CHECKING

from bertspec.runtime.training.layers import layer_lists

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

AFTER_ATTENTION = {
    "bert": "attention.output", "camembert": "attention.output", "distilbert": "sa_layer_norm",
    "electra": "attention.output", "roberta": "attention.output", "xlm-roberta": "attention.output",
}  # fmt: skip
"""The part of a layer, by family, from which on each token is for itself. ALBERT runs one layer
many times, and the last time is like the others.
"""

HEADS = ("ForSequenceClassification", "ForMultipleChoice")
"""Classes of transformers that read the first token, in all of these families."""


def after_attention(model: "PreTrainedModel") -> "Module | None":
    """That part of the last layer; None for a model that may read all tokens of it."""
    path = AFTER_ATTENTION.get(model.config.model_type)
    if path is None or not type(model).__name__.endswith(HEADS):
        return None
    return layer_lists(model)[0][-1].get_submodule(path)
