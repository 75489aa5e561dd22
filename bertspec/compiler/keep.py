"""A present YAML file, read so that some of its entries can be replaced and every byte outside of
them stays. What is inside, comments as well, goes with them.

Where an entry stands is known from the marks of its nodes, never guessed from indentation.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import yaml

from bertspec.core.diagnostics import Position
from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.yaml import MAX_DEPTH, Loader, compose, is_plain, resolve

Content = Any
"""What a node says, for comparing: None, str, dict or list; any other scalar is a pair of its type
and its value, because `1`, `1.0` and `true` are three values in YAML and equal in Python."""

_MAX_VALUES = 200_000
"""Bound on a file, aliases expanded, so that a few lines cannot fill the memory."""

_STR = "tag:yaml.org,2002:str"
_CONFLICT = ("<<<<<<< ", ">>>>>>> ")
_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


@dataclass(frozen=True)
class Entry:
    """A key of a block mapping, its value, and the lines from the key to the value's last one."""

    value: yaml.Node
    lines: range


@dataclass(frozen=True)
class Present:
    """A file as it is now."""

    file: str
    text: str
    lines: list[str]
    top: int
    """The line where content may begin: the first, or the one after `---`."""
    root: yaml.MappingNode | None
    content: dict[Content, Content]

    @classmethod
    def read(cls, text: str, file: str) -> "Present":
        """Parse `text`; `file` is its name, for messages.

        Raises InputError (E209) for what is not one YAML document with a mapping of unique keys,
        or is nested too deeply or too large.
        """
        lines = text.splitlines(keepends=True)
        try:
            root = compose(text)
            top = _top(text)
            content: Content = {}
            if root is not None and not _is_null(root):
                content = _content(root, 0, iter(range(_MAX_VALUES)))
        except yaml.YAMLError as error:
            raise _unreadable(error, file, lines) from None
        if not isinstance(content, dict):
            raise InputError.of(
                "E209", f"{file} is not a mapping", "write it as one, `key: value` in each line"
            )
        if content and isinstance(root, yaml.MappingNode):
            return cls(file, text, lines, top, root, content)
        bare = cls(file, text, lines, top, None, {})
        if not _is_written(root, text):
            return bare
        rest = bare.without_value(root)
        return cls.read(rest if rest.strip() else "", file)

    @property
    def indent(self) -> int:
        """The column of the keys at the top level."""
        return column(self.root) if self.root else 0

    def entries(self, node: yaml.Node | None) -> dict[Content, Entry]:
        """The entries of a block mapping. Raises InputError (E209) for one in braces."""
        if not isinstance(node, yaml.MappingNode):
            return {}
        if node.flow_style:
            raise InputError.of(
                "E209",
                f"{self.file} has keys in braces that `bertspec compile` would have to rewrite",
                "write them as a block, a key a line",
                _position(self.file, self.lines, node.start_mark),
            )
        return {
            _scalar(key): Entry(
                value,
                range(key.start_mark.line, max(end_line(key), end_line(value))),
            )
            for key, value in node.value
        }

    def header(self, entry: Entry, text: str) -> range:
        """The lines directly above an entry, if they are `text`; else no lines."""
        wanted = text.splitlines()
        first = max(0, entry.lines.start - len(wanted))
        above = [line.rstrip("\r\n") for line in self.lines[first : entry.lines.start]]
        return range(first, entry.lines.start) if above == wanted else range(0)

    def replace(self, gone: Collection[int], at: int, block: str) -> str:
        """The text without the lines `gone`, and with `block` before the line `at`."""
        newline = "\r\n" if self.lines and self.lines[0].endswith("\r\n") else "\n"
        kept = [(n, line) for n, line in enumerate(self.lines) if n not in gone]
        before = "".join(line for n, line in kept if n < at)
        after = "".join(line for n, line in kept if n >= at)
        if block and before and not before.endswith(("\n", "\r")):
            before += newline
        return before + block.replace("\n", newline) + after

    def without_value(self, node: yaml.Node) -> str:
        """The text without a value that is written within a line or in braces."""
        before = self.text[: node.start_mark.index].rstrip(" ")
        return before + self.text[node.end_mark.index :]

    def with_value(self, node: yaml.Node, value: str) -> str:
        """The text with `value` where there is none yet."""
        end = node.end_mark.index
        return f"{self.text[:end]} {value}{self.text[end:]}"


