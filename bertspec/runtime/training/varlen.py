"""Attention of sequences that stand one behind another in a row, in one kernel of a GPU.

Rows are filled up, so that a few sizes do for all: see `graphs`.

As `torch.nn.attention.varlen` has it, which has no dropout: flash-attention (Dao, 2023) in 16 bits,
and memory-efficient attention (Rabe and Staats, 2021) in 32, which flash-attention does not have.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CAUSAL = 1
"""The `custom_mask_type` of memory-efficient attention; 0 is none."""

_AMPERE = (8, 0)
"""Compute capability from which on flash-attention runs."""

_LARGEST_HEAD = 256
"""Numbers of a head at most, in flash-attention; they are a multiple of eight."""

_TILE = 128
"""Tokens; the longest sequence is rounded up to a multiple, so that few rows differ by it."""

_SMALL = 256
"""Tokens that a row has a multiple of: a GPU is not busy with fewer."""


def suits(model: "PreTrainedModel") -> bool:
    """Whether the kernels take the heads of a model on this GPU; on a processor there are none."""
    if model.device.type == "cpu":
        return True
    size = model.config.hidden_size // model.config.num_attention_heads
    is_new = torch.cuda.get_device_capability(model.device) >= _AMPERE
    return is_new and size % 8 == 0 and size <= _LARGEST_HEAD


@dataclass(frozen=True)
class Row:
    """Sequences one behind another."""

    borders: torch.Tensor
    """(sequences + 1,) int32, where each begins, and the end of the last. One may be empty."""
    longest: int
    """Tokens of the longest sequence, or more."""
    room: int
    """Tokens of all."""


def room_of(tokens: int) -> int:
    """Tokens of the row that so many are run in: up to an eighth more if they are many."""
    step = _step(tokens)
    return -(-tokens // step) * step


def _step(tokens: int) -> int:
    return max(_SMALL, 2 ** (tokens.bit_length() - 4))


def filled(lengths: torch.Tensor, tokens: int, longest: int) -> Row:
    """The row of sequences with these lengths, filled up with some more, and with empty ones.

    None is longer than `longest`, up to a tile: what a token attends to grows with the sequence.
    """
    room, longest = room_of(tokens), -(-longest // _TILE) * _TILE
    # At most an eighth as many fill it up as it has, and one; or two, if it is small.
    sequences = 1 << (len(lengths) + len(lengths) // 8 + 1).bit_length()
    further = torch.arange(1, sequences - len(lengths) + 1) * longest + tokens
    ends = torch.cat([lengths.cumsum(0), further.clamp(max=room)])
    return Row(pad(ends, (1, 0)).int(), min(longest, room), room)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    row: Row,
    dropout: float,
    scaling: float,
    *,
    causal: bool,
) -> torch.Tensor:
    """(tokens, heads, size) each -> the same.

    With torch's deterministic algorithms, gradients are the same in each run.
    """
    borders, longest = row.borders, row.longest
    if query.dtype == torch.float32:
        found = torch.ops.aten._efficient_attention_forward(  # noqa: SLF001
            query[None], key[None], value[None], None, borders, borders, longest, longest, dropout,
            _CAUSAL if causal else 0, compute_log_sumexp=True, scale=scaling,
        )  # fmt: skip
        return found[0].squeeze(0)
    found = torch.ops.aten._flash_attention_forward(  # noqa: SLF001
        query, key, value, borders, borders, longest, longest, dropout, causal,
        return_debug_mask=False, scale=scaling,
    )  # fmt: skip
    return found[0]
