"""What stands where in a YAML text: the tokens of its lines, and the comments behind them."""

import re
from collections.abc import Iterator
from functools import cached_property

import yaml

from bertspec.core.yaml import Loader

_HEADER = re.compile(r"[|>][0-9+-]*")
"""Of a block scalar, whose lines follow."""


class Tokens:
    """The tokens of a text whose lines end in line feeds alone."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.tokens = list(yaml.scan(text, Loader=Loader))
        self.content: set[int] = set()
        """Lines that begin inside a scalar, where white space may be part of the value."""
        self.unfinished: set[int] = set()
        """Lines that end inside one in quotes."""
        for token in self.tokens:
            if isinstance(token, yaml.ScalarToken):
                first, last = token.start_mark.line, self.last_line(token)
                self.content.update(range(first + 1, last + 1))
                if token.style not in ("|", ">"):
                    self.unfinished.update(range(first, last))

    def last_line(self, node: yaml.Node | yaml.Token) -> int:
        """The last line that is of a node or token, without blank ones that are none of it."""
        start, end = node.start_mark, node.end_mark
        last = int(end.line - 1 if end.column == 0 and end.line > start.line else end.line)
        if getattr(node, "style", None) in ("|", ">"):
            header = _HEADER.search(self.lines[start.line], start.column)
            is_kept = header is not None and "+" in header[0]
            while last > start.line and not is_kept and not self.lines[last].strip():
                last -= 1
        return last

    @cached_property
    def has_anchors(self) -> bool:
        """Whether a part of the document is named, to be used again."""
        return any(isinstance(token, yaml.AnchorToken) for token in self.tokens)

    @cached_property
    def ends(self) -> dict[int, int]:
        """Where the last token of a line ends, a block scalar's header being one."""
        found: dict[int, int] = {}
        for token in self.tokens:
            line, column = token.end_mark.line, token.end_mark.column
            if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
                line = token.start_mark.line
                header = _HEADER.match(self.lines[line], token.start_mark.column)
                column = header.end() if header else len(self.lines[line])
            elif token.start_mark.index == token.end_mark.index:
                continue
            found[line] = max(found.get(line, 0), column)
        return found

    def comment(self, line: int) -> int | None:
        """The column at which the line's comment begins; None for a line without one."""
        if line in self.unfinished or (line in self.content and line not in self.ends):
            return None
        text, end = self.lines[line], self.ends.get(line, 0)
        rest = text[end:].lstrip(" \t")
        return len(text) - len(rest) if rest.startswith("#") else None

    def comments(self) -> Iterator[str]:
        """All comments, in their order."""
        for line, text in enumerate(self.lines):
            if (column := self.comment(line)) is not None:
                yield text[column:].rstrip()
