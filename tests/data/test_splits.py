"""Splits over columns: no row moves with others, groups stay whole, folds are a partition."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bertspec.core.errors import InputError
from bertspec.pipeline.params.split import HashSplit, Split
from bertspec.runtime.raw_shard import Shard
from bertspec.runtime.row_keys import key_json, point_of, points, row_digest, row_digests
from bertspec.runtime.splitting import assign, split_of
from bertspec.runtime.stratify import (
    check_stratify,
    count_strata,
    propose_salt,
    realised_shares,
    require_strata,
)
from bertspec.runtime.times import times

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_FAST = settings(deadline=None)


def _split(**options: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(Split)
    return adapter.validate_python(options)


def _shard(count: int) -> Shard:
    return Shard.whole(pa.table({"x": pa.nulls(count)}), ["x"], lambda row: f"x.csv row {row + 1}")


def _assigned(split: Any, *columns: Any) -> list[str]:
    keys = [pa.array(c, pa.string()) if isinstance(c, list) else c for c in columns]
    return assign(split, keys, _shard(len(keys[0]))).to_pylist()


@_FAST
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=20), st.text(max_size=3), st.data())
def test_columns_are_split_as_rows_are_in_shards_of_any_size(
    rows: list[tuple[str, str]], salt: str, data: st.DataObject
) -> None:
    split = HashSplit(type="hash", validation=0.3, test=0.3, salt=salt)
    for width in (1, 2):
        keys = [row[:width] for row in rows]
        expected = [split_of(key, 0.3, 0.3, salt) for key in keys]
        cut = data.draw(st.integers(0, len(rows)))
        found = []
        for part in (keys[:cut], keys[cut:]):
            columns = [[key[i] for key in part] for i in range(width)]
            found += _assigned(split, *columns)
        assert found == expected


@_FAST
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=20), st.data())
def test_ids_of_columns_are_those_of_rows_in_shards_of_any_size(
    rows: list[tuple[str, str]], data: st.DataObject
) -> None:
    table = pa.table(
        {
            "text": pa.array([r[0] for r in rows], pa.string()),
            "label": pa.array([r[1] for r in rows], pa.string()),
            "row": pa.array(range(len(rows)), pa.int32()),
        }
    )
    cut = data.draw(st.integers(0, len(rows)))
    found = [i for part in (table[:cut], table[cut:]) for i in row_digests(part).to_pylist()]
    assert found == [row_digest({"text": text, "label": label}) for text, label in rows]


@_FAST
@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False),
                          st.lists(_TEXT, max_size=3)), max_size=9))  # fmt: skip
def test_ids_of_numbers_and_lists(rows: list[tuple[float, list[str]]]) -> None:
    table = pa.table(
        {
            "tokens": pa.array([r[1] for r in rows], pa.list_(pa.string())),
            "label": pa.array([r[0] for r in rows], pa.float64()),
        }
    )
    assert row_digests(table).to_pylist() == [
        row_digest({"label": number, "tokens": tokens}) for number, tokens in rows
    ]
    assert row_digests(table[1:]).to_pylist() == row_digests(table).to_pylist()[1:]


def test_every_character_is_escaped_as_canonical_json_does() -> None:
    texts = [chr(code) for code in [*range(0x250), 0x2028, 0xFFFF, 0x1F600]] + ['\\"\n', ""]
    table = pa.table({"text": texts})
    assert row_digests(table).to_pylist() == [row_digest({"text": text}) for text in texts]
    keys = key_json([table["text"], table["text"]])
    assert points(keys, '"').tolist() == [point_of([text, text], '"') for text in texts]


def test_the_points_are_the_ones_that_they_always_were() -> None:
    # A change here moves the rows of every data set that there is.
    assert point_of(["a warm and funny film"], "") == 0.4442457953643115
    assert point_of(["a", "b"], "x") == 0.2278791846386239
    assert row_digest({"text": "a", "label": "b"}) == "ff5bf79a848223258e581039a71d0fc9"


def test_a_given_split_takes_validation_from_train() -> None:
    texts = [f"row {i}" for i in range(200)]
    split = _split(type="given", validation=0.2)
    assert _assigned(split, texts) == [split_of((text,), 0.2, 0.0, "") for text in texts]
    assert set(_assigned(_split(type="given"), texts)) == {"train"}


@_FAST
@given(st.lists(_TEXT, min_size=1, max_size=30), st.integers(2, 8), st.text(max_size=2))
def test_folds_are_a_partition(texts: list[str], folds: int, salt: str) -> None:
    found = [
        _assigned(_split(type="k-fold", folds=folds, fold=fold, salt=salt), texts)
        for fold in range(folds)
    ]
    for row in zip(*found, strict=True):
        assert row.count("test") == row.count("validation") == 1
        # Validation is the fold after the test's.
        assert row.index("validation") == (row.index("test") - 1) % folds
    sides = {(text, fold[i]) for fold in found[:1] for i, text in enumerate(texts)}
    assert len(sides) == len(set(texts)), "equal keys are on one side"


@_FAST
@given(st.lists(_TEXT, max_size=30), st.integers(2, 6), st.data())
def test_a_larger_validation_takes_rows_from_training_alone(
    texts: list[str], folds: int, data: st.DataObject
) -> None:
    fold = data.draw(st.integers(0, folds - 1))
    small, large = sorted(data.draw(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5))))
    before, after = (
        _assigned(_split(type="k-fold", folds=folds, fold=fold, validation=share), texts)
        for share in (small, large)
    )
    for one, other in zip(before, after, strict=True):
        assert one == other or (one, other) == ("train", "validation")


def test_shares_of_folds_are_what_they_say() -> None:
    count = 20_000
    texts = [f"row {i}" for i in range(count)]
    for options, share in (({"fold": 4}, 0.2), ({"fold": 4, "validation": 0.1}, 0.1)):
        found = Counter(_assigned(_split(type="k-fold", folds=5, **options), texts))
        for name, wanted in (("test", 0.2), ("validation", share)):
            deviation = (wanted * (1 - wanted) / count) ** 0.5
            assert abs(found[name] / count - wanted) < 3 * deviation


TIMES = [
    ("2024-05-31", datetime(2024, 5, 31, tzinfo=UTC)),
    ("1969-12-31", datetime(1969, 12, 31, tzinfo=UTC)),
    ("2024-05-31T12:30", datetime(2024, 5, 31, 12, 30, tzinfo=UTC)),
    ("2024-05-31 12:30:01", datetime(2024, 5, 31, 12, 30, 1, tzinfo=UTC)),
    ("2024-05-31T12:30:01Z", datetime(2024, 5, 31, 12, 30, 1, tzinfo=UTC)),
    ("2024-05-31T12:30+02:00", datetime(2024, 5, 31, 10, 30, tzinfo=UTC)),
    ("2024-05-31T12:30:01.5-0130", datetime(2024, 5, 31, 14, 0, 1, 500_000, tzinfo=UTC)),
    ("2024-05-31T12:30:01.123456789Z", datetime(2024, 5, 31, 12, 30, 1, 123_456, tzinfo=UTC)),
    ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
    ("9999-12-31T23:59:59.999999", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("1717156800", datetime(2024, 5, 31, 12, tzinfo=UTC)),
    ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ("0", datetime(1970, 1, 1, tzinfo=UTC)),
]


def _microseconds(moment: datetime) -> int:
    difference = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (difference.days * 86_400 + difference.seconds) * 10**6 + difference.microseconds


def test_times_are_read_as_python_reads_them() -> None:
    texts = pa.array([text for text, _ in TIMES])
    found = times(texts, "when", _shard(len(TIMES)))
    assert found.tolist() == [_microseconds(moment) for _, moment in TIMES]


_ZONE = st.none() | st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))


@_FAST
@given(st.lists(st.datetimes(timezones=_ZONE), min_size=1, max_size=9))
def test_any_time_is_read(moments: list[datetime]) -> None:
    texts = pa.array([moment.isoformat() for moment in moments], pa.string())
    wanted = [_microseconds(m if m.tzinfo else m.replace(tzinfo=UTC)) for m in moments]
    assert times(texts, "when", _shard(len(texts))).tolist() == wanted


@pytest.mark.parametrize(
    "value",
    ["", None, "yesterday", "2024-02-30", "2024-13-01", "2024-1-1", "31.05.2024", "20240531T12",
     "2024-05-31T25:00", "2024-05-31T12", "1717156800.5", "1717156800000", "2024-05-31 ",
     "2024-05-31T12:30:61", "0000-01-01"],
)  # fmt: skip
def test_what_is_no_time_is_told_with_its_row(value: str | None) -> None:
    column = pa.array(["2024-05-31", value], pa.string())
    with pytest.raises(InputError) as caught:
        times(column, "when", _shard(2))
    (found,) = caught.value.diagnostics
    assert found.code == "E323"
    assert "x.csv row 2" in found.message
    assert "x.csv row 1" not in found.message


def test_times_of_the_source_stay_as_they_are() -> None:
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    wanted = [_microseconds(moment)]
    for column in (
        pa.array([moment], pa.timestamp("ns", "Europe/Berlin")),
        pa.array([moment.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([1_717_156_800], pa.int32()),
    ):
        assert times(column, "when", _shard(1)).tolist() == wanted
    day = pa.array([moment.date()], pa.date32())
    assert times(day, "when", _shard(1)).tolist() == [_microseconds(moment.replace(hour=0))]
    with pytest.raises(InputError):
        times(pa.array([None], pa.timestamp("us")), "when", _shard(1))


def test_older_rows_are_learned_from() -> None:
    column = ["2023-12-31", "2024-01-01", "2024-02-01T00:00+01:00", "2024-02-01", "1900-01-01"]
    options = {"type": "time", "column": "when", "test_from": "2024-02-01"}
    split = _split(**options, validation_from="2024-01-01")
    wanted = ["train", "validation", "validation", "test", "train"]
    assert _assigned(split, column) == wanted
    without = [name.replace("validation", "train") for name in wanted]
    assert _assigned(_split(**options), column) == without


@_FAST
@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.data())
def test_a_row_stays_at_its_time(seconds: list[int], data: st.DataObject) -> None:
    split = _split(
        type="time", column="when", validation_from="1980-01-01", test_from="1990-01-01T00:00Z"
    )
    column = [str(second) for second in seconds]
    order = data.draw(st.permutations(range(len(column))))
    whole = _assigned(split, column)
    assert _assigned(split, [column[i] for i in order]) == [whole[i] for i in order]
    by_time = sorted(zip(seconds, whole, strict=True))
    names = ["train", "validation", "test"]
    assert all(names.index(a[1]) <= names.index(b[1]) for a, b in pairwise(by_time))


@pytest.mark.parametrize(
    "options",
    [
        {"type": "time", "column": "x", "test_from": "2024-02-30"},
        {"type": "time", "column": "x", "test_from": "1 May 2024"},
        {"type": "time", "column": "x"},
        {"type": "k-fold", "folds": 1, "fold": 0},
        {"type": "k-fold", "folds": 5},
        {"type": "k-fold", "folds": 5, "fold": -1},
        {"type": "hash", "tolerance": 0},
        {"type": "k-fold", "fold": 0, "stratify": "label"},
    ],
)
def test_what_is_no_split(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _split(**options)


def test_params_of_a_hash_split_are_as_they_were() -> None:
    assert _split(type="hash").model_dump() == {
        "type": "hash", "validation": 0.1, "test": 0.2, "group": None, "salt": "",
    }  # fmt: skip


def _labelled(count: int, rare: int) -> tuple[list[str], list[str]]:
    return [f"row {i}" for i in range(count)], ["b" if i < rare else "a" for i in range(count)]


def test_stratify_moves_no_row_and_proposes_a_salt_that_keeps_the_shares() -> None:
    texts, labels = _labelled(400, 40)
    plain = HashSplit(type="hash", validation=0.1, test=0.2)
    keys = pa.table({"key": key_json([pa.array(texts)]), "stratum": labels})
    tried = 0
    for salt in map(str, range(1000, 1020)):
        split = HashSplit(type="hash", salt=salt, stratify="label", tolerance=0.02)
        found = _assigned(split, texts)
        assert found == _assigned(plain.model_copy(update={"salt": salt}), texts)
        counts = count_strata(pa.array(labels), pa.array(found))
        off = check_stratify(split, counts)
        if not off:
            require_strata(split, counts, lambda: keys)
            continue
        tried += 1
        with pytest.raises(InputError) as caught:
            require_strata(split, counts, lambda: keys)
        proposed = propose_salt(split, keys)
        assert proposed is not None
        assert f'`salt: "{proposed}"`' in caught.value.diagnostics[0].help
        better = split.model_copy(update={"salt": proposed})
        again = count_strata(pa.array(labels), pa.array(_assigned(better, texts)))
        assert check_stratify(better, again) == []
        for shares in realised_shares(again).values():
            assert abs(shares["test"] - 0.2) <= 0.025
    assert tried


def test_counts_of_shards_add_up() -> None:
    texts, labels = _labelled(100, 30)
    split = HashSplit(type="hash")
    whole = count_strata(pa.array(labels), pa.array(_assigned(split, texts)))
    parts = [
        count_strata(pa.array(labels[cut]), pa.array(_assigned(split, texts[cut])))
        for cut in (slice(0, 37), slice(37, 100))
    ]
    assert parts[0] + parts[1] == whole
    assert sum(whole.values()) == 100
    for stratum, shares in realised_shares(whole).items():
        assert sum(shares.values()) == pytest.approx(1)
        total = labels.count(stratum)
        assert shares["test"] == whole[stratum, "test"] / total


def test_a_rare_value_is_off_by_less_than_a_row_and_not_told() -> None:
    split = HashSplit(type="hash", validation=0.1, test=0.2, stratify="label", tolerance=0.01)
    assert check_stratify(split, Counter({("a", "train"): 3})) == []
    assert check_stratify(split, Counter({("a", "train"): 2, ("a", "test"): 1})) == []
    (found,) = check_stratify(split, Counter({("a", "train"): 1, ("a", "test"): 2}))
    assert found.code == "E324"
    assert "2 of 3 rows with `label` `a` are in `test`: 0.667, and 0.2 is asked" in found.message


def test_where_no_salt_keeps_the_shares_it_is_said() -> None:
    # Equal texts are in one split, whatever the salt.
    texts, labels = ["one text"] * 50, ["a"] * 50
    split = HashSplit(type="hash", stratify="label")
    keys = pa.table({"key": key_json([pa.array(texts)]), "stratum": labels})
    counts = count_strata(pa.array(labels), pa.array(_assigned(split, texts)))
    with pytest.raises(InputError) as caught:
        require_strata(split, counts, lambda: keys)
    assert "raise `tolerance`" in caught.value.diagnostics[0].help
    assert propose_salt(split, keys) is None


def test_a_salt_is_proposed_for_groups_as_well() -> None:
    # A group has rows of both labels, and stays whole.
    random = np.random.default_rng(1)
    groups = [f"film {i}" for i in random.integers(60, size=600)]
    labels = ["ab"[i] for i in random.integers(2, size=600)]
    split = HashSplit(type="hash", group="film", stratify="label", tolerance=0.02)
    keys = pa.table({"key": key_json([pa.array(groups)]), "stratum": labels})
    salt = propose_salt(split, keys)
    assert salt is not None
    found = _assigned(split.model_copy(update={"salt": salt}), groups)
    assert check_stratify(split, count_strata(pa.array(labels), pa.array(found))) == []
    assert len(set(zip(groups, found, strict=True))) == len(set(groups))


def test_points_do_not_depend_on_how_a_column_is_stored() -> None:
    texts = pa.chunked_array([["a", "b"], ["b", "c"]])
    whole = pa.array(["z", "a", "b", "b", "c"])[1:]
    assert np.array_equal(points(key_json([texts]), ""), points(key_json([whole]), ""))
