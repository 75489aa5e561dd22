"""Which layer of a model each of its parameters is in, whatever its family calls them."""

from typing import TYPE_CHECKING

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    from torch.nn import Module, ModuleList, Parameter
    from transformers import PreTrainedModel


def layer_depths(model: "PreTrainedModel") -> "dict[Parameter, int]":
    """0 for what is below the first layer, 1 for that layer, and so on; the largest for the head.

    The layers are the longest list of modules in the base. What the base has after them, such as
    a pooler or a last normalisation, is the head's; all else in it is below them: embeddings, and
    those of positions that every layer reads. Layers that share their weights (ALBERT) are one.
    Raises InputError (E403) for a base without layers.
    """
    base = model.base_model
    lists = _outermost_lists(base)
    count = max(map(len, lists), default=0)
    if not count:
        raise InputError.of(
            "E403",
            f"`{model.config.model_type}` has no layers that could differ in learning rate",
            "remove `training.layer_decay`",
        )
    layers = [found for found in lists if len(found) == count]
    depths = dict.fromkeys(model.parameters(), count + 1)
    children = list(base.children())
    last = max(i for i, c in enumerate(children) if any(m in layers for m in c.modules()))
    depths |= dict.fromkeys(base.parameters(recurse=False), 0)
    for child in children[: last + 1]:
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
