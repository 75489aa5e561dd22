"""Files that are damaged, odd or large: an error that names them, or exactly what is in them."""

import json
import os
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertspec.catalog.files import whole
from bertspec.catalog.files.cutting import Sizes, cut
from bertspec.catalog.files.json_text import JsonText
from bertspec.catalog.json_rows import object_of, table_of
from bertspec.catalog.sources import json as json_module
from bertspec.core.errors import InputError
from tests.stages import read_whole, source_of


def _read(root: Path, kind: str, content: bytes | str, **options: Any) -> list[dict[str, Any]]:
    (root / "a").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_whole(source_of(kind, files={"train": "a"}, **options), root)
    return found["train"].to_pylist() if found else []


def _fault(root: Path, kind: str, content: bytes | str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        _read(root, kind, content, **options)
    (found,) = caught.value.diagnostics
    assert found.help
    return f"{found.code} {found.message}"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(
    st.dictionaries(st.text(st.characters()), VALUES, min_size=1, max_size=4), min_size=1
)


@settings(max_examples=150, deadline=None)
@given(
    OBJECTS, VALUES, st.sampled_from([None, 0, 3]), st.booleans(), st.integers(1, 50),
    st.sampled_from(["", "\ufeff"]),
)  # fmt: skip
def test_json_is_read_as_python_reads_it_in_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory,
    objects: list[dict[str, Any]], other: Any, indent: int | None, ascii_only: bool, size: int,
    mark: str,
) -> None:  # fmt: skip
    dump = partial(json.dumps, indent=indent, ensure_ascii=ascii_only)
    text = mark + f'{{"x": {dump(other)}, "data": {{"rows": {dump(objects)}, "y": {dump(other)}}}}}'
    content = text.encode("utf-8", "replace")
    blocks = [content[i : i + size] for i in range(0, len(content), size)]
    source = json_module.Json.model_validate(
        {"type": "json", "files": {"train": "a"}, "field": "data.rows"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_module, "read_blocks", lambda *_: iter(blocks))
        patch.setattr(json_module, "cut", partial(cut, sizes=Sizes(target=64)))
        tables = [piece.read(1) for piece in source.read_file(Path("a"), "a")]
    wanted = json.loads(content.decode().removeprefix(mark))["data"]["rows"]
    rows = pa.concat_tables(tables, promote_options="default").to_pylist() if tables else []
    whole = table_of([object_of(row, "a") for row in wanted]).to_pylist()
    if whole:
        assert [{k: v for k, v in row.items() if v is not None} for row in rows] == [
            {k: v for k, v in row.items() if v is not None} for row in whole
        ]


ODD_VALUES = [
    r'"a\ud800\u0041b"', r'"\ud800\ud800"', r'"x\udc00y"', "12345678901234567890123", "1e400",
    "1.50", "-0", "-0.0", "NaN", '"\\u0000"', '{"a": 1, "a": 2}', "[1, [2]]",
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_VALUES)
def test_json_spells_every_value_as_jsonl_does(tmp_path: Path, value: str) -> None:
    row = f'{{"t": {value}, "t2": "x", "t2": "y"}}'
    assert _read(tmp_path, "json", f"[{row}]") == _read(tmp_path, "jsonl", f"{row}\n")


FAULTS = [
    ('{"data": {"item": {"t": "x"}}}', "data", "E330 a: `data` is an object, and not a list"),
    ('{"data.rows": [{"t": "x"}]}', "data.rows", "E330 a: the whole file has no key `data`"),
    ('{"data": [{}], "data": [{}]}', "data", "E330 a: the whole file has `data` twice"),
    ('{"data": []}', "data", "E330 a: `data` is a list without objects"),
    ('{"data": 3}', "data", "E330 a: `data` is not a list"),
    ('[{"t": 1}]', "data", "E330 a: the whole file is not an object with `data`"),
    ('[{"t": 1}, null]', None, "E305 a, record 2: not an object"),
    ('[{"t": 1},\n {"t": }]', None, "E305 a, line 2: not JSON: Expecting value"),
    ('[{"t": 1}]\n\n]', None, "E305 a, line 3: not JSON"),
    ('{"z": [1, 2\n "data": [{}]}', "data", "E305 a, line 2: not JSON: `,` should stand here"),
    ('{"data": [{"t": 1}],\n 5}', "data", "E305 a, line 2: not JSON: a key"),
    (b'[{"t":\n"caf\xe9"}]', None, "E302 a, line 2: byte 0xe9 at offset 11"),
    (b'[{"t": "' + b"x" * 9 + b'"}', None, "E305 a, line 1: not JSON: it ends too early"),
    ('[{"t": ' + "[" * 100_000, None, "E305 a, line 1: not JSON: lists and objects nest too deep"),
]


@pytest.mark.parametrize(("content", "field", "words"), FAULTS)
def test_a_fault_in_json_is_told_with_its_place(
    tmp_path: Path, content: bytes | str, field: str | None, words: str
) -> None:
    assert words in _fault(tmp_path, "json", content, field=field)


def test_what_is_beside_the_list_may_be_deep_and_long(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    text = f'{{"z": {deep}, "d": [{{"t": 1}}], "y": [{{}}, {{"a": []}}, {deep}]}}'
    assert _read(tmp_path, "json", text, field="d") == [{"t": "1"}]


def test_a_value_without_end_is_not_read_to_the_end_of_the_file() -> None:
    taken = 0

    def blocks() -> Any:
        nonlocal taken
        yield b'["'
        while True:
            taken += 1
            yield b"x" * 1000

    text = JsonText(blocks(), "a", longest=10_000)
    text.expect("[")
    with pytest.raises(InputError) as caught:
        text.value()
    assert caught.value.diagnostics[0].code == "E316"
    assert taken < 50


def test_a_key_that_comes_late_and_an_edit_change_no_piece_before(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"t": f"text {i}"} for i in range(20_000)]

    def keys() -> list[str | None]:
        (tmp_path / "a").write_text(json.dumps(rows))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(json_module, "cut", partial(cut, sizes=Sizes(target=4096)))
            source = source_of("json", files={"train": "a"})
            return [piece.key for _, piece in source.read(tmp_path)]

    before = keys()
    rows.append({"t": "z", "late": "key"})
    assert len(set(keys()) - set(before)) == 1
    rows[10_000]["t"] = "another"
    assert len(set(keys()) - set(before)) <= 3
    assert len(before) > 20


def _arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def test_lengths_that_lead_out_of_an_arrow_file_are_found_before_they_are_followed(
    tmp_path: Path,
) -> None:
    table = pa.table({"t": [f"text {i}" for i in range(1000)]})
    content = bytearray(_arrow(table))
    offsets = np.frombuffer(table["t"].chunk(0).buffers()[1], "i4")[:1001].tobytes()
    at = bytes(content).index(offsets) + 400
    content[at : at + 4] = struct.pack("<i", 2**30)
    assert "E331 a, rows 1 to 1000: column `t` is damaged" in _fault(
        tmp_path, "arrow", bytes(content)
    )


def test_columns_that_cannot_be_read_or_kept_are_named(tmp_path: Path) -> None:
    offsets = pa.py_buffer(np.array([0, 1, 2], "i4").tobytes())
    latin = pa.table({"t": pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"a\xff"))})
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["t", "t"])
    for kind, bytes_of in (("arrow", _arrow), ("parquet", _parquet)):
        assert "E331 a, rows 1 to 2: column `t`" in _fault(tmp_path, kind, bytes_of(latin))
        assert "E304 a has two columns `t`" in _fault(tmp_path, kind, bytes_of(twice))
        assert "E331 a has no columns" in _fault(tmp_path, kind, bytes_of(pa.table({})))
    for odd in (
        pa.nulls(1, pa.month_day_nano_interval()),
        pa.nulls(1, pa.struct([])),
        pa.UnionArray.from_sparse(pa.array([0], "int8"), [pa.array(["a"])]),
    ):
        content = _arrow(pa.table({"fine": ["x"], "odd": odd}))
        assert "E332 a: column `odd` holds" in _fault(tmp_path, "arrow", bytes(content))


