"""What several products in bf16 read is rounded once; autocast would do so for each of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

PROJECTIONS = ({"query", "key", "value"}, {"q_lin", "k_lin", "v_lin"})
"""Layers that read the same, as families call them."""


def rounded(tensor: torch.Tensor) -> torch.Tensor:
    """What autocast makes of it for a product on a processor; outside of autocast, itself."""
    return tensor.bfloat16() if torch.is_autocast_enabled("cpu") else tensor


def round_once(model: torch.nn.Module) -> "list[RemovableHandle]":
    """From now on, what queries, keys and values are computed from is rounded before all three.

    So are the gradients of the three, before they are added up.
    """
    return [
        module.register_forward_pre_hook(_round, with_kwargs=True)
        for module in model.modules()
        if _reads_for_projections_alone(module)
    ]


def _reads_for_projections_alone(module: torch.nn.Module) -> bool:
    """ALBERT's attention adds what it reads to what it gives, too."""
    parts = dict(module.named_children()).keys()
    return any(names <= parts for names in PROJECTIONS) and "LayerNorm" not in parts


def _round(
    _module: torch.nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if args:
        return (rounded(args[0]), *args[1:]), dict(kwargs)
    return args, {**kwargs, "hidden_states": rounded(kwargs["hidden_states"])}
