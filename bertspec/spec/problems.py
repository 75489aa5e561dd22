"""pydantic's validation errors as diagnostics: the place in the file, plain words, advice."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bertspec.catalog.tasks import TASKS
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.model import Model, submodels
from bertspec.core.names import NAME_PATTERN, did_you_mean, nearest
from bertspec.core.terminal import shortened
from bertspec.spec.document import Document, Path_
from bertspec.spec.sections import LANGUAGE_VERSION

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list (`[a, b]`, or a line `- a` each)",
    "tuple_type": "a list (`[a, b]`, or a line `- a` each)",
    "string_type": "text",
}

_PATTERNS = {
    NAME_PATTERN: "write lower-case letters, digits and single dashes, such as `my-model`",
    r"^[0-9a-f]{40}$": "write the commit, 40 hexadecimal digits: a branch or a tag moves, and "
    "with it what is built",
}
"""What to write where a pattern is not met; for the others the field's description says it."""

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
"""How pydantic calls the bounds of a number (annotated-types), and how they are said."""


class _Place:
    """Where an error is: its path in the document, and the models around it."""

    def __init__(self, error: ErrorDetails, model: type[Model], document: Document) -> None:
        self.path, self.models = _resolve(error["loc"], model, document.value)
        self.is_key = error["loc"][-1:] == ("[key]",)
        """Whether a key of a mapping is wrong, and not its value."""
        names = [part for part in error["loc"] if isinstance(part, str)]
        self.name = names[-1] if names else ""
        self.label = ".".join(str(part) for part in self.path) or "the document"
        self.position = document.position(self.path, key=self.is_key)
        self.key = document.position(self.path, key=True)
        self.document = document

    def about(self) -> str:
        """What the language says of the field."""
        name, field = self._field()
        return f"`{name}`: {field.description}" if field and field.description else ""

    def range(self) -> str:
        """Which numbers the field takes, its default, and what the language says of it."""
        name, field = self._field()
        if field is None:
            return ""
        allowed = " and ".join(_bounds(field))
        default = "" if field.is_required() else f", by default {_shown(field.get_default())}"
        return f"`{name}` is {allowed}{default}: {field.description}"

    def meant(self, replacement: str | None, *below: str) -> str | None:
        """`replacement`, where what stands at the place, or `below` it, is a word itself."""
        is_word = self.document.is_word((*self.path, *below), key=self.is_key)
        return replacement if is_word else None

    def _field(self) -> tuple[str, FieldInfo | None]:
        """The field that the value is of: for a value in a mapping of free keys, the mapping's."""
        for name in (self.name, *(str(part) for part in reversed(self.path))):
            for model in self.models:
                if name in model.model_fields:
                    return name, model.model_fields[name]
        return self.name, None


def diagnostics_of(
    error: ValidationError, model: type[Model], document: Document
) -> list[Diagnostic]:
    """One diagnostic for each of pydantic's errors, without repeats and consequences."""
    errors = error.errors()
    # A list counts as too short for the items in it that are wrong; those are told already.
    inner = {e["loc"][:-1] for e in errors}
    told = [e for e in errors if not (e["type"] == "too_short" and e["loc"] in inner)]
    return list(dict.fromkeys(_diagnostic(e, _Place(e, model, document)) for e in told))


def without_unknown_keys(
    error: ValidationError, model: type[Model], document: Document
) -> dict[str, Any]:
    """The document's value without the keys that this error calls unknown."""
    value = deepcopy(document.value)
    for unknown in (e for e in error.errors() if e["type"] == "extra_forbidden"):
        *parents, last = _resolve(unknown["loc"], model, document.value)[0]
        inside: Any = value
        for part in parents:
            inside = inside[part]
        inside.pop(last)
    return value


def _diagnostic(error: ErrorDetails, place: _Place) -> Diagnostic:
    if error["type"] in _WANTED:
        return _wrong_type(error, place)
    return _PROBLEMS.get(error["type"], _wrong_value)(error, place)


def _unknown_key(_error: ErrorDetails, place: _Place) -> Diagnostic:
    fields = {f for m in place.models for f in m.model_fields}
    return Diagnostic(
        "E010",
        f"unknown key `{place.name}`",
        did_you_mean(place.name, fields),
        place.key,
        replacement=nearest(place.name, fields),
    )


def _missing(_error: ErrorDetails, place: _Place) -> Diagnostic:
    inside = f" in `{place.label}`" if place.path else ""
    return Diagnostic("E011", f"`{place.name}` is missing{inside}", place.about(), place.key)


def _missing_type(_error: ErrorDetails, place: _Place) -> Diagnostic:
    known = [kind for model in _members(place) for kind in _types(model)]
    return Diagnostic(
        "E011", f"`type` is missing in `{place.label}`", did_you_mean("", known), place.key
    )


