"""Change one value in the text of a spec; every byte outside of it stays.

Where a value stands is known from the marks of its node. ruamel.yaml's round trip is not used: it
puts a new key behind the comment that belongs to the next section, joins what is aligned, and
reads no JSON; a spec that people keep in order must come back as they wrote it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from bertspec.compiler.keep import column, end_line
from bertspec.core.errors import InputError
from bertspec.core.values import value_at
from bertspec.core.yaml import compose, dump, dump_inline, is_plain, resolve
from bertspec.planning.yaml_file import same
from bertspec.spec.document import Path_, as_yaml

_ALIAS = re.compile(r"\s*(\*[^\s,\]}]+)")
_TRAILING_COMMA = re.compile(r"\s*,")


def with_value(text: str, path: Path_, value: Any, name: str, *, is_json: bool) -> str:
    """The text with `value` at `path`; mappings around it that are not there yet are made.

    `name` is the file's, for messages. Raises InputError (E225) for a value that is written in a
    way in which it cannot be replaced, such as behind an alias.
    """
    wanted = _set(_values(text, is_json=is_json), path, value)
    return _checked(_Text(text, is_json=is_json), path, wanted, name, value)


def without_value(text: str, path: Path_, name: str, *, is_json: bool) -> str:
    """The text without the key at `path`, and without mappings that only held it.

    Raises InputError (E225) as `with_value` does.
    """
    wanted = _unset(_values(text, is_json=is_json), path)
    return _checked(_Text(text, is_json=is_json), path, wanted, name)


def value_in(text: str, path: Path_, *, is_json: bool) -> Any:
    """What the text itself has at `path`, or ABSENT."""
    return value_at(_values(text, is_json=is_json), path)


def _checked(text: "_Text", path: Path_, wanted: Any, name: str, *value: Any) -> str:
    """The text with the value, or without the key, if it says what is wanted and nothing else."""
    try:
        changed = text.set(path, *value) if value else text.unset(path)
        good = same(_values(changed, is_json=text.is_json), wanted)
    except (_Impossible, yaml.YAMLError, ValueError):
        good = False
    if not good:
        place = ".".join(map(str, path))
        raise InputError.of(
            "E225",
            f"`{place}` in {name} is written in a way in which it cannot be changed",
            "write it out in its place, without anchors, aliases and `<<`, and adopt again",
        )
    return changed


class _Impossible(Exception):
    """A value cannot be replaced where it stands."""


class _Text:
    """A text and its nodes."""

    def __init__(self, text: str, *, is_json: bool) -> None:
        self.text = text
        self.is_json = is_json
        self._root = compose(as_yaml(text) if is_json else text)
        self._newline = "\r\n" if "\r\n" in text else "\n"

    def set(self, path: Path_, value: Any) -> str:
        key, node, rest = self._walk(path)
        if not rest:
            return self._replaced(key, node, value)
        for part in reversed(rest[1:]):
            value = {part: value}
        return self._inserted(node, str(rest[0]), value)

    def unset(self, path: Path_) -> str:
        _, parent, rest = self._walk(path[:-1])
        if rest or not isinstance(parent, yaml.MappingNode):
            raise _Impossible
        (index,) = (i for i, (key, _) in enumerate(parent.value) if key.value == path[-1])
        if len(parent.value) == 1:
            return self.unset(path[:-1])
        key, value = parent.value[index]
        if not parent.flow_style:
            lines = self.text.splitlines(keepends=True)
            del lines[key.start_mark.line : max(end_line(key), end_line(value))]
            return "".join(lines)
        if index:
            start, end = self._end(parent.value[index - 1][1]), self._end(value)
        else:
            start, end = key.start_mark.index, parent.value[1][0].start_mark.index
        return self.text[:start] + self.text[end:]

    def _walk(self, path: Path_) -> tuple[yaml.Node | None, yaml.Node, Path_]:
        """The node at `path`, or the nearest around it, its key, and what of `path` is left."""
        if self._root is None:
            raise _Impossible
        key: yaml.Node | None = None
        node: yaml.Node = self._root
        for depth, part in enumerate(path):
            if key is not None and _is_alias(key, node):
                raise _Impossible  # what is in it stands elsewhere, for others as well
            if isinstance(node, yaml.MappingNode):
                entry = next(((k, v) for k, v in node.value if k.value == part), None)
                if entry is None:
                    return key, node, path[depth:]
                key, node = entry
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                key, node = None, node.value[part]
            else:
                return key, node, path[depth:]
        return key, node, ()

    def _replaced(self, key: yaml.Node | None, node: yaml.Node, value: Any) -> str:
        start, end = node.start_mark.index, self._end(node)
        if key is not None and _is_alias(key, node):
            found = _ALIAS.match(self.text, self._colon(key))
            if found is None:
                raise _Impossible
            return self._spliced(*found.span(1), self._inline(value))
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            alike = isinstance(value, list if isinstance(node, yaml.SequenceNode) else dict)
            if alike and value:
                return self._spliced(start, end, self._block(value, node.start_mark.column))
            if key is None:
                raise _Impossible
            return self._spliced(self._colon(key), end, f" {self._inline(value)}")
        space = " " if start == end else ""  # nothing stood there: `key:`
        return self._spliced(start, end, space + self._inline(value))

    def _inserted(self, node: yaml.Node, key: str, value: Any) -> str:
        if not isinstance(node, yaml.MappingNode):  # null
            return self._replaced(None, node, {key: value})
        if not node.flow_style:
            lines = self.text.splitlines(keepends=True)
            at = end_line(node)
            if lines[at - 1 : at] and not lines[at - 1].endswith("\n"):
                lines[at - 1] += self._newline
            indent = column(node)
            block = " " * indent + self._block({key: value}, indent) + self._newline
            return "".join([*lines[:at], block, *lines[at:]])
        entry = f"{self._inline(key)}: {self._inline(value)}"
        if not node.value:
            at = node.start_mark.index + 1
            return self._spliced(at, at, entry)
        last, end = node.value[-1][0], self._end(node.value[-1][1])
        before = self.text[: last.start_mark.index].rpartition("\n")[2]
        gap = self._newline + before if "\n" in self.text[: last.start_mark.index] else " "
        gap = gap if not before.strip() else " "
        comma = _TRAILING_COMMA.match(self.text, end)
        at = comma.end() if comma else end
        return self._spliced(at, at, gap + entry if comma else f",{gap}{entry}")

    def _spliced(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    def _colon(self, key: yaml.Node) -> int:
        return self.text.index(":", key.end_mark.index) + 1

    def _end(self, node: yaml.Node) -> int:
        """The index behind the last content of a node."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            last = node.value[-1]
            return max(map(self._end, last)) if isinstance(last, tuple) else self._end(last)
        start = node.start_mark.index
        return start + len(self.text[start : node.end_mark.index].rstrip())

    def _inline(self, value: Any) -> str:
        if self.is_json:
            return json.dumps(value, ensure_ascii=False)
        return dump_inline(value)

    def _block(self, value: Any, indent: int) -> str:
        """As a block whose first line stands at `indent` already."""
        lines = dump(value).splitlines()
        return (self._newline + " " * indent).join(lines)


