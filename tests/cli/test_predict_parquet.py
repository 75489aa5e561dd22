"""`bertspec predict --input` of Parquet: what is damaged, and what is no text."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.predicting import predict, read_jsonl
from tests.projects import Project


def test_a_file_of_parquet_is_checked(built: Project) -> None:
    table = pa.table({"text": ["a", None, "b"], "n": [1, 2, 3], "raw": [b"\xff"] * 3})
    pq.write_table(table, built.root / "p.parquet")
    assert "p.parquet, row 2: `text` must be a text" in predict(built, "p.parquet", "o.csv", code=2)
    predict(built, "p.parquet", "o.jsonl", "--keep-going")
    found = read_jsonl(built.root / "o.jsonl")
    assert [row["error"] is None for row in found] == [True, False, True]
    for column in ("n", "raw"):
        said = built.bertspec(
            "predict", "tiny", "--input", "p.parquet", "--column", column, "--keep-going"
        )
        assert said.count("error[E453]") == 3
    said = predict(built, "p.parquet", "o.csv", "--column", "txt", code=2)
    assert "E309" in said
    assert "p.parquet: there is no column `txt`" in said
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(twice, built.root / "twice.parquet")
    assert "E304" in predict(built, "twice.parquet", "o.csv", code=2)
    content = (built.root / "p.parquet").read_bytes()
    (built.root / "cut.parquet").write_bytes(content[:100])
    assert "E331" in predict(built, "cut.parquet", "o.csv", code=2)


@pytest.mark.parametrize("coded", [False, True])
def test_a_text_of_parquet_that_is_not_utf_8_is_an_error_of_its_row(
    built: Project, coded: bool
) -> None:
    """As if a careless tool had written it, of a dictionary, too; what is carried is read alike."""
    texts = pa.array([b"good", b"\xff", b"good", None, b"caf\xe9", b"last"]).view(pa.string())
    ones = pa.array([b"a", b"b", b"\xff", b"d", b"e", b"f"])
    lists = [["a"], ["b"], [b"\xff", b"c"], ["d"], ["e"], ["f", None]]
    table = {
        "text": texts.dictionary_encode() if coded else texts,
        "tags": pa.array(lists, pa.list_(pa.binary())).view(pa.list_(pa.string())),
        "one": pa.FixedSizeListArray.from_arrays(ones.view(pa.string()), 1),
        "raw": [b"\xff"] * len(texts),
    }
    pq.write_table(pa.table(table), built.root / "raw.parquet")
    wanted = ("raw.parquet", "u.jsonl", "--carry", "one", "--carry", "raw")
    predict(built, *wanted, "--carry", "tags", "--keep-going")
    found = read_jsonl(built.root / "u.jsonl")
    codes = [row["error"] and row["error"]["code"] for row in found]
    assert codes == [None, "E302", "E302", "E453", "E302", None]
    (first, *_, last) = found
    assert (first["text"], first["tags"], first["raw"]) == ("good", ["a"], "ff")
    assert (last["text"], last["tags"]) == ("last", ["f", None])
    assert [row["raw"] for row in found] == ["ff"] * len(texts), "what can be read is kept"
    assert [row["text"] for row in found] == ["good", None, "good", None, None, "last"]
    assert [row["one"] for row in found] == [["a"], ["b"], None, ["d"], ["e"], ["f"]]
    assert "error[E302]: raw.parquet, row 2: not UTF-8" in predict(built, *wanted, code=2)
    predict(built, "raw.parquet", "u.jsonl", "--keep-going")
    assert read_jsonl(built.root / "u.jsonl")[2]["error"] is None, "the column is not read"
    deep = pa.StructArray.from_arrays([texts], ["a"])
    pq.write_table(pa.table({"text": ["a"] * len(deep), "deep": deep}), built.root / "raw.parquet")
    said = predict(built, "raw.parquet", "u.jsonl", "--carry", "deep", "--keep-going", code=2)
    assert "error[E331]: raw.parquet, rows 1 to 6: column `deep` is damaged" in said
