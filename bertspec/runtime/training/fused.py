"""The parts of BERT's layers that run in kernels of ours on a GPU, while a model is trained."""

from contextlib import AbstractContextManager
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import linear

from bertspec.core.errors import EnvironmentFault, reason
from bertspec.runtime.training.swapping import swapped
from bertspec.runtime.training.varlen import suits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEVICE = "cuda"
"""Where there are such kernels."""

FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
"""Families of which the layers end in `dense`, `dropout` and `LayerNorm`, in this order."""


class _Output(torch.nn.Module):
    """The end of attention and of a layer: `LayerNorm(dropout(dense(x)) + input)`."""

    dense: torch.nn.Linear
    dropout: torch.nn.Dropout
    LayerNorm: torch.nn.LayerNorm

    def forward(self, hidden_states: torch.Tensor, input_tensor: torch.Tensor) -> torch.Tensor:
        from bertspec.runtime.training.kernels import add_norm

        given = linear(hidden_states, self.dense.weight)
        norm, probability = self.LayerNorm, self.dropout.p if self.training else 0.0
        return add_norm(
            given, self.dense.bias, input_tensor.to(given.dtype), norm.weight, norm.bias,
            probability, norm.eps,
        )  # fmt: skip


class _Intermediate(torch.nn.Module):
    """`gelu(dense(x))`."""

    dense: torch.nn.Linear

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        from bertspec.runtime.training.kernels import bias_gelu

        return bias_gelu(linear(hidden_states, self.dense.weight), self.dense.bias)


class _Projection(torch.nn.Linear):
    """A linear layer of many tokens, such as of queries."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        from bertspec.runtime.training.kernels import project

        device = input.device.type
        if torch.is_autocast_enabled(device):
            return project(input.to(torch.get_autocast_dtype(device)), self.weight, self.bias)
        return project(input, self.weight, self.bias)


def fused(model: "PreTrainedModel") -> AbstractContextManager[None]:
    """Inside, what is between the matrix products of a layer runs in one kernel, on a GPU.

    Losses and gradients are what they were up to rounding; masks of dropout are others. Layers
    that `lora` adapts, of other families, and on GPUs that have no packed rows run as they did.
    Raises EnvironmentFault (E519) where kernels cannot be compiled.
    """
    is_known = model.config.model_type in FAMILIES and suits(model)
    forms = _fused_forms(model) if is_known and model.device.type == DEVICE else {}
    if forms:
        _require_kernels(model.device)
    return swapped(model, forms.get, DEVICE)


def _require_kernels(device: torch.device) -> None:
    """Compile the smallest of them, or take it from Triton's cache."""
    from bertspec.runtime.training.kernels import bias_gelu

    try:
        bias_gelu(torch.zeros(1, 1, device=device), torch.zeros(1, device=device))
    except (OSError, RuntimeError, CalledProcessError) as error:
        raise EnvironmentFault.of(
            "E519",
            f"the kernels for the GPU cannot be compiled: {reason(error)}",
            "install a C compiler and the headers of Python, such as gcc and python3-dev",
        ) from error


def _fused_forms(model: torch.nn.Module) -> dict[torch.nn.Module, type[torch.nn.Module]]:
    """What the parts of a model become."""
    forms: dict[torch.nn.Module, type[torch.nn.Module]] = {}
    for module in model.modules():
        parts = dict(module.named_children())
        if _is_linear(parts.get("dense")):
            if parts.keys() == {"dense", "dropout", "LayerNorm"}:
                forms[module] = _Output
            activation = parts.get("intermediate_act_fn")
            if getattr(activation, "act", None) is torch.nn.functional.gelu:
                forms[module] = _Intermediate
        projections = [part for name, part in parts.items() if name in ("query", "key", "value")]
        forms |= {part: _Projection for part in projections if _is_linear(part)}
    return forms


def _is_linear(module: torch.nn.Module | None) -> bool:
    """Whether it is nothing else, such as one that `lora` adapts, and has a bias."""
    return type(module) is torch.nn.Linear and module.bias is not None
