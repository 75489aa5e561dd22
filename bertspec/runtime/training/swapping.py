"""Modules of a model that are of another class for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def swapped(
    model: torch.nn.Module,
    other: Callable[[torch.nn.Module], type[torch.nn.Module] | None],
    device: str,
) -> Iterator[None]:
    """Inside, modules are of the class that `other` gives for them, if the model is on the device.

    None leaves a module as it is.
    """
    is_there = all(p.device.type == device for p in model.parameters())
    changed = [(m, type(m), to) for m in model.modules() if is_there and (to := other(m))]
    for module, _, to in changed:
        module.__class__ = to
    try:
        yield
    finally:
        for module, was, _ in changed:
            module.__class__ = was


def just(
    kind: type[torch.nn.Module], other: type[torch.nn.Module]
) -> Callable[[torch.nn.Module], type[torch.nn.Module] | None]:
    """Modules of `kind`, and of no class derived from it, are of `other`."""
    return lambda module: other if type(module) is kind else None
