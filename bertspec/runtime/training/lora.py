"""LoRA: in place of each matrix of the base, a change of low rank is learned (Hu et al., 2021)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.pipeline.params.train import Lora
from bertspec.runtime.training.layers import layer_depths, layer_lists, up_to_the_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def adapted(model: "PreTrainedModel", options: Lora | None) -> Iterator[None]:
    """Inside, only the changes and the head learn; at the end the changes are in the weights.

    The model stays the same object and has its own weights again, unless there is an error. New
    weights are drawn from torch's RNG; they change nothing before the first step. Without `options`
    nothing happens. Raises InputError (E403) for linear layers that are not there.
    """
    if options is None:
        yield
        return
    from peft import LoraConfig, LoraModel

    depths = layer_depths(model)
    last = len(layer_lists(model)[0])
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type] # it is only ever divided
        lora_dropout=options.dropout,
        target_modules=_targets(model, options),
    )
    changed = LoraModel(model, config, "default")
    for parameter, depth in depths.items():
        # An output layer that has the weights of the embeddings is no head: they stay as they are.
        parameter.requires_grad_(depth > last)
    yield
    changed.merge_and_unload()


def _targets(model: "PreTrainedModel", options: Lora) -> list[str]:
    """Full names of the linear layers that are changed, none of them in the head."""
    from torch.nn import Linear

    # Not by their weights: those of an output layer may be those of the embeddings.
    inside = {module for part in up_to_the_layers(model) for module in part.modules()}
    known = [n for n, m in model.named_modules() if isinstance(m, Linear) and m in inside]
    if not known:
        raise InputError.of(
            "E403",
            f"the layers of `{model.config.model_type}` have no linear layers for LoRA",
            "remove `training.lora`",
        )
    if options.target_modules == "all-linear":
        return known
    for target in options.target_modules:
        if not any(_is_of(name, target) for name in known):
            raise InputError.of(
                "E403",
                f"the layers of the base have no linear layer `{target}` for LoRA",
                did_you_mean(target, {name.rpartition(".")[2] for name in known}),
            )
    return [n for n in known if any(_is_of(n, target) for target in options.target_modules)]


def _is_of(name: str, target: str) -> bool:
    """As peft matches names: the whole of it, or its end."""
    return name == target or name.endswith(f".{target}")
