"""Batches without padding: the layers of a model see the real tokens of a batch as one row.

As flash-attention's `unpad_input` has it, for any family of which the encoder is a module of its
own and takes its attention from transformers' attention interface. Embeddings and head run padded.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from bertspec.catalog.batch import MASK, moved
from bertspec.runtime.training.batches import ABOUT_EQUAL
from bertspec.runtime.training.dropout import dropped
from bertspec.runtime.training.first_tokens import after_attention
from bertspec.runtime.training.layers import encoder_of
from bertspec.runtime.training.varlen import Row, attend, filled, suits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FAMILIES = ("albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")
"""Families for which tests show that losses and gradients are those of padded batches.

ModernBERT turns queries and keys by the place in the padded row; DeBERTa-v2 and MPNet compute
attention in their own way. In them the parts of a batch are made of sequences of about one length.
"""

_NAME = "packed"
"""Of the attention, in the table of transformers, and of the keyword with the layout."""


@contextmanager
def packing(model: "PreTrainedModel") -> Iterator[bool]:
    """Inside, `model` runs packed; False for one that cannot, which runs as it did."""
    if model.config.model_type not in FAMILIES or not suits(model):
        yield False
        return
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, lambda *_, **__: None)
    encoder, rest, current = encoder_of(model), after_attention(model), _Current()
    hooks = [
        model.base_model.register_forward_pre_hook(current.set, with_kwargs=True),
        encoder.register_forward_pre_hook(_pack, with_kwargs=True),
        encoder.register_forward_hook(_unpack, with_kwargs=True),
    ]
    if rest is not None:
        hooks.append(rest.register_forward_pre_hook(current.first_tokens))
    before = model.config._attn_implementation  # noqa: SLF001 - there is a public way to set it only
    model.set_attn_implementation(_NAME)
    try:
        yield True
    finally:
        model.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()


def in_one_kernel(tensor: torch.Tensor) -> bool:
    """Whether all sequences of a row attend in one kernel, which a GPU alone has."""
    return tensor.is_cuda


@dataclass(frozen=True)
class _Group:
    """Sequences that attend together, one behind another in the packed row."""

    tokens: int
    """How many the packed row has of them, sequences from the longest to the shortest."""
    size: tuple[int, int]
    """Number of sequences, and tokens of the longest."""
    places: torch.Tensor | None
    """(tokens,) where each is in the padded sequences; None where there is no padding."""
    real: torch.Tensor | None
    """(sequences, 1, 1, length) what of the padded sequences can be attended to."""


class Layout:
    """Where the real tokens of a padded batch are, and which of them attend together."""

    def __init__(self, attention_mask: torch.Tensor) -> None:
        """`attention_mask` is (batch, length): 1 for the tokens of a sequence, then 0."""
        device, self.shape = attention_mask.device, attention_mask.shape
        mask = getattr(attention_mask, "on_processor", attention_mask).cpu()
        self.places = moved(mask.flatten().nonzero()[:, 0], device)
        """(tokens,) of the flattened batch."""
        lengths = mask.sum(dim=1)
        self.firsts: torch.Tensor | None = None
        """(sequences,) of the packed row, where each begins; not told on a GPU."""
        self.row: Row | None = None
        """Of a packed row on a GPU, which has no groups."""
        if in_one_kernel(attention_mask):
            row = filled(lengths, len(self.places), mask.shape[1])
            self.row = replace(row, borders=moved(row.borders, device))
            return
        starts = self.firsts = lengths.cumsum(0) - lengths
        order = torch.argsort(lengths, descending=True, stable=True)
        self.by_length: torch.Tensor | None = None
        """(tokens,) of the packed row, in the order of groups; None where they are in it."""
        if not torch.equal(order, torch.arange(len(order))):
            spans = zip(starts[order].tolist(), lengths[order].tolist(), strict=True)
            self.by_length = torch.cat([torch.arange(s, s + n) for s, n in spans])
        self.groups = _groups(lengths[order].tolist())


def _groups(lengths: Sequence[int]) -> list[_Group]:
    """Of sequences with these lengths, from the longest to the shortest."""
    groups: list[_Group] = []
    first = 0
    while first < len(lengths):
        longest = lengths[first]
        own = [n for n in lengths[first:] if n >= ABOUT_EQUAL * longest]
        places = real = None
        if own[-1] < longest:
            is_real = torch.arange(longest) < torch.tensor(own)[:, None]
            places, real = is_real.flatten().nonzero()[:, 0], is_real[:, None, None]
        groups.append(_Group(sum(own), (len(own), longest), places, real))
        first += len(own)
    return groups


class _Current:
    """The batch that a model has begun with last: activations are computed again before another."""

    layout: Layout

    def set(
        self, _base: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self.layout = Layout(kwargs[MASK])
        return args, {**kwargs, _NAME: self.layout}

    def first_tokens(
        self, _part: torch.nn.Module, args: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, ...]:
        """Hidden states (1, tokens, hidden) -> (1, sequences, hidden), of each sequence's first."""
        firsts = self.layout.firsts
        if firsts is None:
            return args
        return tuple(_Take.apply(hidden.squeeze(0), firsts)[None] for hidden in args)


