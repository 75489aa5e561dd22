"""Only the embeddings that training reads learn: the others need no gradient and no moments."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import Tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

WORTH_IT = 0.75
"""Share of the vocabulary in use, above which all of it is kept."""


@contextmanager
def known_tokens_only(
    model: "PreTrainedModel", tokens: Tokens, validation: Tokens, pad_id: int
) -> Iterator[None]:
    """Inside, the embeddings of `model` are those of the ids of training and validation.

    A row that is never read has no gradient, so all that AdamW does to it is weight decay. One more
    row, of ones, stands for all of them; at the end it is the factor of their old values. So the
    result is that of all rows, up to rounding, whatever rates, averages and choices there were.
    Where outputs have the same weights, or most ids are in use, nothing happens.
    """
    import numpy as np
    import torch

    embedding: Any = model.get_input_embeddings()
    weight: torch.nn.Parameter = embedding.weight
    ids = np.unique([*np.unique(tokens.ids), *np.unique(validation.ids), pad_id])
    used = torch.from_numpy(ids).to(weight.device)
    if _is_output(model, weight) or len(used) > WORTH_IT * len(weight):
        yield
        return
    places = used.new_full((len(weight),), -1)  # an id that is not in use is an error
    places[used] = torch.arange(len(used), device=used.device)
    padding = embedding.padding_idx
    few = torch.cat((weight.detach()[used], weight.new_ones(1, weight.shape[1])))
    embedding.weight = torch.nn.Parameter(few, requires_grad=weight.requires_grad)
    if padding is not None:
        # Its row has no gradient. Where it is not in use, there is none that has not.
        embedding.padding_idx = int(places[padding]) if places[padding] >= 0 else None
    hook = embedding.register_forward_pre_hook(lambda _module, inputs: (places[inputs[0]],))
    yield
    hook.remove()
    with torch.no_grad():
        weight.mul_(embedding.weight[-1])
        weight[used] = embedding.weight[:-1]
    embedding.weight, embedding.padding_idx = weight, padding


def _is_output(model: "PreTrainedModel", weight: "torch.nn.Parameter") -> bool:
    """Whether something else of the model, such as a language model's head, has the weights."""
    names = [n for n, p in model.named_parameters(remove_duplicate=False) if p is weight]
    return len(names) > 1
