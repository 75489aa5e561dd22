"""Every field of the language: type, default, what it affects. For `bertspec fields` and docs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic_core import PydanticUndefined, to_jsonable_python

from bertspec.core.kinds import Kinds
from bertspec.core.model import Model, extra, submodels


@dataclass(frozen=True)
class FieldInfo:
    """One field of the language."""

    path: str
    """Dotted; a kind of a union stands in parentheses: `data.source(csv).files`."""
    type: str
    default: str
    affects: tuple[str, ...]
    """Kinds of stage that run again when it changes."""
    description: str


def fields_of(model: type[Model]) -> Iterator[FieldInfo]:
    """The fields of a model and of the models in it, in the order of the language.

    Those of a model that several fields hold are listed once, below the first of them.
    """
    return _fields_of(model, "", (), {})


def _fields_of(
    model: type[Model],
    prefix: str,
    affects: tuple[str, ...],
    listed: dict[tuple[type[Model], tuple[str, ...]], str],
) -> Iterator[FieldInfo]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        own = tuple(extra(field).get("affects", affects))
        inner = list(submodels(field.annotation))
        known = sorted({listed[sub, own] for sub in inner if (sub, own) in listed})
        as_in = f" Fields as in `{'`, `'.join(known)}`." if known else ""
        yield FieldInfo(
            path,
            type_in_words(field.annotation),
            default_in_words(field),
            own,
            f"{field.description}{as_in}",
        )
        for sub in inner:
            if (sub, own) in listed:
                continue
            kind = f"({kinds[0]})" if (kinds := kinds_of(sub)) and len(inner) > 1 else ""
            listed[sub, own] = f"{path}{kind}"
            yield from _fields_of(sub, f"{path}{kind}.", own, listed)


def kinds_of(model: type[Model]) -> tuple[str, ...]:
    """The values of `type` that stand for the model."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def default_in_words(field: Any) -> str:
    """A field's default as JSON, or that it has none."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    return json.dumps(to_jsonable_python(default), ensure_ascii=False)


_NAMES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "null",
}


def type_in_words(annotation: Any) -> str:
    """A field's type in words."""
    if isinstance(annotation, Kinds):
        return " or ".join(type_in_words(kind) for kind in annotation.values())
    if annotation in _NAMES:
        return _NAMES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Model):
        kinds = kinds_of(annotation)
        return f"`type: {kinds[0]}`" if kinds else "mapping"
    arguments = [a for a in get_args(annotation) if a is not Ellipsis]
    origin = getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):
        return type_in_words(arguments[0])
    if origin is tuple:
        return f"list of {type_in_words(arguments[0])}"
    if origin is dict:
        return f"mapping of {type_in_words(arguments[0])} to {type_in_words(arguments[1])}"
    if arguments and all(isinstance(a, str | int) for a in arguments):
        return " or ".join(f"`{a}`" for a in arguments)
    return " or ".join(dict.fromkeys(type_in_words(a) for a in arguments))
