"""Columns get their meaning: what values become, which rows are taken, what is told of bad ones."""

import json
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bertspec.core.errors import InputError
from bertspec.pipeline.params.columns import Column, Columns, kind_of, source_column
from bertspec.pipeline.params.where import Where
from bertspec.runtime.mapping import key_column, map_columns
from bertspec.runtime.raw_shard import Shard

TABLE: dict[str, Any] = {
    "review": ["good", "bad", None, " "],
    "stars": ["5", "1", "3", "5"],
    "lang": ["en", "de", "en", None],
    "score": ["1.5", "+2", " .5", "1e3"],
    "tags": ["a| b||c", "", "|", " d "],
    "words": ['["a", 1]', "[]", '["x", true, 1.5]', '["y"]'],
    "items": [["p"], [], ["q", "r"], ["s"]],
    "codes": [[1, 2], [], [3], [4]],
    "struct": [{"a": 1}] * 4,
}


def _map(columns: dict[str, Any], where: Any = (), table: Any = None, known: Any = None) -> Any:
    table = pa.table(TABLE if table is None else table)
    return map_columns(
        table,
        Columns.model_validate(columns),
        [Where.model_validate(condition) for condition in where],
        [*table.column_names, "later"] if known is None else known,
        lambda row: f"x.csv row {row + 1}",
    )


def _wrong(columns: dict[str, Any], where: Any = (), table: Any = None) -> list[tuple[str, str]]:
    with pytest.raises(InputError) as caught:
        _map(columns, where, table)
    return [(d.code, f"{d.message} | {d.help}") for d in caught.value.diagnostics]


STARS = {"column": "stars", "map": {"1": "bad", "5": "good", "3": "fair"}}


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("review", ["good", "bad", "", " "]),
        ("later", ["", "", "", ""]),
        (STARS, ["good", "bad", "fair", "good"]),
        (STARS | {"map": {"1": "bad"}, "other": "good"}, ["good", "bad", "good", "good"]),
        # A missing value is none that `other` could be meant for.
        ({"column": "lang", "map": {"en": "e"}, "other": "o"}, ["e", "o", "e", ""]),
        ({"column": "lang", "map": {"en": "e", "": "n"}, "other": "o"}, ["e", "o", "e", "n"]),
        ({"value": "film"}, ["film"] * 4),
        ({"column": "score", "number": True}, [1.5, 2.0, 0.5, 1000.0]),
        ({"column": "tags", "separator": "|"}, [["a", "b", "c"], [], [], ["d"]]),
        ({"column": "lang", "separator": "|"}, [["en"], ["de"], ["en"], []]),
        ({"column": "words", "list": True}, [["a", "1"], [], ["x", "true", "1.5"], ["y"]]),
        ({"column": "items", "list": True}, [["p"], [], ["q", "r"], ["s"]]),
        ({"column": "codes", "list": True}, [["1", "2"], [], ["3"], ["4"]]),
        ({"column": "codes", "list": True, "map": {"1": "x"}, "other": "y"},
         [["x", "y"], [], ["y"], ["y"]]),
    ],
)  # fmt: skip
def test_what_values_become(column: Any, values: list[Any]) -> None:
    found = _map({"text": column})
    assert found["text"].to_pylist() == values
    assert found["row"].to_pylist() == [0, 1, 2, 3]
    assert found.schema.field("row").type == pa.int32()
    types = {"text": pa.string(), "list": pa.list_(pa.string()), "number": pa.float64()}
    parsed = Columns.model_validate({"text": column}).text
    assert parsed is not None
    assert found.schema.field("text").type == types[kind_of(parsed)]
    assert _map({"text": column}, table=pa.table(TABLE).slice(0, 0)).schema == found.schema


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({"column": "lang", "equals": "en"}, [0, 2]),
        ({"column": "lang", "not_equals": "en"}, [1, 3]),
        ({"column": "lang", "equals": ""}, [3]),
        ({"column": "stars", "in": ["1", "3"]}, [1, 2]),
        ({"column": "stars", "not_in": ["1", "3"]}, [0, 3]),
        ({"column": "score", "matches": r"^[0-9+]"}, [0, 1, 3]),
        ({"column": "review", "is_empty": True}, [2, 3]),
        ({"column": "review", "is_empty": False}, [0, 1]),
        ({"column": "later", "is_empty": True}, [0, 1, 2, 3]),
    ],
)
def test_which_rows_are_taken(condition: dict[str, Any], rows: list[int]) -> None:
    found = _map({"text": "review", "label": "stars"}, [condition])
    assert found["row"].to_pylist() == rows
    assert found["label"].to_pylist() == [TABLE["stars"][row] for row in rows]


