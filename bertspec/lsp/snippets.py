"""A key with all that must stand below it, as a snippet to fill in."""

import json
from collections.abc import Iterator

from bertspec.core.model import Model
from bertspec.spec.places import Wanted
from bertspec.spec.reference import kinds_of


class Snippet:
    """Writes entries of mappings; each place to fill in has a number, in the protocol's syntax."""

    def __init__(self, *, in_flow: bool, is_json: bool) -> None:
        self._in_flow = in_flow
        self._is_json = is_json
        self._places = 0

    def entry(self, wanted: Wanted, indent: str = "") -> str:
        """A key, a colon, and its value, the lines of a block being indented by `indent` more."""
        return f"{self._key(wanted.name)}:{self._value(wanted, indent)}"

    def mapping(self, model: type[Model], wanted: Wanted, kind: str = "") -> str:
        """A mapping in braces with what must be there; `kind` is what its `type` says."""
        return f"{{{', '.join(self._inner(model, wanted, kind, ''))}}}"

    def _value(self, wanted: Wanted, indent: str) -> str:
        models = list(wanted.models())
        is_mapping = form(wanted) == "mapping"
        if form(wanted) == "list":
            return f" [{self._place()}]"
        if not is_mapping:
            return f" {self._place()}"
        entries = list(self._required(models, wanted, f"{indent}  "))
        if self._in_flow:
            return f" {{{', '.join(entries) or self._place()}}}"
        return "".join(f"\n{indent}  {entry}" for entry in entries or [self._place()])

    def _required(self, models: list[type[Model]], wanted: Wanted, indent: str) -> Iterator[str]:
        if len(models) > 1:
            yield f"{self._key('type')}: {self._place()}"
        elif models:
            yield from self._inner(models[0], wanted, "", indent)

    def _inner(self, model: type[Model], wanted: Wanted, kind: str, indent: str) -> Iterator[str]:
        for field in wanted.below(model):
            if field.name == "type" and (kind or field.field is None):
                yield f"{self._key('type')}: {json.dumps(kind) if self._is_json else kind}"
            elif field.name == "type" and field.field and field.field.is_required():
                only = kinds_of(model)[0]
                yield f"{self._key('type')}: {json.dumps(only) if self._is_json else only}"
            elif field.field is not None and field.field.is_required():
                yield self.entry(field, indent)

    def _key(self, name: str) -> str:
        return json.dumps(name) if self._is_json else name

    def _place(self) -> str:
        self._places += 1
        return f"${self._places}"


def form(wanted: Wanted) -> str:
    """What is usually written at a place: a `mapping`, a `list` or a `word`."""
    if next(iter(wanted.items()), None):
        return "list"
    is_word = any(word is not None for word in wanted.words()) or wanted.takes_text()
    return "mapping" if not is_word and (any(wanted.models()) or any(wanted.values())) else "word"
