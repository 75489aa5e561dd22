"""Labels of rows that the task does not have: an error with file and row."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean, sentences

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 10
"""Unknown labels, and rows of each, that an error names before it only counts."""


def require_known(rows: "pa.Table", known: Sequence[str]) -> None:
    """Raise InputError (E313) where `label` is not in `known`; `rows` has `file` and `row`, too."""
    import pyarrow as pa
    from pyarrow import compute as pc

    is_known = pc.is_in(rows["label"], value_set=pa.array(known, pa.string()))
    wrong = rows.filter(pc.invert(is_known)).to_pylist()
    by_label: dict[str, list[dict[str, Any]]] = {}
    for row in wrong:
        by_label.setdefault(row["label"], []).append(row)
    found = [_unknown(label, where, known) for label, where in by_label.items()]
    if len(found) > SHOWN:
        rest = f"{len(found) - SHOWN} more labels are unknown; {len(wrong)} rows in all"
        found[SHOWN:] = [Diagnostic("E313", rest, "is `data.columns.label` the right column?")]
    if found:
        raise InputError(found)


def numbers_of(labels: "pa.ChunkedArray", known: Sequence[str]) -> "pa.Array":
    """The number of each label in `known`."""
    import pyarrow as pa
    from pyarrow import compute as pc

    found = pc.index_in(labels, value_set=pa.array(known, pa.string()))
    return found.combine_chunks()


def _unknown(label: str, where: Sequence[Mapping[str, Any]], known: Sequence[str]) -> Diagnostic:
    first = where[0]
    others = [
        str(row["row"]) if row["file"] == first["file"] else f"{row['file']}, row {row['row']}"
        for row in where[1:SHOWN]
    ]
    also = f" (and in {len(where) - 1} more: {', '.join(others)}" if others else ""
    also += (", ..." if len(where) > SHOWN else "") + ")" if others else ""
    return Diagnostic(
        "E313",
        f"{first['file']}, row {first['row']}: unknown label `{label}`{also}",
        sentences(did_you_mean(label, known), "correct the row, or add it to `task.labels`"),
    )
