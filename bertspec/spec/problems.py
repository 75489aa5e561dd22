"""pydantic's validation errors as diagnostics: the place in the file, plain words, advice."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.model import Model, submodels
from bertspec.core.names import did_you_mean
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


def diagnostics_of(
    error: ValidationError, model: type[Model], document: Document
) -> list[Diagnostic]:
    """One diagnostic for each of pydantic's errors, without repeats."""
    found = (_diagnostic(e, model, document) for e in error.errors())
    return list(dict.fromkeys(found))


def _diagnostic(error: ErrorDetails, model: type[Model], document: Document) -> Diagnostic:
    kind, loc, value = error["type"], error["loc"], error["input"]
    context: dict[str, Any] = error.get("ctx", {})
    path, models = _resolve(loc, model, document.value)
    # The last part of the location of a missing or unknown key is the key itself.
    name = str(loc[-1]) if loc else ""
    label = ".".join(str(p) for p in path) or "the document"
    here = document.position(path)
    if kind == "extra_forbidden":
        fields = {f for m in models for f in m.model_fields}
        return Diagnostic(
            "E010",
            f"unknown key `{name}`",
            did_you_mean(name, fields),
            document.position(path, key=True),
        )
    if kind == "missing":
        about = next(
            (m.model_fields[name].description for m in models if name in m.model_fields), ""
        )
        inside = f" in `{label}`" if path else ""
        return Diagnostic(
            "E011", f"`{name}` is missing{inside}", f"`{name}`: {about}",
            document.position(path, key=True),
        )  # fmt: skip
    if kind == "union_tag_not_found":
        kinds = [t for t in _tags(model, loc)]
        return Diagnostic("E011", f"`type` is missing in `{label}`",
                          did_you_mean("", kinds), document.position(path, key=True))  # fmt: skip
    if kind == "union_tag_invalid":
        expected = [t.strip().strip("'") for t in str(context["expected_tags"]).split(",")]
        return Diagnostic("E012", f"there is no {label.rpartition('.')[2]} of type `{context['tag']}`",
                          did_you_mean(str(context["tag"]), expected),
                          document.position((*path, "type")))  # fmt: skip
    if kind == "literal_error" and path == ("bertspec",):
        return Diagnostic("E009", f"this is language version {value!r}",
                          f"write `bertspec: {LANGUAGE_VERSION}`, which this bertspec reads", here)  # fmt: skip
    if kind == "literal_error":
        words = [w.strip().strip("'") for w in
                 str(context["expected"]).replace(" or ", ", ").split(",")]  # fmt: skip
        return Diagnostic("E013", f"`{label}` cannot be {_shown(value)}",
                          did_you_mean(str(value), words), here)  # fmt: skip
    if kind in _WANTED:
        advice = "put it in quotes" if kind == "string_type" and _is_scalar(value) else ""
        if kind in ("int_type", "float_type") and isinstance(value, str) and value.strip():
            advice = "write the number without quotes"
        return Diagnostic(
            "E014", f"`{label}` must be {_WANTED[kind]}, and is {_shown(value)}", advice, here
        )
    message = error["msg"][0].lower() + error["msg"][1:]
    about = next((m.model_fields[name].description for m in models if name in m.model_fields), "")
    return Diagnostic("E015", f"`{label}` is {_shown(value)}: {message}",
                      f"`{name}`: {about}" if about else "", here)  # fmt: skip


def _resolve(
    loc: tuple[int | str, ...], model: type[Model], value: Any
) -> tuple[Path_, list[type[Model]]]:
    """The path in the document of pydantic's location, and the models around its last part.

    pydantic's locations hold the tags of unions beside keys and indices; those are no keys.
    """
    path: list[str | int] = []
    models: list[type[Model]] = [model]
    around = models
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        tagged = [m for m in models if part in _types(m)]
        if (isinstance(value, dict) and part in value and (fields or not tagged)) or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
        elif tagged or (not last and not fields) or part in ("text", "mapping"):
            models = tagged or models
            continue
        elif not fields:
            around = models
            break
        else:  # a missing key: the place is its parent
            around = models
            break
        path.append(part)
        around = models
        models = [s for f in fields for s in submodels(f)] if fields else models
    return tuple(path), around


def _types(model: type[Model]) -> tuple[str, ...]:
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _tags(model: type[Model], loc: tuple[int | str, ...]) -> Iterator[str]:
    models: list[type[Model]] = [model]
    for part in loc:
        models = [
            s for m in models if part in m.model_fields
            for s in submodels(m.model_fields[part].annotation)
        ] or [m for m in models if part in _types(m)] or models  # fmt: skip
    for member in models:
        yield from _types(member)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
