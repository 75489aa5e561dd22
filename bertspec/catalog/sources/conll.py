"""CoNLL columns: a token a line, a blank line between sentences."""

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.file_source import Place, TextSource
from bertspec.catalog.files.cutting import Ends
from bertspec.catalog.files.records import blank_line_ends
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_BLANK = " \t\r"
_WHITE = re.compile(r"[ \t]+")
_DOCUMENT = "-DOCSTART-"

ColumnName = Annotated[str, StringConstraints(min_length=1)]


class Conll(TextSource):
    """CoNLL files. A row is a sentence, each column the list of its tokens' values, as text.

    A line of white space is blank. Lines of `-DOCSTART-`, which begin a document, are skipped.
    """

    type: Literal["conll"] = Field(
        description="CoNLL columns: a token a line, a blank line between sentences."
    )
    columns: dict[ColumnName, int] = Field(
        default={"tokens": 0, "tags": -1},
        min_length=1,
        description="Names of the columns to take, and where each is: from 0, or from the end "
        "with -1 as the last.",
    )
    separator: Literal["tab", "space", "white-space"] = Field(
        default="white-space",
        description="What is between columns: a single `tab` or `space`, or any `white-space`.",
    )
    comment: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="Lines that begin with this are skipped, such as `#`. By default none are.",
    )

    ends: ClassVar[Ends] = staticmethod(blank_line_ends)

    def list_columns(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def parse(self, text: str, place: Place, header: str | None) -> "pa.Table":
        import pyarrow as pa

        sentences: list[list[list[str]]] = []
        begun = False
        # Only a line feed ends a line: U+2028, U+0085 and others may be tokens.
        for index, line in enumerate(text.split("\n")):
            if not line.strip(_BLANK):
                begun = False
                continue
            if self.comment is not None and line.startswith(self.comment):
                continue
            values = self._values(line)
            if values[0] == _DOCUMENT:
                continue
            if not begun:
                sentences.append([])
                begun = True
            self._check(values, sentences[-1], place, index)
            sentences[-1].append(values)
        kind = pa.list_(pa.string())
        return pa.table(
            {
                name: pa.array([[token[at] for token in s] for s in sentences], kind)
                for name, at in self.columns.items()
            }
        )

    def _values(self, line: str) -> list[str]:
        match self.separator:
            case "tab":
                return line.removesuffix("\r").split("\t")
            case "space":
                return line.removesuffix("\r").split(" ")
        return _WHITE.split(line.strip(_BLANK))

    def _check(self, values: list[str], earlier: list[list[str]], place: Place, index: int) -> None:
        """Raise InputError (E350) for a line without the columns that are taken."""
        if len(values) < (least := self._least()):
            taken = ", ".join(f"{name}: {at}" for name, at in self.columns.items())
            raise InputError.of(
                "E350",
                f"{place.at_line(index)}: {_counted(len(values))}, and `columns: {{{taken}}}` "
                f"takes {least}",
                "give the line its columns, or name in `columns` the ones that there are",
            )
        if earlier and len(values) != len(earlier[0]):
            raise InputError.of(
                "E350",
                f"{place.at_line(index)}: {_counted(len(values))}, and the sentence begins with "
                f"{_counted(len(earlier[0]))}",
                "a token with a space in it needs `separator: tab`, and tabs between the columns",
            )

    def _least(self) -> int:
        """How many columns there must be, so that none is taken under two names from both ends."""
        forward = max((at + 1 for at in self.columns.values() if at >= 0), default=0)
        backward = max((-at for at in self.columns.values() if at < 0), default=0)
        return forward + backward


def _counted(columns: int) -> str:
    return f"{columns} column" if columns == 1 else f"{columns} columns"
