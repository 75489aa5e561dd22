"""Several sources as one, each with a tag or a share of its rows."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, StringConstraints

from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.floating import Floating
from bertspec.catalog.material import Material
from bertspec.catalog.source import SPLITS, TAKEN, Piece, Source, SplitName, located
from bertspec.catalog.sources import SOURCES
from bertspec.catalog.tables import row_bytes
from bertspec.core.digest import digest
from bertspec.core.errors import InputError
from bertspec.core.model import Model

if TYPE_CHECKING:
    import pyarrow as pa


if TYPE_CHECKING:
    Other = Source
else:
    Other = SOURCES.without("joined")

_BITS = 64


class Part(Model):
    """One of the sources."""

    source: Other = Field(description="Any source but a joined one.")
    tag: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="What its rows have in the column `tag_column`."
    )
    share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of its rows that are taken, by their content; null for all.",
    )


class Joined(Source):
    """The rows of several sources, one source after another in each split."""

    type: Literal["joined"] = Field(description="Several sources as one.")
    parts: Annotated[tuple[Part, ...], Field(strict=False, min_length=1)] = Field(
        description="The sources. A column that one of them lacks is empty in its rows."
    )
    tag_column: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="tag", description="Column of the tags; only there when a part has one."
    )

    @property
    def packages(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of its parts."""
        return tuple(sorted({p for part in self.parts for p in part.source.packages}))

    def dependencies(self) -> tuple[str, ...]:
        return tuple(sorted({d for part in self.parts for d in part.source.dependencies()}))

    def given_splits(self) -> tuple[SplitName, ...]:
        given = {split for part in self.parts for split in part.source.given_splits()}
        return tuple(split for split in SPLITS if split in given)

    def list_columns(self) -> tuple[str, ...]:
        """Those of any part: in the others such a column is a list, too, or the JSON of one."""
        return tuple(sorted({c for part in self.parts for c in part.source.list_columns()}))

    def floating(self) -> Sequence[Floating]:
        return [
            replace(each, path=("parts", number, "source", *each.path))
            for number, part in enumerate(self.parts)
            for each in part.source.floating()
        ]

    def pinned(self, pins: Mapping[str, str]) -> Self:
        parts = tuple(p.model_copy(update={"source": p.source.pinned(pins)}) for p in self.parts)
        return self.model_copy(update={"parts": parts})

    def materials(self) -> Sequence[Material]:
        return [each for part in self.parts for each in part.source.materials()]

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        for wanted in self.given_splits():
            for number, part in enumerate(self.parts):
                pieces = part.source.read(root, known)
                for split, piece in located(pieces, "parts", number, "source"):
                    if split == wanted:
                        yield split, self._piece(part, piece)

    def _piece(self, part: Part, piece: Piece) -> Piece:
        if part.tag is None and part.share is None:
            return piece
        options = [part.tag, part.share, self.tag_column]
        key = None if piece.key is None else digest([*options, piece.key])
        return Piece(piece.file, key, partial(self._read, part, piece))

    def _read(self, part: Part, piece: Piece, first: int) -> "pa.Table":
        import pyarrow as pa

        table = piece.read(first)
        if part.share is not None:
            taken = pa.array(_taken(table, part.share), pa.bool_())
            table = table.append_column(TAKEN, taken)
        if part.tag is not None:
            if self.tag_column in table.column_names:
                raise InputError.of(
                    "E360",
                    f"{piece.file} has a column `{self.tag_column}`, where its tag would stand",
                    "name another one with `tag_column`",
                )
            tags = pa.repeat(pa.scalar(part.tag, pa.string()), len(table))
            table = table.append_column(self.tag_column, tags)
        return table


def _taken(table: "pa.Table", share: float) -> Iterator[bool]:
    """Whether each row is in the share: its content's digest, as a point in [0, 1), says so."""
    for row in row_bytes(table):
        yield int.from_bytes(hashlib.sha256(row).digest()[: _BITS // 8], "big") < share * 2**_BITS