def _is_alias(key: yaml.Node, value: yaml.Node) -> bool:
    """An alias is composed to what it stands for, which is earlier in the file."""
    return bool(value.start_mark.index < key.end_mark.index)


def _values(text: str, *, is_json: bool) -> Any:
    return json.loads(text) if is_json else _plain(compose(text))


def _plain(node: yaml.Node | None) -> Any:
    """As a spec is read: every key is a word."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return (
        resolve(node.value) if node is not None and is_plain(node) else getattr(node, "value", None)
    )


def _set(values: Any, path: Path_, value: Any) -> Any:
    """A copy of plain values with `value` at `path`."""
    if not path:
        return value
    part, *rest = path
    if isinstance(values, list) and isinstance(part, int):
        return [_set(v, tuple(rest), value) if i == part else v for i, v in enumerate(values)]
    inside = values if isinstance(values, Mapping) else {}
    return {**inside, part: _set(inside.get(part), tuple(rest), value)}


def _unset(values: Any, path: Path_) -> Any:
    """A copy of plain values without the key at `path`, and what only held it."""
    part, *rest = path
    if isinstance(values, list) and isinstance(part, int):
        return [_unset(v, tuple(rest)) if i == part else v for i, v in enumerate(values)]
    left = {k: v for k, v in values.items() if k != part}
    if rest and (inner := _unset(values[part], tuple(rest))):
        left = {k: inner if k == part else v for k, v in values.items()}
    return left
