"""Places in a text: as offsets, as our diagnostics have them, and as the protocol has them."""

import re
from bisect import bisect_right
from functools import cached_property

from lsprotocol import types
from pygls.workspace import PositionCodec

from bertspec.core.diagnostics import Position

_LINE_END = re.compile("\r\n|[\n\r]")
_YAML_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""libyaml, which our diagnostics count lines with, knows three more."""


class Lines:
    """The lines of a text. The protocol counts UTF-16 units, or what the client has agreed to."""

    def __init__(self, text: str, codec: PositionCodec) -> None:
        self.text = text
        self._codec = codec
        self._starts = [0, *(m.end() for m in _LINE_END.finditer(text))]
        self._mark = 1 if text.startswith("\ufeff") else 0
        """A byte-order mark is no character of the first line to us."""

    @cached_property
    def _yaml_starts(self) -> list[int]:
        return [self._mark, *(m.end() for m in _YAML_LINE_END.finditer(self.text))]

    def position(self, offset: int) -> types.Position:
        """The protocol's position of an offset in the text."""
        line = bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[line] : offset]
        return types.Position(line, self._codec.client_num_units(before))

    def range(self, start: int, end: int) -> types.Range:
        """The protocol's range from one offset to another."""
        return types.Range(self.position(start), self.position(end))

    def offset(self, position: types.Position) -> int:
        """The offset of a position; one behind the end of a line or text is that end."""
        if position.line >= len(self._starts):
            return len(self.text)
        offset = self._starts[position.line]
        end = _LINE_END.search(self.text, offset)
        stop = end.start() if end else len(self.text)
        units = 0
        while offset < stop and units < position.character:
            units += self._codec.client_num_units(self.text[offset])
            offset += 1
        return offset

    def of(self, position: Position | None) -> types.Range:
        """The range of a diagnostic's place; the beginning for one without a line."""
        if position is None or not position.line:
            return self.range(0, 0)
        line = min(position.line, len(self._yaml_starts)) - 1
        start = min(self._yaml_starts[line] + position.column - 1, len(self.text))
        return self.range(start, min(start + position.width, len(self.text)))
