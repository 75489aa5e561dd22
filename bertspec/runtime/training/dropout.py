"""Dropout on a processor, where drawing masks with torch takes a sixth of a step in bf16."""

import hashlib
import math
from contextlib import AbstractContextManager

import numpy as np
import torch

from bertspec.runtime.training.swapping import just, swapped

_DRAWS = 2**16
"""Draws that a probability is a share of."""


def seed_dropout(seed: int, *place: int) -> None:
    """Seed torch for a step, or a shard of it, which is its `place`.

    It is far from the step before it, whose draws would otherwise be alike.
    """
    drawn = hashlib.blake2b(" ".join(map(str, (seed, *place))).encode(), digest_size=4).digest()
    number = int.from_bytes(drawn)
    # As `torch.manual_seed`, which asks for the stack for each kind of device that is not there.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)


def dropped(tensor: torch.Tensor, probability: float) -> torch.Tensor:
    """The tensor with some values 0 and the others larger, so that means stay: inverted dropout.

    The probability is rounded to 1 / 65,536. Masks come from a generator that starts from a draw of
    torch's, so they are a function of its seed, and recomputed activations have the same.
    """
    lost = round(probability * _DRAWS)
    if not lost or not tensor.numel():
        return tensor
    start = int(torch.randint(2**63 - 1, ()))
    # SFC64's stream is fixed, as those of all of numpy's bit generators are (NEP 19).
    words = np.random.SFC64(start).random_raw(math.ceil(tensor.numel() / 4))
    draws = torch.from_numpy(words.view(np.int16)[: tensor.numel()]).view(tensor.shape)
    kept = torch.empty_like(tensor, memory_format=torch.contiguous_format)
    torch.ge(draws, lost - _DRAWS // 2, out=kept)
    return tensor * kept.mul_(_DRAWS / (_DRAWS - lost)) if lost < _DRAWS else tensor * 0


class FastDropout(torch.nn.Dropout):
    """What a `torch.nn.Dropout` becomes inside of `fast_dropout`."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return dropped(tensor, self.p) if self.training else tensor


def fast_dropout(model: torch.nn.Module) -> AbstractContextManager[None]:
    """Inside, the model's dropouts draw their masks as `dropped` does, if it is on a processor."""
    return swapped(model, just(torch.nn.Dropout, FastDropout), "cpu")
