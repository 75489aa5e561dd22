"""json, parquet, arrow, text and folder: the rows that are in the files, whatever the sizes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertspec.catalog.columnar import PART, parts
from bertspec.catalog.files.cutting import Sizes
from bertspec.catalog.sources import SOURCES
from bertspec.catalog.sources.parquet import batches_of, opened
from bertspec.catalog.tables import pieces_of
from bertspec.core.errors import InputError
from tests.naughty import NAUGHTY

ROWS: list[dict[str, Any]] = [
    {"text": f"row {i} é", "label": "ab"[i % 2], "n": i} for i in range(20_000)
]


def _read(root: Path, kind: str, **options: Any) -> pa.Table:
    options.setdefault("files", {"train": f"a.{kind}"})
    if "folders" in options:
        del options["files"]
    source = SOURCES[kind].model_validate({"type": kind, **options})
    tables = [piece.read(1) for _, piece in source.read(root)]
    return pa.concat_tables(tables, promote_options="default")


def _fault(root: Path, kind: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        _read(root, kind, **options)
    (found,) = caught.value.diagnostics
    assert found.help
    return f"{found.code} {found.message}"


@pytest.mark.parametrize("field", [None, "data.rows"])
def test_json_has_the_rows_of_pythons_json(tmp_path: Path, field: str | None) -> None:
    rows = [*ROWS, {"text": None, "n": 1.5, "deep": {"a": [1, "x", None]}}, {"text": "\ud800"}]
    (tmp_path / "a.json").write_text(json.dumps({"data": {"rows": rows}} if field else rows))
    found = _read(tmp_path, "json", **({"field": field} if field else {})).to_pylist()
    assert [row["text"] for row in found[:-1]] == [row["text"] for row in rows[:-1]]
    assert [row["n"] for row in found[:20_000]] == [str(i) for i in range(20_000)]
    assert json.loads(found[-2]["deep"]) == {"a": [1, "x", None]}
    assert found[-1]["text"] == "?", "half of a surrogate pair is no text"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"a": 1}, 2]', "E305 a.json, record 2: not an object"),
        ('[{"a": 1}', "E305 a.json, line 1: not JSON"),
        ('{"rows": [{"a": 1}]}', "E330 a.json: the whole file is an object"),
        ("", "E305 a.json, line 1: not JSON"),
        ("[]", "E330"),
        ("[" * 100_000, "E305"),
    ],
)
def test_a_json_file_of_another_shape_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a.json").write_text(content)
    assert words in _fault(tmp_path, "json")


def test_parquet_and_arrow_keep_rows_and_types(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    table = table.append_column("tags", pa.array([["x", "y"]] * len(ROWS)))
    coded = table.set_column(1, "label", table["label"].dictionary_encode())
    pa.parquet.write_table(coded, tmp_path / "a.parquet", row_group_size=777)
    assert _read(tmp_path, "parquet").equals(table)
    pa.feather.write_feather(coded, tmp_path / "a.arrow", chunksize=900)
    assert _read(tmp_path, "arrow").equals(table)
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table, 1234)
    assert _read(tmp_path, "arrow").equals(table)
    for kind in ("parquet", "arrow"):
        content = (tmp_path / f"a.{kind}").read_bytes()
        (tmp_path / f"a.{kind}").write_bytes(content[: len(content) // 2])
        assert f"E331 a.{kind}" in _fault(tmp_path, kind)
        (tmp_path / f"a.{kind}").write_bytes(b"")
        assert f"E331 a.{kind}" in _fault(tmp_path, kind)


def test_where_a_table_is_cut_depends_on_its_rows_alone() -> None:
    table = pa.Table.from_pylist(ROWS)
    sizes = Sizes(target=4096)

    def cuts(*tables: pa.Table) -> list[pa.Table]:
        return [piece.read(1) for piece in pieces_of(tables, "f", sizes)]

    whole = cuts(table)
    assert pa.concat_tables(whole).equals(table)
    assert len(whole) > 20
    parts = cuts(*(table.slice(i, 333) for i in range(0, len(table), 333)))
    assert [p.to_pylist() for p in parts] == [p.to_pylist() for p in whole]
    edited = cuts(table.slice(0, 9_000), table.slice(9_001))
    same = {str(p.to_pylist()) for p in edited} & {str(p.to_pylist()) for p in whole}
    assert len(same) >= len(whole) - 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\n\ufeff", codec="utf-8"), min_size=1)))
def test_lines_come_as_they_are(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    root = tmp_path_factory.mktemp("lines")
    (root / "a.text").write_bytes(("\n".join(lines) + "\n").encode())
    filled = [line.removesuffix("\r") for line in lines if line.strip(" \t\r")]
    assert _read(root, "text")["text"].to_pylist() == filled


def test_paragraphs_and_files(tmp_path: Path) -> None:
    content = "one\ntwo\r\n \t\n\n\r\nthree\n\nfour"
    (tmp_path / "a.text").write_bytes(content.encode())
    (tmp_path / "b.text.gz").write_bytes(gzip.compress(b"five\n"))
    files = {"train": ["a.text", "b.text.gz"]}
    found = _read(tmp_path, "text", files=files, record="paragraph")["text"].to_pylist()
    assert found == ["one\ntwo", "three", "four", "five"]
    table = _read(tmp_path, "text", files={"train": "*.text*"}, record="file").to_pylist()
    assert table == [{"text": content, "name": "a.text"}, {"text": "five\n", "name": "b.text.gz"}]
    (tmp_path / "many.text").write_text("\n\n".join(f"p {i}\nq" for i in range(200_000)))
    found = _read(tmp_path, "text", files={"train": "many.text"}, record="paragraph")["text"]
    assert found.to_pylist() == [f"p {i}\nq" for i in range(200_000)]


def test_a_folder_is_a_label_and_a_file_a_text(tmp_path: Path) -> None:
    for i in range(3000):
        path = tmp_path / "all" / ("pos" if i % 3 else "neg") / f"{i % 7}" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {i}\n")
    (tmp_path / "all" / "pos" / ".hidden.txt").write_text("no")
    (tmp_path / "all" / "README.txt").write_text("no")

    def pieces() -> list[Any]:
        source = SOURCES["folder"].model_validate({"type": "folder", "folders": {"train": "all"}})
        return [piece for _, piece in source.read(tmp_path)]

    rows = pa.concat_tables([p.read(1) for p in pieces()]).to_pylist()
    assert len(rows) == 3000
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    for row in rows:
        assert (tmp_path / "all" / row["name"]).read_text() == row["text"]
        assert row["name"].split("/")[0] == row["label"]
    before = {p.key for p in pieces()}
    (tmp_path / "all" / "neg" / "0" / "00.txt").write_text("new")
    assert len({p.key for p in pieces()} - before) <= 2
    (tmp_path / "all" / "neg" / "0" / "00.txt").write_bytes(b"\xff")
    assert "E302 all/neg/0/00.txt, line 1" in _fault(tmp_path, "folder", folders={"train": "all"})
    (tmp_path / "empty").mkdir()
    assert "E333 empty has no folders" in _fault(tmp_path, "folder", folders={"train": "empty"})
    assert "E301 there is no folder no" in _fault(tmp_path, "folder", folders={"train": "no"})


def test_what_dvc_would_not_watch_is_not_read(tmp_path: Path) -> None:
    """It follows no linked folder below the one that it watches; that one may be a link itself."""
    for label in ("pos", "neg"):
        (tmp_path / "real" / label).mkdir(parents=True)
        (tmp_path / "real" / label / "1.txt").write_text("a text")
    (tmp_path / "all").mkdir()
    (tmp_path / "all/pos").symlink_to(tmp_path / "real/pos")
    linked = "E109 all/pos is a link to a folder"
    assert linked in _fault(tmp_path, "folder", folders={"train": "all"})
    assert linked in _fault(tmp_path, "text", files={"train": "all/*/1.txt"})
    (tmp_path / "all/pos").unlink()
    (tmp_path / "all/pos").mkdir()
    (tmp_path / "all/pos/1.txt").symlink_to(tmp_path / "real/pos/1.txt")
    (tmp_path / "all/other").symlink_to(tmp_path / "real")
    assert len(_read(tmp_path, "text", files={"train": "all/pos/*.txt"})) == 1
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(_read(tmp_path, "folder", folders={"train": "link"})) == 2


@pytest.mark.parametrize("stays", [True, False], ids=["dictionary", "plain"])
def test_what_is_small_in_a_parquet_file_is_read_in_small_parts(
    tmp_path: Path, stays: bool
) -> None:
    """A text of all rows, which the file has once, and lists of one number, which it counts."""
    path, rows, length = tmp_path / "a.parquet", 100, 1 << 17
    text = pa.array(["x" * length] * rows).dictionary_encode()
    zeros = pa.array([[0] * (length // 8)]).take(pa.array([0] * rows))
    for name, column in {"text": text, "numbers": zeros}.items():
        pa.parquet.write_table(pa.table({name: column}), path, store_schema=stays)
        assert path.stat().st_size < rows * length / 50
        with opened(path) as file:
            batches = list(batches_of(file))
        sizes = [table.nbytes for table in parts(batches, "a.parquet")]
        assert sum(sizes) >= rows * length, "they are decoded"
        assert max(*sizes, *(batch.nbytes for batch in batches)) < 2 * PART


def test_naughty_strings_come_through_every_source(tmp_path: Path) -> None:
    strings = [s for s in NAUGHTY if s.strip()]
    rows = [{"text": s} for s in strings]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pa.feather.write_feather(pa.Table.from_pylist(rows), tmp_path / "a.arrow")
    for kind in ("json", "parquet", "arrow"):
        assert _read(tmp_path, kind)["text"].to_pylist() == strings
    for i, text in enumerate(strings):
        for folder in ("files", "all/x"):
            path = tmp_path / folder / f"{i:04}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    whole = _read(tmp_path, "text", files={"train": "files/*.txt"}, record="file")["text"]
    assert whole.to_pylist() == [s.removeprefix("\ufeff") for s in strings]
    folder = _read(tmp_path, "folder", folders={"train": "all"})["text"]
    assert folder.to_pylist() == [s.removeprefix("\ufeff") for s in strings]
    lines = [s for s in strings if "\n" not in s and not s.endswith("\r")]
    (tmp_path / "a.text").write_bytes("\n".join(lines).encode())
    assert _read(tmp_path, "text")["text"].to_pylist() == lines
