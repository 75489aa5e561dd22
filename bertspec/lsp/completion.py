"""What can be written at the cursor: keys that are not there yet, kinds, words and names."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types

from bertspec.lsp.cursor import TYPED, Cursor, cursors
from bertspec.lsp.header import Headers
from bertspec.lsp.hover import about_field, about_kind
from bertspec.lsp.lines import Lines
from bertspec.lsp.names import KEY, Around, names_at
from bertspec.lsp.project import model_of, whole
from bertspec.lsp.snippets import Snippet, form
from bertspec.lsp.words import written
from bertspec.spec.places import Wanted, keys_at, wanted_at
from bertspec.spec.reference import kinds_of, type_in_words
from bertspec.spec.sections import Spec

_PLACE = re.compile(r"\$\d+")


@dataclass(frozen=True)
class Asked:
    """Where a completion is asked for."""

    lines: Lines
    offset: int
    path: Path
    root: Path
    headers: Headers
    with_snippets: bool
    """Whether the editor fills in snippets."""

    @property
    def is_json(self) -> bool:
        return self.path.suffix.lower() == ".json"


@dataclass(frozen=True)
class _Choice:
    """One thing that can be written."""

    label: str
    text: str
    """What to write, as a snippet."""
    kind: types.CompletionItemKind
    detail: str = ""
    about: str = ""
    rank: int = 0


def completions(asked: Asked) -> list[types.CompletionItem]:
    """All that can stand at the cursor, by the first reading of the place that allows anything."""
    for cursor in cursors(asked.lines.text, asked.offset, is_json=asked.is_json):
        choices = list(_keys(cursor, asked) if cursor.is_key else _values(cursor, asked))
        if choices:
            unique = {choice.label: choice for choice in reversed(choices)}
            ordered = [c for c in choices if unique.pop(c.label, None) is not None]
            ordered.sort(key=lambda choice: choice.rank)
            return [_item(c, n, cursor, asked) for n, c in enumerate(ordered)]
    return []


def _keys(cursor: Cursor, asked: Asked) -> Iterator[_Choice]:
    here = wanted_at(model_of(asked.path), cursor.path, cursor.value)
    there = _inside(cursor.value, cursor.path)
    present = {key for key in there if TYPED not in key} if isinstance(there, dict) else set()
    fields = list(keys_at(here, there))
    models = {wanted.model for wanted in fields}
    for rank, wanted in enumerate(fields):
        owners = {w.model for w in fields if w.name == wanted.name}
        # Of a union whose kind is not told, what all kinds have.
        if wanted.name in present or len(owners) < len(models):
            continue
        is_required = wanted.field is not None and wanted.field.is_required()
        yield _Choice(
            wanted.name,
            wanted.name if cursor.word.has_colon else _entry(wanted, cursor, asked),
            types.CompletionItemKind.Property,
            type_in_words(wanted.annotation),
            about_field(wanted),
            rank if is_required or wanted.name == "type" else 1000 + rank,
        )
    if any(True for wanted in here for _ in wanted.free_keys()):
        yield from _free_keys(here, present, cursor, asked)


def _free_keys(
    here: tuple[Wanted, ...], present: set[str], cursor: Cursor, asked: Asked
) -> Iterator[_Choice]:
    listed = [str(word) for wanted in here for key in wanted.free_keys() for word in key.words()]
    names = [(name.text, name.about) for name in _names((*cursor.path, KEY), cursor, asked)]
    for text, about in [*((word, "") for word in listed), *names]:
        if text not in present:
            key = _word(text, cursor, asked)
            colon = "" if cursor.word.has_colon or cursor.word.quote else ": "
            yield _Choice(text, f"{key}{colon}", types.CompletionItemKind.Property, about)


def _entry(wanted: Wanted, cursor: Cursor, asked: Asked) -> str:
    if cursor.word.quote:
        return wanted.name
    return Snippet(in_flow=cursor.in_flow, is_json=asked.is_json).entry(wanted)


def _values(cursor: Cursor, asked: Asked) -> Iterator[_Choice]:
    here = wanted_at(model_of(asked.path), cursor.path, cursor.value)
    for name in _names(cursor.path, cursor, asked):
        text = _word(name.text, cursor, asked)
        yield _Choice(name.text, text, types.CompletionItemKind.Value, name.about)
    for wanted in here:
        for word in wanted.words():
            if cursor.word.quote and not isinstance(word, str):
                continue
            label = word if isinstance(word, str) else written(word)
            is_kind = cursor.path[-1:] == ("type",) and wanted.model is not None
            about = about_kind(wanted.model, label) if is_kind and wanted.model else ""
            text = written(word, quote=cursor.word.quote, is_json=asked.is_json)
            yield _Choice(
                label,
                text,
                types.CompletionItemKind.EnumMember,
                about_line(wanted) if is_kind else "",
                about or about_field(wanted),
            )
    if not cursor.word.quote:
        yield from _mappings(here, cursor, asked)


def about_line(wanted: Wanted) -> str:
    """What a kind is, in one line."""
    return (wanted.field.description or "") if wanted.field else ""


def _mappings(here: Iterable[Wanted], cursor: Cursor, asked: Asked) -> Iterator[_Choice]:
    """The kinds of a mapping in braces, and of the first item of a list."""
    for wanted in here:
        items = list(wanted.items())
        for inner in [wanted, *items]:
            models = list(inner.models())
            for model in models:
                for kind in kinds_of(model) if form(inner) == "mapping" else ():
                    text = Snippet(in_flow=True, is_json=asked.is_json).mapping(model, inner, kind)
                    if inner is not wanted and not cursor.in_flow and cursor.word.begins_line:
                        text = f"- {text}"
                    elif inner is not wanted:
                        text = f"[{text}]"
                    about = about_kind(model, kind)
                    yield _Choice(
                        f"type: {kind}", text, types.CompletionItemKind.Struct, "", about, 2000
                    )


def _names(path: tuple[str | int, ...], cursor: Cursor, asked: Asked) -> Iterator[Any]:
    is_spec = model_of(asked.path) is Spec
    value = whole(cursor.value, asked.path, asked.root)
    typed = asked.lines.text[cursor.word.start : asked.offset]
    around = Around(asked.path, asked.root, value, typed, asked.headers)
    for name in names_at(path if is_spec else ("data", *path), around):
        if TYPED not in name.text:
            yield name


def _word(text: str, cursor: Cursor, asked: Asked) -> str:
    shown = written(text, quote=cursor.word.quote, is_json=asked.is_json)
    return shown.replace("\\", "\\\\").replace("$", "\\$").replace("}", "\\}")


def _item(choice: _Choice, place: int, cursor: Cursor, asked: Asked) -> types.CompletionItem:
    word = cursor.word
    snippet = f" {choice.text}" if word.after_colon else choice.text
    is_snippet = asked.with_snippets and _PLACE.search(snippet) is not None
    text = snippet if is_snippet else _PLACE.sub("", snippet)
    if not is_snippet:
        text = re.sub(r"\\([\\$}])", r"\1", text)
    return types.CompletionItem(
        label=choice.label,
        kind=choice.kind,
        detail=choice.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, choice.about)
        if choice.about
        else None,
        filter_text=choice.label,
        sort_text=f"{place:05}",
        insert_text_format=types.InsertTextFormat.Snippet
        if is_snippet
        else types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AdjustIndentation,
        text_edit=types.TextEdit(asked.lines.range(word.start, word.end), text),
    )


def _inside(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value
