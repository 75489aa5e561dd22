"""The split through the prepare stage itself: no row moves when others come, go or change place."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bertspec.catalog.source import SPLITS
from bertspec.core.errors import InputError
from bertspec.runtime.shards import read_split
from tests.stages import run_runner, write_shards

SHARD = 4

Rows = list[tuple[str, str, str]]
"""Text, label, film."""

_WORD = st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=6)
_ROWS = st.lists(
    st.tuples(_WORD, st.sampled_from("ab"), st.sampled_from([f"film {n}" for n in range(9)])),
    min_size=6,
    max_size=30,
)
_SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


def _split(rows: Rows, **split: Any) -> list[tuple[str, str, int]] | None:
    """(split, id, position in `rows`) of every row; None when train or test stays empty."""
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder), Path(folder, "prepared")
        # In shards of a few rows, so that equal texts come in several.
        tables = [_table(rows[start : start + SHARD]) for start in range(0, len(rows), SHARD)]
        raw = write_shards(root / "raw", {"train": tables}, "f.csv")
        options = {"type": "hash", "validation": 0.2, "test": 0.4} | split
        params = {"columns": {"text": "t", "label": "l"}, "split": options}
        try:
            run_runner("prepare", params, root, {"raw": raw}, {"prepared": out})
        except InputError:
            return None
        return [
            (name, row["id"], row["row"] - 1)
            for name in SPLITS
            for row in read_split(out, name).to_pylist()
        ]


def _table(rows: Rows) -> pa.Table:
    return pa.table(
        {
            name: pa.array(values, pa.string())
            for name, values in zip("tlg", zip(*rows, strict=True), strict=True)
        }
    )


@_SETTINGS
@given(_ROWS, _ROWS, st.randoms(use_true_random=False))
def test_a_row_stays_in_its_split_whatever_other_rows_there_are(
    rows: Rows, others: Rows, random: Any
) -> None:
    more = rows + others
    random.shuffle(more)
    before, after = _split(rows), _split(more)
    assume(before is not None and after is not None)
    assert before is not None
    assert after is not None
    of_text = {more[position][0]: name for name, _, position in after}
    assert all(of_text[rows[position][0]] == name for name, _, position in before)
    # Equal texts are never on two sides, and no row is lost or doubled.
    assert {(name, more[p][0]) for name, _, p in after} == {(n, t) for t, n in of_text.items()}
    assert sorted(position for _, _, position in after) == list(range(len(more)))
    assert len({id_ for _, id_, _ in after}) == len(more)


@_SETTINGS
@given(_ROWS, st.text(max_size=2))
def test_a_group_is_in_one_split(rows: Rows, salt: str) -> None:
    found = _split(rows, group="g", salt=salt)
    assume(found is not None)
    assert found is not None
    sides = {(rows[position][2], name) for name, _, position in found}
    assert len(sides) == len({film for film, _ in sides})
