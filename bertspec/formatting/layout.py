"""YAML laid out anew: indentation, spaces, blank lines, quotes. No word is touched, no comment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from bertspec.core.yaml import compose
from bertspec.formatting.tokens import Tokens

STEP = 2
"""Spaces of a level. A list's dashes are a level deeper than its key."""

_GAP = re.compile(r"[ \t]*:[ \t]+")
_MARKS = re.compile(r"(---|\.\.\.|%.*)[ \t]*(#.*)?$")


class UnusualError(Exception):
    """A form of YAML that cannot be laid out; `line` counts from 0."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass
class _Block:
    """A mapping or list whose entries are on lines of their own."""

    first: int
    last: int
    old: int
    new: int
    """Its column, before and after."""


def laid_out(text: str) -> str:
    """The text with two spaces a level, and no spaces or blank lines that say nothing.

    Lines end in line feeds. Raises UnusualError.
    """
    return _Layout(text).text()


class _Layout:
    def __init__(self, text: str) -> None:
        self._tokens = Tokens(text)
        self._lines = self._tokens.lines
        self._dashes = (
            t.start_mark for t in self._tokens.tokens if isinstance(t, yaml.BlockEntryToken)
        )
        self._starts: dict[int, tuple[int, int]] = {}
        """Lines that begin with an entry of a block -> its old and its new column."""
        self._shifts: dict[int, int] = {}
        """Further lines of a value -> by how much they move to the right."""
        self._blocks: list[_Block] = []
        self._edits: dict[int, list[tuple[int, int, str]]] = {}
        self._seen: set[int] = set()
        root = compose(text)
        if root is not None:
            self._value(root, -STEP, -STEP, -1)
        self._in_flows()
        self._quotes()
        self._comment_gaps()

    def text(self) -> str:
        """The lines, put together again."""
        result: list[str] = []
        kept = 0
        """Lines that must stay, as a value ends in them."""
        for number, line in enumerate(self._lines):
            new = self._line(number, line)
            if number in self._tokens.content:
                result.append(new)
                kept = len(result)
            elif new or (result and result[-1]):
                result.append(new)
        while len(result) > kept and not result[-1]:
            result.pop()
        return "\n".join(result) + "\n"

    def _line(self, number: int, line: str) -> str:
        tokens = self._tokens
        for start, end, new in sorted(self._edits.get(number, ()), reverse=True):
            line = line[:start] + new + line[end:]
        if number not in tokens.unfinished and (
            number not in tokens.content or number in tokens.ends
        ):
            line = line.rstrip(" \t")
        if number in self._starts:
            return " " * self._starts[number][1] + line.lstrip(" ")
        if number in self._shifts:
            return _moved(line, self._shifts[number])
        bare = line.strip(" \t")
        if bare.startswith("#"):
            return " " * self._comment_column(number, len(line) - len(line.lstrip(" \t"))) + bare
        if bare and not _MARKS.match(line):
            raise UnusualError(number)
        return bare

    def _comment_column(self, number: int, column: int) -> int:
        """A comment goes with what follows it, or with a deeper block that has just ended."""
        after = min((line for line in self._starts if line > number), default=None)
        before = max((line for line in self._starts if line < number), default=-1)
        least, otherwise = (-1, 0) if after is None else self._starts[after]
        ended = [
            (block.old, -block.new)
            for block in self._blocks
            if block.first <= before <= block.last and least < block.old <= column
        ]
        return -max(ended)[1] if ended else otherwise

    def _value(self, node: yaml.Node, new: int, old: int, line: int) -> int:
        """Plan a value whose parent's column is `old`, and is to be `new`; tell its last line."""
        if id(node) in self._seen:  # an alias
            return line
        self._seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            block = _Block(-1, line, -1, new + STEP)
            self._blocks.append(block)
            if isinstance(node, yaml.MappingNode):
                return self._entries(node, block)
            return self._items(node, block)
        last = max(line, self._tokens.last_line(node))
        for number in range(line + 1, last + 1):
            self._shifts[number] = new - old
        return last

    def _entries(self, node: yaml.MappingNode, block: _Block) -> int:
        for key, value in node.value:
            self._seen.add(id(key))
            line, column = key.start_mark.line, key.start_mark.column
            self._begin(block, line, column)
            self._gap(key, value)
            block.last = self._value(value, block.new, column, line)
        return block.last

    def _items(self, node: yaml.CollectionNode, block: _Block) -> int:
        for item in node.value:
            mark = next(self._dashes)
            self._begin(block, mark.line, mark.column)
            rest = self._lines[mark.line][mark.column + 1 :]
            bare = rest.lstrip(" \t")
            if bare and not bare.startswith("#"):
                spaces = len(rest) - len(bare)
                self._edit(mark.line, mark.column + 1, mark.column + 1 + spaces, " ")
            block.last = self._value(item, block.new, mark.column, mark.line)
        return block.last

    def _begin(self, block: _Block, line: int, column: int) -> None:
        """Note an entry. The first of a block may stand behind a dash, where another one began."""
        if block.first < 0:
            block.first, block.old = line, column
        before = self._lines[line][:column].strip(" \t")
        if not before:
            self._starts[line] = (column, block.new)
        elif block.first != line or before.strip("- \t"):
            raise UnusualError(line)

    def _gap(self, key: yaml.Node, value: yaml.Node) -> None:
        """One space behind the colon of a key."""
        start, end = key.end_mark, value.start_mark
        gap = self._lines[start.line][start.column : end.column]
        if start.line == end.line and start.index < end.index and _GAP.fullmatch(gap):
            self._edit(start.line, start.column, end.column, ": ")

    def _edit(self, line: int, start: int, end: int, new: str) -> None:
        self._edits.setdefault(line, []).append((start, end, new))

    def _in_flows(self) -> None:
        """Spaces in the outermost braces and brackets that are closed in their line."""
        depth, first = 0, 0
        for index, token in enumerate(self._tokens.tokens):
            if isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken):
                first = index if depth == 0 else first
                depth += 1
            elif isinstance(token, yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken):
                depth -= 1
                if depth == 0:
                    self._flow(self._tokens.tokens[first : index + 1])

    def _flow(self, tokens: list[yaml.Token]) -> None:
        start, end = tokens[0].start_mark, tokens[-1].end_mark
        if start.line != end.line:
            return
        line = self._lines[start.line]
        words = [line[t.start_mark.column : t.end_mark.column] for t in tokens]
        if "?" in words:
            return
        pairs = [(w, t) for w, t in zip(words, tokens, strict=True) if w]
        spaced = "".join(_spaced([(_quoted(w, t), t) for w, t in pairs]))
        self._edit(start.line, start.column, end.column, spaced)

    def _quotes(self) -> None:
        for token in self._tokens.tokens:
            start, end = token.start_mark, token.end_mark
            if start.line == end.line and not self._is_edited(start.line, start.column):
                old = self._lines[start.line][start.column : end.column]
                if (new := _quoted(old, token)) != old:
                    self._edit(start.line, start.column, end.column, new)

    def _is_edited(self, line: int, column: int) -> bool:
        return any(start <= column < end for start, end, _ in self._edits.get(line, ()))

    def _comment_gaps(self) -> None:
        """Two spaces at least before a comment behind something."""
        for line, end in self._tokens.ends.items():
            column = self._tokens.comment(line)
            if column is not None and column - end < STEP:
                self._edit(line, end, column, " " * STEP)


def _spaced(pairs: list[tuple[str, yaml.Token]]) -> Iterator[str]:
    """The words of a flow with one space behind each colon and comma, and none beside brackets."""
    for index, (word, _) in enumerate(pairs):
        following = pairs[index + 1][0] if index + 1 < len(pairs) else ""
        if word == "," and following in ("}", "]"):
            continue
        is_name = isinstance(pairs[index][1], yaml.AnchorToken)
        yield f"{word} " if word in (",", ":") or is_name else word


def _quoted(word: str, token: yaml.Token) -> str:
    """A scalar in double quotes, where both kinds of quotes mean the same."""
    if not isinstance(token, yaml.ScalarToken) or token.style != "'":
        return word
    inner = word[1:-1]
    return word if set(inner) & set("'\"\\") else f'"{inner}"'


def _moved(line: str, by: int) -> str:
    if not line:
        return line
    if by >= 0:
        return " " * by + line
    return line[min(-by, len(line) - len(line.lstrip(" "))) :]
