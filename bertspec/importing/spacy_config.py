"""spaCy's config.cfg as sections in sections: JSON values, and `${section.key}` filled in."""

import configparser
import json
from pathlib import Path
from typing import Any

from bertspec.importing.section import Section
from bertspec.importing.translation import cannot, read_text

_MOST_STEPS = 20
"""From one `${section.key}` to the next; more are a circle."""


def read_config(path: Path) -> Section:
    """Raises InputError (E242) for what is no such file."""
    parser = configparser.ConfigParser(
        interpolation=None, default_section="none", delimiters=("=",)
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign] # keys keep their case
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        raise cannot(f"{path} is no config.cfg: {error.message}", "put it right") from None
    values = {
        f"{name}.{key}": _value(text)
        for name in parser.sections()
        for key, text in parser[name].items()
    }
    tree: dict[str, Any] = {}
    for name in parser.sections():
        _below(tree, name)
    for name in parser.sections():
        section = _below(tree, name)
        for key in parser[name]:
            section.setdefault(key, _filled(values[f"{name}.{key}"], values))
    return Section(tree)


def _below(tree: dict[str, Any], name: str) -> dict[str, Any]:
    for key in name.split("."):
        tree = tree.setdefault(key, {})
    return tree


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _filled(value: Any, values: dict[str, Any]) -> Any:
    """What `${section.key}` stands for, which may be another one."""
    for _ in range(_MOST_STEPS):
        if not (isinstance(value, str) and value.startswith("${") and value.endswith("}")):
            break
        found = values.get(value[2:-1].replace(":", "."), value)
        if found == value:
            break
        value = found
    return value
