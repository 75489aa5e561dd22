"""Offsets and positions: in UTF-16 units, or in those that editor and server have agreed to."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position
from pygls.workspace import PositionCodec

from bertspec.core import diagnostics
from bertspec.lsp.lines import Lines

UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


@pytest.mark.parametrize("encoding", UNITS)
@given(st.text("aé🎉\r\n\u2028\x85 ", max_size=30))
def test_every_offset_has_a_position_and_every_position_its_offset(
    encoding: str, text: str
) -> None:
    lines = Lines(text, PositionCodec(encoding))
    codec, size = UNITS[encoding]
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n":
            continue  # there is no place between the two
        before = re.split("\r\n|[\r\n]", text[:offset])
        expected = Position(len(before) - 1, len(before[-1].encode(codec)) // size)
        assert lines.position(offset) == expected
        assert lines.offset(expected) == offset


def test_a_position_behind_a_line_or_the_text_is_its_end() -> None:
    lines = Lines("ab\ncd", PositionCodec())
    assert lines.offset(Position(0, 9)) == 2
    assert lines.offset(Position(7, 0)) == 5


def test_a_diagnostics_place_counts_the_lines_that_yaml_has() -> None:
    lines = Lines("a: '\u2028🎉' \r\nbc: 1", PositionCodec())
    found = lines.of(diagnostics.Position("a.yaml", 3, 1, 2))
    assert (found.start, found.end) == (Position(1, 0), Position(1, 2))
    found = lines.of(diagnostics.Position("a.yaml", 2, 2, 1))
    assert (found.start, found.end) == (Position(0, 7), Position(0, 8))
    assert lines.of(None).end == Position(0, 0)


def test_a_byte_order_mark_is_before_the_first_column() -> None:
    lines = Lines("\ufeffabc", PositionCodec())
    found = lines.of(diagnostics.Position("a.yaml", 1, 1, 3))
    assert (found.start, found.end) == (Position(0, 1), Position(0, 4))
