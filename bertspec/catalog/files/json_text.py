"""A JSON text, taken value by value: no more of it is in memory than a value, and a block."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator

from bertspec.catalog.files.cutting import SIZES
from bertspec.catalog.files.opening import BOM, decode
from bertspec.core.errors import InputError

_WHITE = re.compile(r"[ \t\n\r]*")
_WORD_ENDS = re.compile(r"[ \t\n\r,\]}]")
_LONGEST_WORD = 16
"""Characters of `-Infinity` or an escape: nearer to the end, a fault may be that of a value cut
in two.
"""

_DECODER = json.JSONDecoder()


class JsonText:
    """The blocks of a file as JSON, read by Python's json, a value at a time."""

    def __init__(
        self, blocks: Iterable[bytes], name: str, longest: int = SIZES.longest_record
    ) -> None:
        self._blocks = _decoded(blocks, name)
        self._name, self._longest = name, longest
        self._text, self._at, self._line, self._all = "", 0, 1, False

    def peek(self) -> str:
        """The first character of what comes next, or '' at the end."""
        while True:
            match = _WHITE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, sign: str) -> bool:
        """Whether this character comes next; if so, what follows it is next."""
        if self.peek() != sign:
            return False
        self._at += 1
        return True

    def value(self) -> str:
        """The text of the value that comes next, in one line."""
        end = self._value_end()
        text, self._at = self._text[self._at : end], end
        # Line breaks are between its parts: in a string they are written as escapes.
        return text.replace("\n", " ").replace("\r", " ")

    def items(self) -> Iterator[str]:
        """The first character of each item of the list that comes next: take it, or skip it."""
        self.expect("[")
        if self.take("]"):
            return
        while True:
            yield self.peek()
            if self.take("]"):
                return
            self.expect(",")

    def members(self) -> Iterator[str]:
        """Each key of the object that comes next: take its value, or skip it."""
        self.expect("{")
        if self.take("}"):
            return
        while True:
            if self.peek() != '"':
                raise self.fault("a key in double quotes should stand here")
            key: str = json.loads(self.value())
            self.expect(":")
            yield key
            if self.take("}"):
                return
            self.expect(",")

    def skip(self) -> None:
        """Leave out the value that comes next, however long it is."""
        closing: list[str] = []  # of the lists and objects that are open
        while True:
            sign = self.peek()
            if sign in ("[", "{"):
                self._at += 1
                closing.append("]" if sign == "[" else "}")
                if not self.take(closing[-1]):
                    self._skip_key(closing)
                    continue
                closing.pop()
            else:
                self._at = self._value_end()
            while closing and self.take(closing[-1]):
                closing.pop()
            if not closing:
                return
            self.expect(",")
            self._skip_key(closing)

    def _skip_key(self, closing: list[str]) -> None:
        if closing[-1] == "}":
            if self.peek() != '"':
                raise self.fault("a key in double quotes should stand here")
            self._at = self._value_end()
            self.expect(":")

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.fault(f"`{sign}` should stand here" if self.peek() else "it ends too early")

    def fault(self, what: str, at: int | None = None) -> Exception:
        line = self._line + self._text.count("\n", 0, self._at if at is None else at)
        return InputError.of(
            "E305",
            f"{self._name}, line {line}: not JSON: {what}",
            "`python -m json.tool FILE` checks a file; for an object a line there is `type: jsonl`",
        )

    def _value_end(self) -> int:
        if not self.peek():
            raise self.fault("it ends too early")
        if self._text[self._at] not in '"[{':  # a number could go on behind what is in memory
            while not _WORD_ENDS.search(self._text, self._at) and self._more():
                pass
        while True:
            try:
                return _DECODER.raw_decode(self._text, self._at)[1]
            except json.JSONDecodeError as error:
                near_end = error.pos >= len(self._text) - _LONGEST_WORD
                cut_in_two = near_end or error.msg.startswith("Unterminated string")
                if not (cut_in_two and self._more()):
                    raise self.fault(error.msg, error.pos) from None
            except RecursionError:
                raise self.fault("lists and objects nest too deep") from None
            except ValueError as error:  # a number of more digits than Python reads
                raise self.fault(str(error).partition(";")[0]) from None

    def _more(self) -> bool:
        """Read on: as much again as there is, so that a long value is not tried for each block."""
        size = len(self._text) - self._at
        if size > self._longest:
            raise InputError.of(
                "E316",
                f"{self._name}, line {self._line}: a value of more than "
                f"{self._longest >> 20} million characters",
                "is a quote or a bracket not closed?",
            )
        parts, length = [], 0
        while not self._all and length <= size:
            part = next(self._blocks, None)
            self._all = part is None
            parts.append(part or "")
            length += len(part or "")
        if not length:
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text, self._at = self._text[self._at :] + "".join(parts), 0
        return True


def _decoded(blocks: Iterable[bytes], name: str) -> Iterator[str]:
    """UTF-8 as text, without a byte-order mark. Raises InputError (E302) for other bytes."""
    rest, offset, line, first = b"", 0, 1, True
    for block in blocks:
        data = rest + block
        if first and len(data) < len(BOM) and BOM.startswith(data):
            rest = data
            continue
        if first and data.startswith(BOM):
            data, offset = data[len(BOM) :], len(BOM)
        first = False
        whole = len(data) - _begun(data)
        data, rest = data[:whole], data[whole:]
        yield decode(data, name, offset, line)
        offset, line = offset + len(data), line + data.count(b"\n")
    yield decode(rest, name, offset, line)


def _begun(data: bytes) -> int:
    """Length of the character that begins at the end of UTF-8 and goes on behind it, or 0."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(data[-3:])
    return len(decoder.getstate()[0])
