"""Modules of a model that are of another class for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def swapped(
    model: torch.nn.Module, kind: type[torch.nn.Module], other: type[torch.nn.Module], device: str
) -> Iterator[None]:
    """Inside, modules of just the class `kind` are of `other`, if the model is on the device."""
    is_there = all(p.device.type == device for p in model.parameters())
    changed = [m for m in model.modules() if is_there and type(m) is kind]
    for module in changed:
        module.__class__ = other
    try:
        yield
    finally:
        for module in changed:
            module.__class__ = kind
