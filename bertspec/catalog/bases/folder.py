"""Take a model folder, as `save_pretrained` writes it, into a base artifact."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.base import CONFIG, TOKENIZER, WEIGHTS
from bertspec.core import looks
from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.terminal import one_line

if TYPE_CHECKING:
    import torch

INDEX = "model.safetensors.index.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
EXTRAS = (
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
WANTED = (CONFIG, WEIGHTS, INDEX, "model-*.safetensors", TOKENIZER, *EXTRAS)
"""Patterns of what is taken. Neither pickles nor code are among them."""


_ATTENTION = (None, "eager", "sdpa")
_EXPERTS = (None, "eager", "batched_mm", "grouped_mm")
_IMPLEMENTATIONS: Mapping[str, tuple[str | None, ...]] = {
    "attn_implementation": _ATTENTION,
    "_attn_implementation": _ATTENTION,
    "experts_implementation": _EXPERTS,
    "_experts_implementation": _EXPERTS,
}
"""Keys of a configuration that choose a program, and those of torch alone. For others, such as
`owner/name` and `flash_attention_2`, transformers fetches a kernel from the hub and runs it, or
takes a package that no lock has.
"""


def read_config(folder: Path) -> Mapping[str, Any] | None:
    """config.json of a folder, or None when it has none that can be read."""
    try:
        config = json.loads(looks.read_bytes(folder / CONFIG).decode("utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def take_folder(source: Path, target: Path, name: str) -> None:
    """Copy config, weights and tokenizer of `source`, called `name` in messages.

    Sharded weights become one file; a tokenizer that has only a vocabulary becomes tokenizer.json.
    Raises InputError: E401 for a missing part or weights that are no safetensors, E402 for a part
    that cannot be read, E414 for a config that names code.
    """
    config = read_config(source)
    if config is None:
        raise InputError.of("E401", f"{name} has no readable {CONFIG}", "is it a model's folder?")
    if named := next(_kernels(config), None):
        raise InputError.of(
            "E414",
            f"{CONFIG} of {name} names code that is never run, {one_line(named)}",
            "remove the key from a copy of the folder, and take that with `type: local`: the "
            "weights are the same, and torch computes it by itself",
        )
    _write_without_code(config, target / CONFIG)
    _take_weights(source, target, name)
    for extra in EXTRAS:
        if (source / extra).is_file():
            shutil.copyfile(source / extra, target / extra)
    _take_tokenizer(source, target, name)


def _kernels(config: Any) -> Iterator[str]:
    """Programs that a configuration, or one within it, chooses and that are not torch's own."""
    for key, value in config.items() if isinstance(config, dict) else ():
        if (own := _IMPLEMENTATIONS.get(key)) is not None:
            chosen = value.values() if isinstance(value, dict) else (value,)
            yield from (f"{key}: {one}" for one in chosen if one not in own)
        else:
            yield from _kernels(value)


def _write_without_code(config: Mapping[str, Any], path: Path) -> None:
    """Write a configuration without `auto_map`, which names Python files of the model's author."""
    kept = {key: value for key, value in config.items() if key != "auto_map"}
    text = json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _take_weights(source: Path, target: Path, name: str) -> None:
    if (source / WEIGHTS).is_file():
        _tensor_names(source / WEIGHTS, name)
        shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
        return
    if not (source / INDEX).is_file():
        pickles = sorted(p.name for p in source.glob("*.bin"))
        beside = f", only {', '.join(pickles)}" if pickles else ""
        raise InputError.of(
            "E401",
            f"{name} has no {WEIGHTS}{beside}",
            "only safetensors are read, never a pickle: convert it with `save_pretrained`",
        )
    _merge_shards(source, target, name)


def _merge_shards(source: Path, target: Path, name: str) -> None:
    from safetensors.torch import load_file, save_file

    try:
        place: dict[str, str] = json.loads((source / INDEX).read_text("utf-8"))["weight_map"]
        shards = sorted({Path(file).name for file in place.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(INDEX, name, error) from None
    tensors: dict[str, torch.Tensor] = {}
    for shard in shards:
        if not (source / shard).is_file():
            raise InputError.of(
                "E401", f"{name} has no {shard}, which its {INDEX} names", "fetch it again"
            )
        _tensor_names(source / shard, name)
        tensors |= load_file(source / shard)
    if missing := sorted(place.keys() - tensors.keys()):
        raise InputError.of(
            "E402",
            f"{place[missing[0]]} of {name} has no tensor {missing[0]}, which its {INDEX} names",
            "fetch it again",
        )
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt"})


def _tensor_names(path: Path, name: str) -> list[str]:
    """Names of the tensors. Opening checks the header, and that the file is as long as it says."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError) as error:
        raise _unreadable(path.name, name, error) from None


def _unreadable(file: str, name: str, error: Exception) -> BertspecError:
    return InputError.of(
        "E402", f"{file} of {name} cannot be read: {reason(error)}", "fetch it again"
    )


def _take_tokenizer(source: Path, target: Path, name: str) -> None:
    from tokenizers import Tokenizer

    about = target / TOKENIZER_CONFIG
    if about.is_file():
        try:
            _write_without_code(json.loads(about.read_text(encoding="utf-8")), about)
        except (ValueError, AttributeError) as error:
            raise _unreadable(about.name, name, error) from None
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
                f"{name} has no {TOKENIZER}, and none can be made: {reason(error)}",
                "save the tokenizer with `save_pretrained`",
            ) from None
    try:
        Tokenizer.from_file(str(target / TOKENIZER))
    except Exception as error:  # noqa: BLE001 - tokenizers raises bare Exception
        raise _unreadable(TOKENIZER, name, error) from None