def _pack(
    _encoder: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Hidden states (batch, length, hidden) -> (1, tokens, hidden)."""
    hidden = args[0] if args else kwargs["hidden_states"]
    layout: Layout = kwargs[_NAME]
    packed = _Take.apply(hidden.flatten(0, 1), layout.places)[None]
    if layout.row is not None:
        packed = pad(packed, (0, 0, 0, layout.row.room - packed.shape[1]))
    if args:
        return (packed, *args[1:]), dict(kwargs)
    return args, {**kwargs, "hidden_states": packed}


def _unpack(
    _encoder: torch.nn.Module, _args: object, kwargs: Mapping[str, Any], output: Any
) -> Any:
    """Hidden states (1, tokens, hidden) -> (batch, length, hidden), 0 at padding.

    Or those of first tokens alone, and 0 elsewhere.
    """
    layout: Layout = kwargs[_NAME]
    packed, places = output.last_hidden_state.squeeze(0), layout.places
    if len(packed) > len(places):
        packed = packed[: len(places)]
    elif len(packed) < len(places):
        places = places[layout.firsts]
    padded = _Put.apply(packed, places, layout.shape.numel())
    output.last_hidden_state = padded.unflatten(0, layout.shape)
    return output


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: None,
    *,
    packed: Layout,
    dropout: float = 0.0,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """(1, heads, tokens, size) each -> (1, tokens, heads, size).

    What a function in transformers' AttentionInterface takes and gives.
    """
    causal = bool(getattr(module, "is_causal", False))
    if packed.row is not None:
        # Not `tensor[0]`, of which the gradient is written once more, to zeros.
        q, k, v = (tensor.squeeze(0).transpose(0, 1) for tensor in (query, key, value))
        found = attend(q, k, v, packed.row, dropout, scaling, causal=causal)
        return found[None], None
    # (tokens, 3, heads, size): what follows is done to all three at once.
    inputs = torch.cat((query * scaling, key, value)).permute(2, 0, 1, 3)
    if packed.by_length is not None:
        inputs = _Take.apply(inputs, packed.by_length)
    each = []
    parts = inputs.split([group.tokens for group in packed.groups])
    for group, own in zip(packed.groups, parts, strict=True):
        if group.places is not None:
            own = _Put.apply(own, group.places, math.prod(group.size))
        q, k, v = own.unflatten(0, group.size).permute(2, 0, 3, 1, 4)
        attended = _attend(q, k, v, _allowed(group, causal=causal), dropout)
        attended = attended.transpose(1, 2).flatten(0, 1)
        each.append(attended if group.places is None else _Take.apply(attended, group.places))
    output = torch.cat(each)
    if packed.by_length is not None:
        output = _Put.apply(output, packed.by_length, len(output))
    return output[None], None


def _allowed(group: _Group, *, causal: bool) -> torch.Tensor | None:
    """What each token may look at, (sequences or 1, 1, length or 1, length); None for all."""
    if not causal:
        return group.real
    length = group.size[1]
    before = torch.ones(length, length, dtype=torch.bool).tril()
    return before if group.real is None else before & group.real


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed: torch.Tensor | None,
    dropout: float,
) -> torch.Tensor:
    """Scaled dot-product attention; written out, as torch's has no fast dropout on a processor."""
    if not dropout:
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, allowed, scale=1.0
        )
    with torch.autocast(query.device.type, enabled=False):
        scores = query @ key.transpose(2, 3)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        return dropped(scores.softmax(dim=-1), dropout) @ value


class _Take(torch.autograd.Function):
    """Some rows, each of them once; backward is a copy, where that of indexing is a sum."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(tensor)
        return tensor.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _put(gradients[0], ctx.saved_tensors[0], ctx.size), None


class _Put(torch.autograd.Function):
    """Rows put to some of `size` places; 0 at the others."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return _put(rows, places, size)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradients[0].index_select(0, ctx.saved_tensors[0]), None, None


def _put(rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
    return rows.new_zeros(size, *rows.shape[1:]).index_copy_(0, places, rows)
