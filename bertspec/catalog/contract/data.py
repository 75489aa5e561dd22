"""A prepared data set as the rules see it: the rows of all splits, one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bertspec.catalog.contract.normalisation import normalise
from bertspec.catalog.source import SPLITS, SplitName

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CONTENTS = (("text", "text_pair"), ("text",), ("question", "context"), ("tokens",))
"""Columns that are a row's content for comparing rows: the first of these that the data has."""

SHOWN = 3
"""Examples in a message."""

CHUNK = 2**16
"""Texts that are Python objects at once."""

_EXCERPT = 60


@dataclass(frozen=True, eq=False)
class Texts:
    """A column's distinct normalised texts, and which one each row has."""

    codes: "np.ndarray"
    values: "pa.LargeStringArray"


@dataclass(frozen=True, eq=False)
class Labels:
    """Label by label: a row with several labels is here several times, one without never."""

    rows: "np.ndarray"
    codes: "np.ndarray"
    names: Sequence[str]


@dataclass(frozen=True, eq=False)
class PreparedData:
    """The tables of the splits. Rows are counted from 0 through train, validation and test.

    A table has `file` and `row`, and what its task has of: text, text_pair, label, tokens, tags,
    spans, context, question, answers.
    """

    tables: "Mapping[SplitName, pa.Table]"

    @cached_property
    def splits(self) -> tuple[SplitName, ...]:
        """Those with rows."""
        return tuple(s for s in SPLITS if s in self.tables and len(self.tables[s]))

    @cached_property
    def split_codes(self) -> "np.ndarray":
        """The split of each row, as its position in SPLITS."""
        import numpy as np

        sizes = [len(self.tables[s]) if s in self.tables else 0 for s in SPLITS]
        return np.repeat(np.arange(len(SPLITS), dtype=np.int8), sizes)

    def has(self, *names: str) -> bool:
        """Whether every split with rows has these columns."""
        return bool(self.splits) and all(
            set(names) <= set(self.tables[s].column_names) for s in self.splits
        )

    def column(self, name: str) -> "pa.ChunkedArray":
        """A column over all splits."""
        import pyarrow as pa

        columns = [self.tables[s][name] for s in self.splits]
        kinds = dict.fromkeys(c.type for c in columns)
        if len(kinds) > 1:  # as string beside large_string
            columns = [c.cast(next(iter(kinds))) for c in columns]
        return pa.chunked_array([chunk for c in columns for chunk in c.chunks], next(iter(kinds)))

    def text(self, name: str) -> "pa.ChunkedArray":
        """A column as text: null is empty, a list is joined by spaces."""
        import pyarrow as pa
        from pyarrow import compute as pc

        column = self.column(name)
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            column = pc.binary_join(column, " ")
        return pc.fill_null(column.cast(pa.large_string()), "")

    @cached_property
    def content(self) -> tuple[str, ...]:
        """Names of the columns that are a row's content; empty where there are none."""
        return next((names for names in CONTENTS if self.has(*names)), ())

    @cached_property
    def texts(self) -> tuple[Texts, ...]:
        """The normalised texts of the columns of `content`."""
        return tuple(_normalised(self.text(name)) for name in self.content)

    @cached_property
    def keys(self) -> "np.ndarray":
        """A number for each row: equal where all of the normalised content is, -1 for no content.

        Smaller numbers come first in the data.
        """
        import numpy as np
        from pyarrow import compute as pc

        keys = self.texts[0].codes
        filled = np.zeros(len(keys), dtype=bool)
        for place, texts in enumerate(self.texts):
            if place:
                keys = _renumbered(keys * len(texts.values) + texts.codes)
            empty = np.asarray(pc.equal(texts.values, ""))
            filled |= ~empty[texts.codes]
        return np.where(filled, keys, -1)

    @cached_property
    def row_labels(self) -> "pa.ChunkedArray | None":
        """The label of each row as text; None without labels, and for numbers to be predicted."""
        import pyarrow as pa

        if not self.has("label"):
            return None
        column = self.column("label")
        if pa.types.is_floating(column.type) or pa.types.is_struct(column.type):
            return None
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            return pa.chunked_array(
                [
                    pa.array(
                        (v if v is None else ", ".join(sorted(map(str, v)))
                         for v in chunk.to_pylist()),
                        pa.string(),
                    )
                    for chunk in column.chunks
                ],
                pa.string(),
            )  # fmt: skip
        return column.cast(pa.string())

    @cached_property
    def labels(self) -> "Labels | None":
        """Every label of every row; None where `row_labels` is."""
        import numpy as np
        import pyarrow as pa

        column = self.row_labels
        if column is None:
            return None
        given = self.column("label").combine_chunks()
        rows = np.arange(len(given))
        if pa.types.is_list(given.type) or pa.types.is_large_list(given.type):
            from pyarrow import compute as pc

            rows = np.asarray(pc.list_parent_indices(given))
            values = pc.list_flatten(given).cast(pa.string())
        else:
            values = column.combine_chunks()
        known = np.asarray(values.is_valid())
        encoded = values.filter(pa.array(known)).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        codes = rank[np.asarray(encoded.indices)] if names else np.empty(0, dtype=np.int64)
        return Labels(rows[known], codes, sorted(names))

    def label_counts(self) -> "np.ndarray":
        """Rows of each label (columns, in the order of `labels`) in each of SPLITS."""
        import numpy as np

        labels = self.labels
        assert labels is not None  # noqa: S101 - rules about labels apply only where there are some
        counts = np.zeros((len(SPLITS), len(labels.names)), dtype=np.int64)
        np.add.at(counts, (self.split_codes[labels.rows], labels.codes), 1)
        return counts

    @cached_property
    def _places(self) -> "pa.Table":
        import pyarrow as pa

        files = self.column("file").cast(pa.string())
        return pa.table({"file": files, "row": self.column("row").cast(pa.int64())})

    def broken(self, rows: "np.ndarray | Sequence[int]", notes: Iterable[str]) -> "pa.Table":
        """The rows of a finding, with a note on each: split, file, row, note."""
        import numpy as np
        import pyarrow as pa

        chosen = np.asarray(rows, dtype=np.int64)
        splits = pa.array(SPLITS, pa.string()).take(pa.array(self.split_codes[chosen]))
        places = self._places.take(pa.array(chosen)) if len(chosen) else None
        return pa.table(
            {
                "split": splits,
                "file": pa.array([], pa.string()) if places is None else places["file"],
                "row": pa.array([], pa.int64()) if places is None else places["row"],
                "note": pa.array(list(notes), pa.string()),
            }
        )

    def place(self, row: int) -> str:
        """Where a row is from, and its split."""
        found = self._places.slice(row, 1).to_pylist()[0]
        return f"{found['file']} row {found['row']} ({SPLITS[self.split_codes[row]]})"

    def places(self, rows: "np.ndarray | Sequence[int]", conjunction: str = "and") -> str:
        """The first few of some rows: `a.csv row 3 (train), a.csv row 9 (test) and 5 more`."""
        shown = [self.place(int(row)) for row in rows[:SHOWN]]
        if len(rows) > SHOWN:
            return f"{', '.join(shown)} and {len(rows) - SHOWN:,} more"
        return f" {conjunction} ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))

    def excerpt(self, row: int) -> str:
        """The beginning of a row's content, quoted."""
        text = " ".join(str(self.text(self.content[0])[row]).split())
        return f'"{text[:_EXCERPT]}…"' if len(text) > _EXCERPT else f'"{text}"'


