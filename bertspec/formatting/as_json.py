"""A JSON document laid out anew: two spaces a level, numbers as they were written."""

import json
from collections.abc import Iterator
from typing import Any

from bertspec.core.model import Model
from bertspec.spec.places import Wanted, keys_at


class _Number(str):
    """A number's own text."""

    __slots__ = ()


def json_laid_out(text: str, model: type[Model]) -> str:
    """The text of a valid document, with the keys of the language in their order."""
    value = json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    return "".join(_written(value, (Wanted(model),), "\n")) + "\n"


def _written(value: Any, here: tuple[Wanted, ...], line: str) -> Iterator[str]:
    inside = f"{line}  "
    if isinstance(value, dict) and value:
        for index, (key, item) in enumerate(_sorted(value, here)):
            yield f"{',' if index else '{'}{inside}{_text(key)}: "
            yield from _written(item, _below(here, value, key), inside)
        yield line + "}"
    elif isinstance(value, list) and value:
        items = tuple(item for wanted in here for item in wanted.items())
        for index, item in enumerate(value):
            yield f"{',' if index else '['}{inside}"
            yield from _written(item, items, inside)
        yield line + "]"
    elif isinstance(value, _Number):
        yield str(value)
    else:
        yield _text(value)


def _sorted(value: dict[str, Any], here: tuple[Wanted, ...]) -> list[tuple[str, Any]]:
    names = list(dict.fromkeys(wanted.name for wanted in keys_at(here, value)))
    known = {name: place for place, name in enumerate(names)}
    places, last = {}, -1
    for key in value:
        places[key] = last = known.get(key, last)
    return sorted(value.items(), key=lambda pair: places[pair[0]])


def _below(here: tuple[Wanted, ...], value: dict[str, Any], key: str) -> tuple[Wanted, ...]:
    fields = tuple(wanted for wanted in keys_at(here, value, key) if wanted.name == key)
    return fields or tuple(item for wanted in here for item in wanted.values())


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    # Half of a surrogate pair cannot be written but as an escape.
    return json.dumps(value) if any("\ud800" <= c <= "\udfff" for c in text) else text
