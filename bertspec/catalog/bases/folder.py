"""Take a model folder, as `save_pretrained` writes it, into a base artifact."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertspec.catalog.base import CONFIG, TOKENIZER, WEIGHTS
from bertspec.core.errors import InputError

INDEX = "model.safetensors.index.json"
EXTRAS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
WANTED = (CONFIG, WEIGHTS, INDEX, "model-*.safetensors", TOKENIZER, *EXTRAS)
"""Patterns of what is taken. Neither pickles nor code are among them."""


def read_config(folder: Path) -> Mapping[str, Any] | None:
    """config.json of a folder, or None when it has none that can be read."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def take_folder(source: Path, target: Path, name: str) -> None:
    """Copy config, weights and tokenizer of `source`, called `name` in messages.

    Sharded weights become one file; a tokenizer that has only a vocabulary becomes tokenizer.json.
    Raises InputError: E401 for a missing part or weights that are no safetensors, E402 for a part
    that cannot be read.
    """
    config = read_config(source)
    if config is None:
        raise InputError.of("E401", f"{name} has no readable {CONFIG}", "is it a model's folder?")
    if "auto_map" in config:
        config = {key: value for key, value in config.items() if key != "auto_map"}
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (target / CONFIG).write_text(text + "\n", encoding="utf-8")
    _take_weights(source, target, name)
    for extra in EXTRAS:
        if (source / extra).is_file():
            shutil.copyfile(source / extra, target / extra)
    _take_tokenizer(source, target, name)


def _take_weights(source: Path, target: Path, name: str) -> None:
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file, save_file

    shards = [source / WEIGHTS]
    if not shards[0].is_file():
        shards = sorted(source.glob("model-*.safetensors"))
    if not shards:
        raise InputError.of(
            "E401",
            f"{name} has no {WEIGHTS}",
            "only safetensors are read, never a pickle: convert it with `save_pretrained`",
        )
    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise InputError.of(
                "E402", f"{shard.name} of {name} cannot be read: {error}", "fetch it again"
            ) from None
    if len(shards) == 1:
        shutil.copyfile(shards[0], target / WEIGHTS)
        return
    tensors = {key: tensor for shard in shards for key, tensor in load_file(shard).items()}
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt"})


def _take_tokenizer(source: Path, target: Path, name: str) -> None:
    from tokenizers import Tokenizer

    if (source / TOKENIZER).is_file():
        shutil.copyfile(source / TOKENIZER, target / TOKENIZER)
    else:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(target, local_files_only=True, use_fast=True)
            tokenizer.backend_tokenizer.save(str(target / TOKENIZER))
        except Exception as error:  # noqa: BLE001 - transformers raises many kinds
            raise InputError.of(
                "E401",
                f"{name} has no {TOKENIZER}, and none can be made: {str(error).splitlines()[0]}",
                "save the tokenizer with `save_pretrained`",
            ) from None
    try:
        Tokenizer.from_file(str(target / TOKENIZER))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception
        raise InputError.of(
            "E402", f"{TOKENIZER} of {name} cannot be read: {error}", "save the tokenizer again"
        ) from None
