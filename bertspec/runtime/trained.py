"""Load what train has written."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.base import CONFIG
from bertspec.catalog.task_parts.loading import without_pooler
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def load_trained(folder: Path, device: "torch.device | None" = None) -> "PreTrainedModel":
    """The trained model, in eval mode, of the class that its config.json names.

    It is on the processor, if there is no `device`.

    Raises InputError (E407) for files that are not as train wrote them.
    """
    import transformers
    from safetensors import SafetensorError

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        cls = getattr(transformers, config["architectures"][0])
        model: PreTrainedModel = cls.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, **without_pooler(cls)
        )
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError.of(
            "E407",
            f"the trained model in {folder.parent.name}/{folder.name} cannot be loaded: "
            f"{reason(error)}",
            "restore it with `dvc checkout`, or train it again",
        ) from None
    model.eval()
    return model.to(device or "cpu")  # type: ignore[arg-type] # transformers wraps it


def pad_id_of(folder: Path) -> int:
    """Id of the padding token; padding is masked, so 0 does where a model names none."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return int(config.get("pad_token_id") or 0)
