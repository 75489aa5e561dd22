"""Attention of sequences that stand one behind another in a row, on a processor: those of about
equal length together.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.nn.functional import scaled_dot_product_attention

from bertspec.runtime.training.batches import ABOUT_EQUAL
from bertspec.runtime.training.dropout import dropped
from bertspec.runtime.training.rows import Repeat, Take


class Groups:
    """The sequences of a row in groups, each padded to its longest."""

    def __init__(self, lengths: torch.Tensor) -> None:
        """`lengths`, (sequences,), are those of the row; empty sequences are left out."""
        lengths = lengths[lengths > 0]
        order = torch.argsort(lengths, descending=True, stable=True)
        self.firsts, lengths = (lengths.cumsum(0) - lengths)[order], lengths[order]
        """(sequences,) of the row, where each begins, in the order of the groups."""
        self.sizes: list[tuple[int, int]] = []
        """Of each group: its sequences, and tokens of the longest."""
        self.real: list[torch.Tensor | None] = []
        """(sequences, 1, 1, length) what of a group can be attended to; None for all."""
        sources, places = [], []
        for first, end in _borders(lengths.tolist()):
            own = lengths[first:end, None]
            place = torch.arange(int(own[0]))
            real = place < own
            places.append(real.flatten())
            # What stands for padding is anything that is a number, as all of it is masked.
            sources.append((self.firsts[first:end, None] + torch.where(real, place, 0)).flatten())
            self.sizes.append((end - first, len(place)))
            self.real.append(None if real.all() else real[:, None, None])
        self._sources = torch.cat(sources)
        """(padded tokens,) the token of the row that stands at each place of the groups."""
        found = torch.cat(places).nonzero()[:, 0]
        self._places = torch.empty_like(found)
        """(tokens,) where each token of the row stands in the groups."""
        self._places[self._sources[found]] = found
        self._as_it_is = torch.equal(self._sources, torch.arange(len(self._sources)))

    def padded(self, row: torch.Tensor) -> Iterator[torch.Tensor]:
        """(tokens, heads, size) -> of each group (sequences, heads, length, size)."""
        if not self._as_it_is:
            row = Repeat.apply(row, self._sources, self._places)
        parts = row.split([count * length for count, length in self.sizes])
        for part, size in zip(parts, self.sizes, strict=True):
            yield part.unflatten(0, size).transpose(1, 2)

    def unpadded(self, groups: Sequence[torch.Tensor]) -> torch.Tensor:
        """Of each group (sequences, heads, length, size) -> (tokens, heads, size)."""
        row = torch.cat([group.transpose(1, 2).flatten(0, 1) for group in groups])
        return row if self._as_it_is else Take.apply(row, self._places)


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
    order of `Groups.firsts`.
    """
    keys, values = groups.padded(key), groups.padded(value)
    queries: Iterator[torch.Tensor]
    of_first = len(query) < len(key)
    if of_first:
        queries = (q.unsqueeze(2) for q in query.split([count for count, _ in groups.sizes]))
    else:
        queries = groups.padded(query)
    each = [
        _attend(q * scaling, k, v, _allowed(real, k.shape[2], causal=causal), dropout)
        for q, k, v, real in zip(queries, keys, values, groups.real, strict=True)
    ]
    return torch.cat(each).squeeze(2) if of_first else groups.unpadded(each)


def _borders(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Of sequences from the longest to the shortest: where groups of about equal ones begin, end.

    None is less than a share, `ABOUT_EQUAL`, of the longest of its group.
    """
    first = 0
    while first < len(lengths):
        count = sum(n >= ABOUT_EQUAL * lengths[first] for n in lengths[first:])
        yield first, first + count
        first += count


def _allowed(real: torch.Tensor | None, length: int, *, causal: bool) -> torch.Tensor | None:
    """What each token may look at, (sequences or 1, 1, length or 1, length); None for all."""
    if not causal:
        return real
    before = torch.ones(length, length, dtype=torch.bool).tril()
    return before if real is None else before & real


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed: torch.Tensor | None,
    dropout: float,
) -> torch.Tensor:
    """Scaled dot-product attention; written out, as torch's has no fast dropout on a processor."""
    if not dropout:
        return scaled_dot_product_attention(query, key, value, allowed, scale=1.0)
    with torch.autocast(query.device.type, enabled=False):
        scores = query @ key.transpose(2, 3)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        return dropped(scores.softmax(dim=-1), dropout) @ value
