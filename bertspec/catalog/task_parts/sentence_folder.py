"""What sentence-transformers reads of a folder beside model and tokenizer."""

from pathlib import Path
from typing import Any

from bertspec.catalog.base import WEIGHTS
from bertspec.catalog.task_parts.loading import POOLER
from bertspec.core.files import write_json

MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")

POOLING = "1_Pooling"


def write_sentence_folder(folder: Path, max_length: int, pooling: str, *, normalize: bool) -> None:
    """The modules behind the encoder; and the encoder whole, as AutoModel builds it."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    _add_pooler(folder, config)
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    about: dict[str, Any] = {
        f"pooling_mode_{mode}": mode.startswith(pooling + "_t") for mode in MODES
    }
    (folder / POOLING).mkdir()
    write_json(
        folder / POOLING / "config.json", {"word_embedding_dimension": config.hidden_size} | about
    )
    write_json(folder / "modules.json", modules)
    write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": max_length, "do_lower_case": False},
    )
    write_json(folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


def _add_pooler(folder: Path, config: Any) -> None:
    """Zeros for the pooler that AutoModel gives some families: nothing reads it, but without
    weights it would be drawn anew, and be another in each process.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModel

    weights = load_file(folder / WEIGHTS)
    with torch.device("meta"):
        whole = AutoModel.from_config(config).state_dict()
    missing = {
        name: torch.zeros(tensor.shape, dtype=torch.float32)
        for name, tensor in whole.items()
        if name not in weights and name.startswith(POOLER)
    }
    if missing:
        save_file(weights | missing, folder / WEIGHTS, metadata={"format": "pt"})
