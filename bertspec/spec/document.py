"""Read YAML or JSON into plain values, with the position of every key and value."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

from bertspec.core import looks
from bertspec.core.diagnostics import Diagnostic, Position
from bertspec.core.errors import InputError
from bertspec.core.yaml import MAX_DEPTH, MAX_DIGITS, compose, is_plain, resolve
from bertspec.spec.unsaved import unsaved_text

Path_ = tuple[str | int, ...]
"""Keys and indices from the root of a document to a value."""

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
"""Bounds on a spec, aliases expanded, so that a few lines cannot fill the memory."""

_STR = "tag:yaml.org,2002:str"

_NOT_YAML = (
    r"[^\x20-\x7e\n\r\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""What JSON may hold inside a string and libyaml refuses: tabs, DEL, surrogate escapes."""

_CONFLICT = ("<<<<<<< ", ">>>>>>> ")


@dataclass(frozen=True)
class Marks:
    """Where a value is, and its key if it has one."""

    value: Position
    key: Position | None = None
    is_word: bool = False
    """Whether the value is a scalar that stands there, whole, in one line."""


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

    def is_word(self, path: Path_, *, key: bool = False) -> bool:
        """Whether `position` is that of the key, or of a scalar in one line, itself.

        It is not for a missing value, an alias, a mapping or a list.
        """
        marks = self.marks.get(path)
        return marks is not None and (marks.key is not None if key else marks.is_word)


def shown(path: Path, root: Path) -> str:
    """`path` as messages and dvc.yaml have it: relative to the project, on any machine."""
    relative = os.path.relpath(path, root)
    if relative.startswith(".."):  # it may still be inside: a link leads to one of the two
        relative = os.path.relpath(looks.real(path), looks.real(root))
    return Path(relative).as_posix()


def read_document(path: Path, name: str) -> Document:
    """Parse one file. Raises InputError (E001 to E007) with all that is wrong in its form."""
    parsed = _of_disk if unsaved_text(path) is None else _of_editor
    value, marks = parsed(read_text(path, name), name, path.suffix.lower() == ".json")
    return Document(path, name, _copied(value), marks)


def _parsed(text: str, name: str, is_json: bool) -> tuple[Any, dict[Path_, Marks]]:  # noqa: FBT001
    """The value of a text, and where its parts stand; both for reading only."""
    lines = text.splitlines() or [""]
    found: list[Diagnostic] = []
    printable = cache(_printable)

    def at(line: int, column: int, width: int = 1) -> Position:
        shown = lines[line] if line < len(lines) else ""
        return Position(name, line + 1, column + 1, max(1, width), printable(shown))

    if is_json:
        strict = _strict_json(text, lines, at)
        text = as_yaml(text)  # from here on it is for positions only
    try:
        node = compose(text)
    except yaml.reader.ReaderError as error:
        raise InputError([_bad_character(error, text, at)]) from None
    except yaml.YAMLError as error:
        _refuse_conflict(lines, at)
        raise InputError([_syntax_error(error, "JSON" if is_json else "YAML", lines, at)]) from None
    if not isinstance(node, yaml.MappingNode):
        raise InputError.of(
            "E004", "a spec is a mapping of keys to values", "begin with `bertspec: 1`", at(0, 0)
        )
    reader = _Reader(at, lines, found)
    value = reader.read(node, ())
    if found:
        raise InputError(found)
    return (strict if is_json else value), reader.marks


_of_disk = lru_cache(maxsize=128)(_parsed)
"""Many specs name one data set."""

_of_editor = lru_cache(maxsize=8)(_parsed)
"""An editor asks for one text several times; with each key that is typed it is another one."""


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def as_yaml(text: str) -> str:
    """JSON as YAML whose parts stand in the same places, with other characters in strings."""
    return re.sub(_NOT_YAML, lambda match: " " * len(match[0]), text)