def groups(keys: "np.ndarray", rows: "np.ndarray") -> "list[np.ndarray]":
    """`rows` divided by their key, each group in order; groups in the order of their first row."""
    import numpy as np

    order = rows[np.argsort(keys[rows], kind="stable")]
    divided = np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(order) else []
    return sorted(divided, key=lambda group: int(group[0]))


def _renumbered(keys: "np.ndarray") -> "np.ndarray":
    """Small numbers for large ones, equal where they are, in the order of appearance."""
    import numpy as np
    import pyarrow as pa

    return np.asarray(pa.array(keys).dictionary_encode().indices).astype(np.int64)


def _normalised(column: "pa.ChunkedArray") -> Texts:
    """Each distinct text is normalised once, and distinct ones that become equal are one."""
    import numpy as np
    import pyarrow as pa

    raw = column.combine_chunks().dictionary_encode()
    if isinstance(raw, pa.ChunkedArray):
        raw = raw.combine_chunks()
    distinct = raw.dictionary
    chunks = [
        pa.array(map(normalise, distinct.slice(start, CHUNK).to_pylist()), pa.large_string())
        for start in range(0, len(distinct), CHUNK)
    ]
    encoded = pa.chunked_array(chunks, pa.large_string()).combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices)[np.asarray(raw.indices)] if len(raw) else np.empty(0)
    return Texts(codes.astype(np.int64), encoded.dictionary)
