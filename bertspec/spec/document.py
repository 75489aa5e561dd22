"""Read YAML or JSON into plain values, with the position of every key and value."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bertspec.core.diagnostics import Diagnostic, Position
from bertspec.core.errors import InputError
from bertspec.core.yaml import compose, is_plain, resolve

Path_ = tuple[str | int, ...]
"""Keys and indices from the root of a document to a value."""

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
"""Bounds on a spec, aliases expanded, so that a few lines cannot fill the memory."""

_STR = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Marks:
    """Where a value is, and its key if it has one."""

    value: Position
    key: Position | None = None


@dataclass(frozen=True)
class Document:
    """A parsed file. After `extends`, marks may point into several files."""

    path: Path
    name: str
    """The path as shown to people."""
    value: dict[str, Any]
    marks: dict[Path_, Marks]

    def position(self, path: Path_, *, key: bool = False) -> Position:
        """Position of the value at `path` (or of its key), or of the nearest thing around it."""
        for end in range(len(path), -1, -1):
            if marks := self.marks.get(path[:end]):
                exact = end == len(path)
                return marks.key if marks.key and (key or not exact) else marks.value
        return Position(self.name)


def shown(path: Path, root: Path) -> str:
    """`path` as messages have it: relative to the project when it is inside."""
    path, root = path.absolute(), root.absolute()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def read_document(path: Path, name: str) -> Document:
    """Parse one file. Raises InputError (E001 to E007) with all that is wrong in its form."""
    text = _read_text(path, name)
    lines = text.splitlines() or [""]
    found: list[Diagnostic] = []

    def at(line: int, column: int, width: int = 1) -> Position:
        shown = lines[line] if line < len(lines) else ""
        return Position(name, line + 1, column + 1, max(1, width), shown)

    if path.suffix == ".json":
        strict = _strict_json(text, at)
        # For positions only: tabs and surrogate escapes are JSON, and not libyaml's YAML.
        text = re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", r"\\u0020", text.replace("\t", " "))
    try:
        node = compose(text)
    except yaml.YAMLError as error:
        raise InputError([_syntax_error(error, at)]) from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError.of(
            "E004", "a spec is a mapping of keys to values", "begin with `bertspec: 1`", at(0, 0)
        )
    reader = _Reader(at, lines, found)
    value = reader.read(node, ())
    if found:
        raise InputError(found)
    return Document(path, name, strict if path.suffix == ".json" else value, reader.marks)


def _read_text(path: Path, name: str) -> str:
    here = Position(name)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError.of(
                "E007", "the file is larger than 1 MiB", "is it really a spec?", here
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError.of(
            "E007", f"cannot be read: {error.strerror}", "check the path", here
        ) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError.of(
            "E006",
            f"byte {content[error.start]:#04x} at offset {error.start} is not UTF-8",
            "save the file as UTF-8",
            Position(name, line, 1, 1, ""),
        ) from None


def _strict_json(text: str, at: Callable[..., Position]) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError.of(
            "E001",
            f"not JSON: {error.msg}",
            "put it right, or name the file .yaml",
            at(error.lineno - 1, error.colno - 1),
        ) from None
    except RecursionError:
        raise InputError.of("E001", "nested too deeply", "", at(0, 0)) from None


def _syntax_error(error: yaml.YAMLError, at: Callable[..., Position]) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if context := getattr(error, "context", None):
        problem = f"{problem} ({context})"
    advice = "check indentation, quotes and colons here and in the line before"
    if "tab" in problem or "'\\t'" in problem:
        advice = "indent with spaces, not with tabs"
    return Diagnostic(
        "E001", f"not YAML: {problem}", advice, at(mark.line, mark.column) if mark else at(0, 0)
    )


class _Reader:
    """Turns a node tree into values and marks, and notes what specs may not contain."""

    def __init__(
        self, at: Callable[..., Position], lines: list[str], found: list[Diagnostic]
    ) -> None:
        self.marks: dict[Path_, Marks] = {}
        self._at = at
        self._lines = lines
        self._found = found
        self._count = 0
        self._open: set[int] = set()

    def read(self, node: yaml.Node, path: Path_, key: Position | None = None) -> Any:
        position = self._position(node)
        self.marks[path] = Marks(position, key)
        self._count += 1
        if self._count > MAX_NODES or id(node) in self._open:
            message = (
                "aliases make this document endless"
                if id(node) in self._open
                else (f"more than {MAX_NODES} values, aliases expanded")
            )
            raise InputError.of("E003", message, "write the values out, or use `extends`", position)
        if self._is_tagged(node):
            self._note("E005", f"the tag `{_short(node.tag)}` is not known here", position,
                       "leave it out; quotes make a string")  # fmt: skip
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return dict(self._entries(node, path))
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, (*path, i)) for i, item in enumerate(node.value)]
            return resolve(node.value) if is_plain(node) else node.value
        finally:
            self._open.discard(id(node))

    def _entries(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        first: dict[str, Position] = {}
        for key_node, value_node in node.value:
            position = self._position(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._note("E004", "a key must be a word", position, "write `key: value`")
                continue
            key = key_node.value
            if key in first:
                self._note("E002", f"`{key}` stands here twice, first in line {first[key].line}",
                           position, "keep one of them")  # fmt: skip
                continue
            first[key] = position
            yield key, self.read(value_node, (*path, key), position)

    def _position(self, node: yaml.Node) -> Position:
        start, end = node.start_mark, node.end_mark
        # A block mapping or list ends where the next thing starts; show its first line only.
        width = (
            end.column - start.column
            if end.line == start.line
            else (
                len(self._lines[start.line].rstrip()) - start.column
                if start.line < len(self._lines)
                else 1
            )
        )
        return self._at(start.line, start.column, width)

    def _is_tagged(self, node: yaml.Node) -> bool:
        # A scalar tagged !!str looks like an untagged one, but for its text.
        line = self._lines[node.start_mark.line] if node.start_mark.line < len(self._lines) else ""
        if isinstance(node, yaml.ScalarNode):
            return node.tag != _STR or line[node.start_mark.column :].startswith("!")
        kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
        return bool(node.tag != f"tag:yaml.org,2002:{kind}")

    def _note(self, code: str, message: str, position: Position, help: str) -> None:
        self._found.append(Diagnostic(code, message, help, position))


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
