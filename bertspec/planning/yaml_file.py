"""Read YAML files that programs wrote. What was read is kept as JSON, which is read much faster."""

import json
from pathlib import Path
from typing import Any

import yaml

from bertspec.core import looks
from bertspec.core.errors import InputError
from bertspec.core.yaml import load_plain
from bertspec.planning.memory import recall, remember


def read_mapping(root: Path, name: str, code: str, advice: str) -> dict[str, Any]:
    """The file `name` of the project, empty when it is not there.

    Raises InputError with this code for a file that is no mapping in YAML.
    """
    try:
        content = looks.read_bytes(root / name)
    except FileNotFoundError:
        return {}
    except IsADirectoryError:
        raise InputError.of(code, f"{name} is not a file", "move it away, or remove it") from None
    kept = recall(root, name, content)
    value = kept if isinstance(kept, dict) else _parse(content, name, code, advice)
    if value is not kept and len(content) > _SLOW:
        remember(root, name, content, value)
    return value


_SLOW = 20_000
"""Bytes from which on it pays."""


def _parse(content: bytes, name: str, code: str, advice: str) -> dict[str, Any]:
    try:
        value = load_plain(content.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError.of(code, f"{name} cannot be read: {reason}", advice) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError.of(code, f"{name} is not a mapping", advice)
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two values are one in YAML, where `1`, `1.0` and `true` are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
