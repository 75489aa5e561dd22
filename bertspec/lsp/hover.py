"""What the language says of a field or a kind, in Markdown."""

import inspect
from typing import Any

from bertspec.core.model import Model
from bertspec.lsp.cursor import node_at
from bertspec.spec.document import Path_
from bertspec.spec.places import Wanted, wanted_at
from bertspec.spec.reference import default_in_words, kinds_of, type_in_words


def hover(
    text: str, offset: int, model: type[Model], *, is_json: bool
) -> tuple[str, int, int] | None:
    """What is said of the word at an offset, and where the word begins and ends."""
    found = node_at(text, offset, is_json=is_json)
    if found is None:
        return None
    node, value = found
    said = about(model, node.path, value, node.text, is_key=node.is_key)
    return (said, node.start, node.end) if said else None


def about(model: type[Model], path: Path_, value: Any, text: str, *, is_key: bool) -> str:
    """What there is to say of the key or value at `path`; of a free key, what holds it says it."""
    if path[-1:] == ("type",) and not is_key:
        for wanted in wanted_at(model, path, value):
            if wanted.model is not None and text in kinds_of(wanted.model):
                return about_kind(wanted.model, text)
    for end in range(len(path), 0, -1):
        fields = [w for w in wanted_at(model, path[:end], value) if w.field is not None]
        if fields:
            name = ".".join(part for part in path[:end] if isinstance(part, str))
            return about_field(fields[0], name)
    return ""


def about_field(wanted: Wanted, name: str = "") -> str:
    """Type, default, meaning, and which stages a change rebuilds."""
    field = wanted.field
    if field is None:
        return ""
    default = default_in_words(field)
    stands = "required" if default == "required" else f"default `{default}`"
    return "\n\n".join(
        (
            f"**{name or wanted.name}**: {type_in_words(field.annotation)}; {stands}",
            field.description or "",
            rebuilds(wanted.affects),
        )
    )


def rebuilds(affects: tuple[str, ...]) -> str:
    """Which stages a change rebuilds."""
    if not affects:
        return "A change rebuilds nothing."
    return f"A change rebuilds: {', '.join(affects)}, and all that is made from it."


def about_kind(model: type[Model], kind: str) -> str:
    """What a kind is, and its keys."""
    description = model.model_fields["type"].description or ""
    document = inspect.cleandoc(model.__doc__ or "")
    keys = [
        f"`{name}`{' (required)' if field.is_required() else ''}"
        for name, field in model.model_fields.items()
        if name != "type"
    ]
    listed = f"Keys: {', '.join(keys)}" if keys else ""
    return "\n\n".join(filter(None, (f"**{kind}**: {description}", document, listed)))
