"""Check what transformers loaded: where weights do not fit a model, it draws random ones."""

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

HEAD_DROPOUTS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "seq_classif_dropout",
    "pooler_dropout",
    "summary_last_dropout",
)
"""What families of models call the dropout before their head."""

POOLER = "pooler."
"""Belongs to the head: checkpoints of masked language models come without one."""


def with_head_dropout(config: "PreTrainedConfig", dropout: float | None) -> None:
    """Set the dropout before the head. Raises InputError (E403) for a head that has none."""
    if dropout is None:
        return
    names = [name for name in HEAD_DROPOUTS if hasattr(config, name)]
    if not names:
        raise InputError.of(
            "E403",
            f"a head of `{config.model_type}` has no dropout of its own",
            "remove `model.head.dropout`",
        )
    for name in names:
        setattr(config, name, dropout)


def load_model(auto: str, base: Path, config: "PreTrainedConfig") -> "PreTrainedModel":
    """A base folder as the model that `auto`, a class of transformers, has for `config`.

    Weights are 32-bit floats; those that the base lacks are drawn from torch's RNG. Raises
    InputError: E403 for a family without such a model, E402 as `require_loaded` does.
    """
    import torch
    import transformers

    chosen = getattr(transformers, auto)
    known = chosen._model_mapping  # noqa: SLF001 - transformers has no public way
    if type(config) not in known:
        raise InputError.of(
            "E403",
            f"transformers has no {auto} for `{config.model_type}`",
            "take a base of another family, such as bert or roberta",
        )
    model, loading = chosen.from_pretrained(
        base,
        config=config,
        dtype=torch.float32,  # whatever the base's files have
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are reported, and refused, below
        **without_pooler(known[type(config)]),
    )
    require_loaded(model, loading)
    loaded: PreTrainedModel = model
    return loaded


def without_pooler(model: Any) -> dict[str, bool]:
    """Options of a class of models without a head that leave out the pooler: nothing reads it.

    Classes with a head have no such option.
    """
    options = signature(model.__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in options else {}


def require_loaded(model: "PreTrainedModel", loading: Mapping[str, Any]) -> None:
    """Raise InputError (E402) when a part of the encoder, or a tensor of another size, is random.

    `loading` is what `from_pretrained` gives with `output_loading_info`.
    """
    encoder = "" if model.base_model is model else f"{model.base_model_prefix}."
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