def test_a_large_batch_is_taken_in_parts(tmp_path: Path) -> None:
    rows = [{"t": f"{i} " * 200} for i in range(20_000)]
    table = pa.Table.from_pylist(rows)
    assert _read(tmp_path, "arrow", _arrow(table)) == rows
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink, row_group_size=len(rows))
    assert _read(tmp_path, "parquet", sink.getvalue().to_pybytes()) == rows


def test_white_space_at_the_end_is_no_part_of_a_paragraph(tmp_path: Path) -> None:
    found = _read(tmp_path, "text", " \n\na\r\n b\n\t\n\nc\n   ", record="paragraph")
    assert found == [{"text": "a\r\n b"}, {"text": "c"}]


def _folder_fault(root: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        list(source_of("folder", folders={"train": "all"}, **options).read(root))
    (found,) = caught.value.diagnostics
    return f"{found.code} {found.message}"


def test_folders_that_cannot_be_labels_are_named(tmp_path: Path) -> None:
    for label in ("neg", "pos"):
        (tmp_path / "all" / label).mkdir(parents=True)
    (tmp_path / "all/pos/a.txt").write_text("x")
    assert "E333 all/neg has no file `**/*.txt`" in _folder_fault(tmp_path)
    (tmp_path / os.fsdecode(b"all/neg/\xff.txt")).touch()
    assert "E334 the name of file 'all/neg/\\udcff.txt'" in _folder_fault(tmp_path)


def test_a_piece_of_long_files_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "MOST_BYTES", 1000)
    (tmp_path / "all/a").mkdir(parents=True)
    for i in range(20):
        (tmp_path / f"all/a/{i:02}.txt").write_text("x" * 400)
    pieces = list(source_of("folder", folders={"train": "all"}).read(tmp_path))
    assert max(len(piece.read(1)) for _, piece in pieces) <= 3
    assert sum(len(piece.read(1)) for _, piece in pieces) == 20
