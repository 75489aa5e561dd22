"""Which layer of a model each of its parameters is in, whatever its family calls them."""

from typing import TYPE_CHECKING

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    from torch.nn import Module, ModuleList, Parameter
    from transformers import PreTrainedModel


def layer_lists(model: "PreTrainedModel") -> "list[ModuleList]":
    """The layers of the base: the longest list of modules in it that is in no other list.

    An encoder and a decoder of as many layers are two. Raises InputError (E403) for none.
    """
    lists = _outermost_lists(model.base_model)
    count = max(map(len, lists), default=0)
    if not count:
        raise InputError.of(
            "E403",
            f"`{model.config.model_type}` has no layers that could be told apart",
            "remove `layer_decay`, `freeze` and `lora` from `training`",
        )
    return [found for found in lists if len(found) == count]


def up_to_the_layers(model: "PreTrainedModel") -> "list[Module]":
    """The parts of the base, without what it has after its layers: that is the head's.

    Such as a pooler or a last normalisation. Raises InputError (E403) for a base without layers.
    """
    layers = layer_lists(model)
    children = list(model.base_model.children())
    last = max(i for i, c in enumerate(children) if any(m in layers for m in c.modules()))
    return children[: last + 1]


def encoder_of(model: "PreTrainedModel") -> "Module":
    """The part of the base that its layers are in, from hidden states to hidden states."""
    return up_to_the_layers(model)[-1]


def layer_depths(model: "PreTrainedModel") -> "dict[Parameter, int]":
    """0 for what is below the first layer, 1 for that layer, and so on; the largest for the head.

    All in the base that is neither in a layer nor the head's is below them: embeddings, and those
    of positions that every layer reads. Layers that share their weights (ALBERT) are one.
    Raises InputError (E403) for a base without layers.
    """
    layers = layer_lists(model)
    depths = dict.fromkeys(model.parameters(), len(layers[0]) + 1)
    depths |= dict.fromkeys(model.base_model.parameters(recurse=False), 0)
    for child in up_to_the_layers(model):
        depths |= dict.fromkeys(child.parameters(), 0)
    for found in layers:
        for number, layer in enumerate(found):
            depths |= dict.fromkeys(layer.parameters(), number + 1)
    return depths


def _outermost_lists(base: "Module") -> "list[ModuleList]":
    """Lists of modules that are in no other list."""
    from torch.nn import ModuleList

    found: dict[str, ModuleList] = {}
    for name, module in base.named_modules():
        if isinstance(module, ModuleList) and not any(name.startswith(f"{o}.") for o in found):
            found[name] = module
    return list(found.values())
