"""Check what transformers loaded: where weights do not fit a model, it draws random ones."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

POOLER = "pooler."
"""Belongs to the head: checkpoints of masked language models come without one."""


def require_loaded(model: "PreTrainedModel", loading: Mapping[str, Any]) -> None:
    """Raise InputError (E402) when a part of the encoder, or a tensor of another size, is random.

    `loading` is what `from_pretrained` gives with `output_loading_info`.
    """
    encoder = f"{model.base_model_prefix}."
    missing = sorted(
        name
        for name in loading["missing_keys"]
        if name.startswith(encoder) and not name.removeprefix(encoder).startswith(POOLER)
    )
    if missing:
        raise InputError.of(
            "E402",
            f"the base's weights are not those of its config: {len(missing)} tensors of the "
            f"encoder are missing, such as {missing[0]}",
            "take config.json and model.safetensors from the same model",
        )
    if mismatched := sorted(loading["mismatched_keys"], key=lambda found: str(found[0])):
        name, found, wanted = mismatched[0]
        raise InputError.of(
            "E402",
            f"{name} is {tuple(found)} in the base, and the model needs {tuple(wanted)}",
            "a base that has a head already must have one for as many labels; "
            "otherwise take the model without a head, which it was made from",
        )
