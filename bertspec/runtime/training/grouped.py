"""Attention of sequences that stand one behind another in a row, on a processor: those of about
equal length together.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch.nn.functional import scaled_dot_product_attention

from bertspec.runtime.training.batches import ABOUT_EQUAL
from bertspec.runtime.training.dropout import dropped
from bertspec.runtime.training.rows import Repeat, Take


class Groups:
    """The sequences of a row in groups, each padded to its longest."""

    def __init__(self, lengths: torch.Tensor, heads: int) -> None:
        """`lengths`, (sequences,), are those of the row; empty sequences are left out."""
        lengths = lengths[lengths > 0]
        order = torch.argsort(lengths, descending=True, stable=True)
        self.firsts, lengths = (lengths.cumsum(0) - lengths)[order], lengths[order]
        """(sequences,) of the row, where each begins, in the order of the groups."""
        self.sizes: list[tuple[int, int, int]] = []
        """Of each group: its sequences, heads, and tokens of the longest."""
        self.masks: list[torch.Tensor | None] = []
        """(sequences, 1, 1, length), -inf for what of a group is padding, else 0; None for 0."""
        sources, places, each, start = [], [], torch.arange(heads), 0
        for first, end in _borders(lengths.tolist()):
            own, size = lengths[first:end, None], (end - first, heads, int(lengths[first]))
            place = torch.arange(size[-1])
            real = place < own
            # What stands for padding is anything that is a number, as all of it is masked.
            tokens = self.firsts[first:end, None] + torch.where(real, place, 0)
            sources.append((tokens[:, None] * heads + each[:, None]).flatten())
            at = torch.arange(len(sources[-1])).view(size).transpose(1, 2) + start
            places.append((tokens[real], at[real]))
            start += len(sources[-1])
            self.sizes.append(size)
            mask = torch.where(real, 0.0, -torch.inf)[:, None, None]
            self.masks.append(None if real.all() else mask)
        self._sources = torch.cat(sources)
        """The head of a token that stands at each place of the groups."""
        tokens, found = (torch.cat(parts) for parts in zip(*places, strict=True))
        self._places = torch.empty_like(found).index_copy_(0, tokens, found).flatten()
        """Where each head of each token of the row stands in the groups."""

    def padded(self, row: torch.Tensor) -> Iterator[torch.Tensor]:
        """(tokens, heads, size) -> of each group (sequences, heads, length, size)."""
        row = Repeat.apply(row.flatten(0, 1), self._sources, self._places)
        parts = row.split([math.prod(size) for size in self.sizes])
        for part, size in zip(parts, self.sizes, strict=True):
            yield part.unflatten(0, size)

    def unpadded(self, groups: Sequence[torch.Tensor], tokens: int) -> torch.Tensor:
        """Of each group (sequences, heads, length, size) -> (tokens, heads, size).

        What is there of more tokens than the row has is 0.
        """
        heads = self.sizes[0][1]
        row = torch.cat([group.flatten(0, 2) for group in groups])
        return Take.apply(row, self._places, tokens * heads).unflatten(0, (tokens, heads))


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    groups: Groups,
    dropout: float,
    scaling: float,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """(tokens, heads, size) each -> the same.

    With a query for each sequence, that of its first token: (sequences, heads, size) of it, in the
    order of `Groups.firsts`. All is computed in 32 bits: products so small take as long in 16, and
    would be compiled for each size of a group; softmax takes longer.
    """
    given, exact = query.dtype, torch.promote_types(query.dtype, torch.float32)
    with torch.autocast(query.device.type, enabled=False):
        query, key, value = query.to(exact) * scaling, key.to(exact), value.to(exact)
        keys, values = groups.padded(key), groups.padded(value)
        queries: Iterator[torch.Tensor]
        of_first = len(query) < len(key)
        if of_first:
            queries = (q.unsqueeze(2) for q in query.split([size[0] for size in groups.sizes]))
        else:
            queries = groups.padded(query)
        each = [
            _attend(q, k, v, _mask(mask, k, causal=causal), dropout)
            for q, k, v, mask in zip(queries, keys, values, groups.masks, strict=True)
        ]
        found = torch.cat(each).squeeze(2) if of_first else groups.unpadded(each, len(query))
        return found.to(given)


def _borders(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Of sequences from the longest to the shortest: where groups of about equal ones begin, end.

    None is less than a share, `ABOUT_EQUAL`, of the longest of its group.
    """
    first = 0
    while first < len(lengths):
        count = sum(n >= ABOUT_EQUAL * lengths[first] for n in lengths[first:])
        yield first, first + count
        first += count


def _mask(mask: torch.Tensor | None, key: torch.Tensor, *, causal: bool) -> torch.Tensor | None:
    """What is added to scores, (sequences or 1, 1, length or 1, length); None for nothing."""
    if mask is not None:
        mask = mask.to(key.dtype)
    if not causal:
        return mask
    after = key.new_full((key.shape[2], key.shape[2]), -torch.inf).triu(1)
    return after if mask is None else after + mask


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    dropout: float,
) -> torch.Tensor:
    """Scaled dot-product attention; written out, as torch's has no fast dropout on a processor."""
    if not dropout:
        return scaled_dot_product_attention(query, key, value, mask, scale=1.0)
    scores = query @ key.transpose(2, 3)
    if mask is not None:
        scores = scores + mask
    return dropped(scores.softmax(dim=-1), dropout) @ value