def check_kept(
    text: str, file: str, wanted: dict[Content, Content], default: dict[Content, Content]
) -> None:
    """Make sure that `text`, about to be written, says what is wanted and nothing else.

    A key that it lacks counts as having its `default`.

    Raises InputError (E209): the file is written in a way that lines cannot be replaced in.
    """
    try:
        same = default | Present.read(text, file).content == wanted
    except InputError:
        same = False
    if not same:
        raise InputError.of(
            "E209",
            f"{file} is written in a way that `bertspec compile` cannot keep",
            "write it as a block, a key a line, without anchors and tags on what is compiled",
        )


def column(node: yaml.MappingNode) -> int:
    """The column of the entries of a block mapping, of which an anchor may stand above."""
    start, key = node.start_mark, node.value[0][0].start_mark
    # Before a key there may be a `?`, which its own mark leaves out.
    return start.column if start.line == key.line else key.column


def _top(text: str) -> int:
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            mark: Any = event.end_mark
            return mark.line + 1 if event.explicit else 0
    return 0


def end_line(node: yaml.Node) -> int:
    """The line after the last content of a node.

    A block collection's own end is no help: it is where the next thing begins.
    """
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return max(end_line(child) for child in last) if isinstance(last, tuple) else end_line(last)
    mark = node.end_mark
    return int(mark.line if mark.column == 0 else mark.line + 1)


def _content(node: yaml.Node, depth: int, budget: Iterator[int]) -> Content:
    # The depth is bounded here, too: an alias can hold itself.
    if depth > MAX_DEPTH:
        raise _error(f"nested more than {MAX_DEPTH} deep, aliases expanded", node)
    if next(budget, None) is None:
        raise _error(f"more than {_MAX_VALUES} values, aliases expanded", node)
    content: Content
    if isinstance(node, yaml.MappingNode):
        content = {}
        for key, value in node.value:
            name = _scalar(key)
            if name in content:
                raise _error(f"the key `{key.value}` stands here twice", key)
            content[name] = _content(value, depth + 1, budget)
    elif isinstance(node, yaml.SequenceNode):
        content = [_content(item, depth + 1, budget) for item in node.value]
    else:
        return _scalar(node)
    return content if node.tag in _PLAIN_TAGS else (node.tag, content)


def _scalar(node: yaml.Node) -> Content:
    if not isinstance(node, yaml.ScalarNode):
        raise _error("a key must be a word", node)
    if node.tag != _STR:
        return (node.tag, node.value)
    value = resolve(node.value) if is_plain(node) else node.value
    return value if value is None or isinstance(value, str) else (type(value).__name__, repr(value))


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    mark: Any = node.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _is_null(node: yaml.Node) -> bool:
    return is_plain(node) and resolve(node.value) is None


def _is_written(root: yaml.Node | None, text: str) -> TypeGuard[yaml.Node]:
    """Whether an empty root takes room in the text, as `{}` and `null` do."""
    if isinstance(root, yaml.ScalarNode):
        # With a tag or an anchor it is more than its value, and stays.
        there = text[root.start_mark.index : root.end_mark.index]
        return bool(there) and there == root.value
    return root is not None


def _unreadable(error: yaml.YAMLError, file: str, lines: list[str]) -> BertspecError:
    for number, line in enumerate(lines, 1):
        if line.startswith(_CONFLICT):
            return InputError.of(
                "E209",
                f"{file} holds the marks of a git conflict, such as `<<<<<<<`",
                "keep one side of each; what is compiled is written anew, whichever you keep",
                Position(file, number, 1, len("<<<<<<<"), line.rstrip("\r\n")),
            )
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or reason(error)
    return InputError.of(
        "E209",
        f"{file} cannot be read: {problem}",
        "put it right, or delete what is compiled and compile again",
        _position(file, lines, mark) if mark else None,
    )


def _position(file: str, lines: list[str], mark: Any) -> Position:
    shown = lines[mark.line].rstrip("\r\n") if mark.line < len(lines) else ""
    return Position(file, mark.line + 1, mark.column + 1, 1, shown)