def test_conditions_hold_together_and_before_the_values_are_looked_at() -> None:
    where = [{"column": "lang", "equals": "en"}, {"column": "stars", "not_in": ["3"]}]
    label = {"column": "stars", "map": {"5": "good"}}
    assert _map({"label": label}, where).to_pydict() == {"label": ["good"], "row": [0]}
    # The place is that of the row as the source has it, whatever was not taken before it.
    ((_, text),) = _wrong({"label": label}, [{"column": "stars", "not_equals": "5"}])[:1]
    assert "x.csv row 2" in text


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        ({"text": "reviw"}, "E309", "no column `reviw`, which `data.columns.text`|`review`"),
        ({"label": "review"}, "E310", "column `review` is empty in 2 rows: x.csv row 3, x.csv row"),
        ({"label": "later"}, "E310", "column `later` is empty in 4 rows"),
        ({"label": STARS | {"map": {"5": "good", "33": "x"}}}, "E320",
         "x.csv row 2: `data.columns.label.map` does not list `1`|Add it to the map"),
        ({"tags": {"column": "tags", "separator": "|", "map": {"a": "x", "b": "y", "c": "z"}}},
         "E320", "x.csv row 4: `data.columns.tags.map` does not list `d`"),
        ({"label": {"column": "review", "number": True}}, "E321",
         "column `review` is no number in 2 rows: x.csv row 1 (`good`), x.csv row 2 (`bad`)"),
        ({"text": "struct"}, "E314", "column `struct` holds struct<a: int64>, which is not text"),
        ({"text": "items"}, "E314", "list: true"),
        ({"text": {"column": "struct", "list": True}}, "E314", "struct"),
        ({"tokens": {"column": "review", "list": True}}, "E322", "is no list of texts in 2 rows"),
        ({"tags": {"column": "lang", "separator": ","}}, "E310", "x.csv row 4"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(
    columns: dict[str, Any], code: str, words: str
) -> None:
    found = _wrong(columns)
    assert found[0][0] == code
    for word in words.split("|"):
        assert word in found[0][1]


@pytest.mark.parametrize("value", ["NaN", "inf", "-Infinity", "1e999", "1,5", "0x10", "1 2", "--1"])
def test_what_is_no_number(value: str) -> None:
    for name, column in (("label", [value, "1"]), ("text", [value, "1"])):
        found = _wrong({name: {"column": "x", "number": True}}, table={"x": column})
        assert found[0][0] == "E321"
        assert f"x.csv row 1 (`{value}`)" in found[0][1]


def test_numbers_of_the_source_stay_as_they_are() -> None:
    columns = {"label": {"column": "x", "number": True}}
    assert _map(columns, table={"x": [1, 2**60]})["label"].to_pylist() == [1.0, float(2**60)]
    assert _wrong(columns, table={"x": [1.5, float("nan")]})[0][0] == "E321"
    assert _wrong(columns, table={"x": [1.5, None]})[0][0] == "E310"
    assert _map({"text": {"column": "x", "number": True}}, table={"x": ["1", ""]})[
        "text"
    ].to_pylist() == [1.0, None]


@pytest.mark.parametrize(
    "value", ['{"a": 1}', '"a"', "[1, null]", "[[1]]", "[", "[1],[2]", "[NaN]", '["\\ud800"]']
)
def test_what_is_no_list(value: str) -> None:
    found = _wrong({"tokens": {"column": "x", "list": True}}, table={"x": ["[]", value]})
    assert found[0][0] == "E322"
    assert "x.csv row 2" in found[0][1]


def test_a_missing_item_and_a_missing_list() -> None:
    column = {"column": "x", "list": True}
    assert _wrong({"tokens": column}, table={"x": [["a"], ["b", None]]})[0][0] == "E322"
    assert _wrong({"tags": column}, table={"x": [["a"], None]})[0][0] == "E310"
    assert _map({"tokens": column}, table={"x": [["a"], None]})["tokens"].to_pylist() == [["a"], []]
    fixed = pa.table({"x": pa.array([["a", "b"], None], pa.list_(pa.string(), 2))})
    assert _map({"tokens": column}, table=fixed)["tokens"].to_pylist() == [["a", "b"], []]


def test_many_wrong_rows_and_values_are_counted() -> None:
    ((_, text),) = _wrong({"label": "x"}, table={"x": [""] * 25})
    assert text.count("x.csv row") == 10
    assert "25 rows" in text
    assert "and 15 more" in text
    found = _wrong({"label": {"column": "x", "map": {"a": "b"}}}, table={"x": list("cdefghijklmc")})
    assert len(found) == 11
    assert "1 more of this value" in found[0][1]
    assert "1 more values" in found[10][1]


def test_a_key_is_text_that_no_row_lacks() -> None:
    shard = Shard.whole(pa.table(TABLE), list(TABLE), lambda row: f"x.csv row {row + 1}")
    assert key_column(shard, "stars", "data.split.group").to_pylist() == TABLE["stars"]
    with pytest.raises(InputError) as caught:
        key_column(shard, "lang", "data.split.group")
    assert caught.value.diagnostics[0].code == "E310"
    with pytest.raises(InputError) as caught:
        key_column(shard, "star", "data.split.group")
    assert "`data.split.group`" in caught.value.diagnostics[0].message


_CELL = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=4))


