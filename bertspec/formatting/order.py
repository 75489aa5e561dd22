"""The keys of blocks in the order of the language, each with the comments above it."""

from typing import Any

import yaml

from bertspec.core.model import Model
from bertspec.core.yaml import compose
from bertspec.formatting.tokens import Tokens
from bertspec.spec.places import Wanted, keys_at


def in_order(text: str, model: type[Model], value: Any) -> str:
    """The text of a document that holds `value`, with the keys of each block sorted.

    Comments and blank lines go with the key below them, what is above the first key of all stays.
    Unknown keys stay behind the one before them. Lists, braces, free keys such as names of
    labels, and documents with anchors, which must stand before their aliases, stay as they are.
    """
    tokens = Tokens(text)
    root = compose(text)
    if root is None or tokens.has_anchors:
        return text
    order = _Order(tokens)
    order.sort(root, None, len(tokens.lines), (Wanted(model),), value)
    return "\n".join(order.lines)


class _Order:
    def __init__(self, tokens: Tokens) -> None:
        self.lines = list(tokens.lines)
        self._tokens = tokens

    def sort(
        self, node: yaml.Node, begin: int | None, end: int, here: tuple[Wanted, ...], value: Any
    ) -> None:
        """Sort the lines of a mapping from `begin`, by default that of its first key, to `end`."""
        if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
            return
        keys = [key for key, _ in node.value]
        if any(self._before(key).strip(" \t") for key in keys):
            return
        first = keys[0].start_mark.line
        if begin is None:
            begin, end = first, self._without_footer(end, keys[0].start_mark.column)
        starts = [begin, *(self._lead(key) for key in keys[1:])]
        fields = {wanted.name: wanted for wanted in keys_at(here, value)}
        for (key, inner), stop in zip(node.value, [*starts[1:], end], strict=True):
            below = (fields[key.value],) if key.value in fields else self._free(here)
            child = value.get(key.value) if isinstance(value, dict) else None
            self.sort(inner, key.start_mark.line + 1, stop, below, child)
        if not fields:
            return
        places, last = [], -1
        names = list(fields)
        for key in keys:
            last = names.index(key.value) if key.value in fields else last
            places.append(last)
        parts = [self.lines[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)]
        sorted_parts = sorted(zip(places, parts, strict=True), key=lambda pair: pair[0])
        self.lines[begin:end] = [line for _, part in sorted_parts for line in part]

    def _free(self, here: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
        return tuple(item for wanted in here for item in wanted.values())

    def _before(self, key: yaml.Node) -> str:
        return self._tokens.lines[key.start_mark.line][: key.start_mark.column]

    def _lead(self, key: yaml.Node) -> int:
        """The first of the lines above a key that go with it."""
        line = key.start_mark.line
        while self._is_between(line - 1, key.start_mark.column):
            line -= 1
        return line

    def _without_footer(self, end: int, column: int) -> int:
        """Where the last key's lines end: what stands below them is about the whole file."""
        while self._is_between(end - 1, column):
            end -= 1
        return end

    def _is_between(self, line: int, column: int) -> bool:
        """Whether a line is blank, or a comment that is no deeper than `column`."""
        if line < 0 or line in self._tokens.content or line in self._tokens.ends:
            return False
        text = self._tokens.lines[line]
        return len(text) - len(text.lstrip(" \t")) <= column or not text.strip()