def _unknown_type(error: ErrorDetails, place: _Place) -> Diagnostic:
    wrong = str(error["ctx"]["tag"])
    known = [word.strip("' ") for word in str(error["ctx"]["expected_tags"]).split(",")]
    return Diagnostic(
        "E012",
        f"there is no {place.name} of type `{wrong}`",
        did_you_mean(wrong, known),
        place.document.position((*place.path, "type")),
        replacement=place.meant(nearest(wrong, known), "type"),
    )


def _not_one_of(error: ErrorDetails, place: _Place) -> Diagnostic:
    value = error["input"]
    if place.path == ("bertspec",):
        return Diagnostic(
            "E009",
            f"this is version {_shown(value)} of the language",
            f"write `bertspec: {LANGUAGE_VERSION}`, which this bertspec reads",
            place.position,
        )
    words = str(error["ctx"]["expected"]).replace(" or ", ", ").split(",")
    known = [word.strip("' ") for word in words]
    advice = did_you_mean(str(value), known)
    wrong = "have the key" if place.is_key else "be"
    label = ".".join(map(str, place.path[:-1])) if place.is_key else place.label
    message = f"`{label}` cannot {wrong} {_shown(value)}"
    meant = place.meant(nearest(str(value), known))
    return Diagnostic("E013", message, advice, place.position, replacement=meant)


def _wrong_type(error: ErrorDetails, place: _Place) -> Diagnostic:
    value, advice = error["input"], ""
    if error["type"] == "string_type" and isinstance(value, bool | int | float):
        advice = "put it in quotes"
    elif error["type"] in ("int_type", "float_type") and isinstance(value, str):
        advice = "write the number without quotes"
    if place.path[-2:-1] == ("require",):
        advice = _comparison(value, place)
    message = f"`{place.label}` must be {_WANTED[error['type']]}, and is {_shown(value)}"
    return Diagnostic("E014", message, advice or place.about(), place.position)


def _wrong_value(error: ErrorDetails, place: _Place) -> Diagnostic:
    reason = error["msg"][0].lower() + error["msg"][1:]
    advice = _PATTERNS.get(str(error.get("ctx", {}).get("pattern")))
    if error.get("ctx", {}).keys() & _BOUNDS.keys():
        advice = place.range()
    if place.path[-2:-1] == ("require",):
        advice = _comparison(error["input"], place)
    message = f"`{place.label}` is {_shown(error['input'])}: {reason}"
    return Diagnostic("E015", message, advice or place.about(), place.position)


def _comparison(value: Any, place: _Place) -> str:
    """Advice for a bound in `evaluation.require` that is none, such as a number alone."""
    metric = place.name.rpartition(".")[2]  # of a class, it is `classes.<name>.<metric>`
    lower = {name for task in TASKS.values() for name in task.lower_is_better}
    sign = "<=" if metric in {"loss", *lower} else ">="
    is_number = not isinstance(value, bool) and re.fullmatch(_NUMBER, str(value))
    number = format(Decimal(str(value)), "f") if is_number else "0.8"
    return f"write how it is to compare, as text: `{place.name}: '{sign} {number}'`"


_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?"


def _bounds(field: FieldInfo) -> Iterator[str]:
    """The bounds of a field's numbers in words, wherever in its annotation they stand."""
    found = [*field.metadata, *_metadata(field.annotation)]
    for name, words in _BOUNDS.items():
        for item in found:
            if (bound := getattr(item, name, None)) is not None:
                yield f"{words} {bound}"


def _metadata(annotation: Any) -> Iterator[Any]:
    for item in getattr(annotation, "__metadata__", ()):
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    for argument in getattr(annotation, "__args__", ()):
        yield from _metadata(argument)


_PROBLEMS: dict[str, Callable[[ErrorDetails, _Place], Diagnostic]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "union_tag_not_found": _missing_type,
    "union_tag_invalid": _unknown_type,
    "literal_error": _not_one_of,
}


def _resolve(
    loc: tuple[int | str, ...], model: type[Model], value: Any
) -> tuple[Path_, list[type[Model]]]:
    """The path in the document of pydantic's location, and the models around its last part.

    pydantic's locations hold the tags of unions beside keys and indices; those are no keys.
    A missing key is no part of the path: its place is the mapping that it is missing in.
    """
    path: list[str | int] = []
    around = models = [model]
    for part in loc:
        if isinstance(part, int):  # an item of a list: the field is still the one before it
            if _holds(value, part):
                value = value[part]
                path.append(part)
            continue
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        # A tag names the members of a union once; after it the same word is a key.
        tagged = [m for m in models if part in _types(m)] if around is not models else []
        if _holds(value, part) and (fields or not tagged):
            value = value[part]
            path.append(part)
            around = models
            models = [s for f in fields for s in submodels(f.annotation)] or models
        elif tagged:
            around = models = tagged
        else:
            around = models
    return tuple(path), around


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _members(place: _Place) -> list[type[Model]]:
    """The models of the union that has no `type` in the document."""
    fields = (m.model_fields.get(place.name) for m in place.models)
    return [s for f in fields if f is not None for s in submodels(f.annotation)]


def _types(model: type[Model]) -> tuple[str, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _shown(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return f"`{shortened(str(value))}`"