@settings(deadline=None)
@given(st.lists(_CELL, min_size=1, max_size=20), st.data())
def test_a_row_becomes_the_same_in_a_shard_of_any_size(
    cells: list[str | None], data: st.DataObject
) -> None:
    columns = {
        "text": "x",
        "tokens": {"column": "x", "separator": "a"},
        "context": {"column": "x", "map": {"a": "b"}, "other": "c"},
    }
    where = [{"column": "x", "not_equals": "b"}]
    table = pa.table({"x": pa.array(cells, pa.string())})
    whole = _map(columns, where, table)
    cut = data.draw(st.integers(0, len(cells)))
    first, second = _map(columns, where, table.slice(0, cut)), _map(columns, where, table[cut:])
    both = pa.concat_tables([first.drop_columns("row"), second.drop_columns("row")])
    assert both.to_pylist() == whole.drop_columns("row").to_pylist()
    assert first["row"].to_pylist() + [r + cut for r in second["row"].to_pylist()] == (
        whole["row"].to_pylist()
    )


GOOD: list[Any] = [
    "review", {"column": "x", "number": True}, {"column": "x", "list": True, "map": {"a": "b"}},
    {"value": "x"}, {"value": "x", "column": None, "list": False}, STARS,
    STARS | {"other": "x"}, {"column": "x", "separator": " ", "map": {"": "b"}},
    {"column": "x", "number": True, "map": None},
]  # fmt: skip
BAD: list[Any] = [
    "", 3, {}, {"column": None}, {"column": "x", "value": "y"}, {"map": {"a": "b"}},
    {"column": "x", "other": "y"}, {"column": "x", "map": {}}, {"column": "x", "map": {"a": 1}},
    {"column": "x", "separator": "|", "list": True}, {"value": "x", "map": {"x": "y"}},
    {"column": "x", "number": True, "separator": "|"}, {"column": "x", "number": 1},
    {"column": "x", "seperator": "|"}, {"column": "x", "map": {"a": ""}}, {"value": ""},
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "good"), [*((v, True) for v in GOOD), *((v, False) for v in BAD)]
)
def test_the_model_and_its_schema_agree_on_columns(value: Any, good: bool) -> None:
    _agree(Columns, {"label": value}, good)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ({"column": "x", "equals": ""}, True),
        ({"column": "x", "in": ["a"]}, True),
        ({"column": "x", "is_empty": False}, True),
        ({"column": "x", "matches": "a", "equals": None}, True),
        ({"column": "x"}, False),
        ({"column": "x", "equals": None}, False),
        ({"column": "x", "in": []}, False),
        ({"column": "x", "in": "a"}, False),
        ({"column": "x", "in": ["a"], "equals": "a"}, False),
        ({"equals": "a"}, False),
        ({"column": "x", "like": "a"}, False),
    ],
)
def test_the_model_and_its_schema_agree_on_conditions(value: Any, good: bool) -> None:
    _agree(Where, value, good)


def _agree(model: Any, value: Any, good: bool) -> None:
    schema = json.loads(json.dumps(model.model_json_schema()))
    assert jsonschema.Draft202012Validator(schema).is_valid(value) is good
    if good:
        parsed = model.model_validate(value)
        assert model.model_validate(parsed.model_dump(mode="json")) == parsed
    else:
        with pytest.raises(ValidationError):
            model.model_validate(value)


def test_params_have_no_key_that_says_nothing() -> None:
    columns = Columns.model_validate({"text": "t", "label": STARS})
    assert columns.model_dump(mode="json") == {"text": "t", "text_pair": None, "label": STARS}
    assert Where.model_validate({"column": "x", "in": ["a"]}).model_dump(mode="json") == {
        "column": "x",
        "in": ["a"],
    }


def test_the_sources_column_behind_a_field() -> None:
    assert source_column(None) is None
    assert source_column("x") == "x"
    assert source_column(Column(column="x", number=True)) == "x"
    assert source_column(Column(value="x")) is None