def read_text(path: Path, name: str) -> str:
    """A file without its byte-order mark. Raises InputError (E006, E007)."""
    here = Position(name)
    text = unsaved_text(path)
    try:
        size = path.stat().st_size if text is None else len(text.encode())
        if size > MAX_BYTES:
            raise InputError.of(
                "E007", "the file is larger than 1 MiB", "is it really a spec?", here
            )
        content = looks.read_bytes(path) if text is None else text.encode()
    except OSError as error:
        raise InputError.of(
            "E007", f"cannot be read: {error.strerror}", "check the path", here
        ) from None
    try:
        # The codec `utf-8-sig` would count from behind a byte-order mark.
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").removeprefix("\ufeff").split("\n")
        rest = content[error.start :].partition(b"\n")[0].decode("utf-8", "replace")
        column = len(before[-1]) + 1
        raise InputError.of(
            "E006",
            f"byte {content[error.start]:#04x} at offset {error.start} is not UTF-8",
            "save the file as UTF-8",
            Position(name, len(before), column, 1, _printable((before[-1] + rest).rstrip())),
        ) from None


def _printable(line: str) -> str:
    """A line that can be shown: each character that a terminal might obey is replaced."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)


def _strict_json(text: str, lines: list[str], at: Callable[..., Position]) -> Any:
    try:
        # A longer number is told by the reader of positions.
        return json.loads(text, parse_int=lambda n: int(n) if len(n) <= MAX_DIGITS else 0)
    except json.JSONDecodeError as error:
        _refuse_conflict(lines, at)
        raise InputError.of(
            "E001",
            f"not JSON: {error.msg}",
            "put it right, or name the file .yaml",
            at(error.lineno - 1, error.colno - 1),
        ) from None
    except RecursionError:
        raise InputError.of("E001", "nested too deeply", "", at(0, 0)) from None


def _refuse_conflict(lines: list[str], at: Callable[..., Position]) -> None:
    """Raise InputError for the first mark of a conflict that git has left."""
    for number, line in enumerate(lines):
        if line.startswith(_CONFLICT):
            raise InputError.of(
                "E001",
                "the file holds the marks of a git conflict, such as `<<<<<<<`",
                "keep what is meant, without the marks, and run `bertspec compile`",
                at(number, 0, 7),
            )


def _bad_character(
    error: yaml.reader.ReaderError, text: str, at: Callable[..., Position]
) -> Diagnostic:
    # libyaml counts bytes.
    before = text.encode("utf-8")[: error.position].decode("utf-8", "ignore").split("\n")
    return Diagnostic(
        "E001",
        f"not YAML: the character U+{error.character:04X} may not stand in a file",
        "remove it; editors often do not show it",
        at(len(before) - 1, len(before[-1])),
    )


def _syntax_error(
    error: yaml.YAMLError, form: str, lines: list[str], at: Callable[..., Position]
) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if context := getattr(error, "context", None):
        problem = f"{problem} ({context})"
    advice = "check indentation, quotes and colons here and in the line before"
    if mark and mark.line < len(lines) and lines[mark.line][mark.column :].startswith("\t"):
        advice = "indent with spaces, not with tabs"
    position = at(mark.line, mark.column) if mark else at(0, 0)
    return Diagnostic("E001", f"not {form}: {problem}", advice, position)


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

    def read(
        self,
        node: yaml.Node,
        path: Path_,
        key: Position | None = None,
        position: Position | None = None,
    ) -> Any:
        """The value of a node. `position` is where to show it, by default where it stands."""
        is_word = (
            position is None
            and isinstance(node, yaml.ScalarNode)
            and node.style not in ("|", ">")
            and node.start_mark.line == node.end_mark.line
        )
        position = position or self._position(node)
        self.marks[path] = Marks(position, key, is_word)
        self._count += 1
        if len(path) > MAX_DEPTH:
            raise InputError.of(
                "E003", f"nested more than {MAX_DEPTH} deep", "write less into one place", position
            )
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
            return self._scalar(node, position)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.Node, position: Position) -> Any:
        try:
            return resolve(node.value) if is_plain(node) else node.value
        except yaml.YAMLError as error:
            self._note("E015", str(error), position, "write fewer, or put it in quotes")
            return None

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
            # An alias is composed to what it stands for, earlier in the file: show its key.
            aliased = value_node.start_mark.index < key_node.end_mark.index
            place = position if aliased else None
            yield key, self.read(value_node, (*path, key), position, place)

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
