"""Digests of tensors and tables: the same in whatever bytes, another one for another value."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bertspec.core.manifest import Manifest
from bertspec.runtime.contents import content_digest
from bertspec.runtime.tables import write_arrow, write_parquet
from tests.projects import Project
from tests.stages import run_kinds

TYPES = {
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "text": (pa.string(), st.text()),
    "truth": (pa.bool_(), st.booleans()),
    "list": (pa.list_(pa.int32()), st.lists(st.integers(-(2**31), 2**31 - 1))),
    "lists": (pa.list_(pa.list_(pa.string())), st.lists(st.lists(st.text(), max_size=2))),
    "pair": (
        pa.list_(pa.float64(), 2),
        st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
    ),
    "group": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": st.none() | st.text()})),
    "bytes": (pa.binary(), st.binary()),
}
TABLES = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, (_, values) in TYPES.items()}),
    max_size=9,
)
SCHEMA = pa.schema([(name, kind) for name, (kind, _) in TYPES.items()])


def digests(folder: Path, table: pa.Table) -> set[str | None]:
    """Of a table in files of five kinds."""
    write_parquet(table, folder / "a.parquet")
    pq.write_table(table, folder / "b.parquet", compression="none", row_group_size=2)
    pieces = [table.slice(0, 1), table.slice(1, 3), table.slice(4)]
    parts = pa.concat_tables([p for p in pieces if len(p)] or [table])
    pq.write_table(parts, folder / "c.parquet", use_dictionary=False, data_page_version="2.0")
    write_arrow(table, folder / "a.arrow")
    with pa.OSFile(str(folder / "b.arrow"), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as out:
        out.write_table(parts)
    return {content_digest(path) for path in folder.iterdir()}


@given(TABLES, st.data())
@settings(max_examples=15)
def test_a_table_has_one_digest_however_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    found = digests(tmp_path_factory.mktemp("one"), pa.Table.from_pylist(rows, SCHEMA))
    assert len(found) == 1
    if not rows:
        return
    changed = [dict(row) for row in rows]
    row, name = data.draw(st.sampled_from(changed)), data.draw(st.sampled_from(list(TYPES)))
    row[name] = data.draw((st.none() | TYPES[name][1]).filter(lambda v: repr(v) != repr(row[name])))
    other = digests(tmp_path_factory.mktemp("other"), pa.Table.from_pylist(changed, SCHEMA))
    assert len(other) == 1
    assert other != found


def test_names_types_and_order_of_columns_count(tmp_path: Path) -> None:
    tables = [
        pa.table({"a": [1, 2], "b": [3, 4]}),
        pa.table({"a": [1, 2], "c": [3, 4]}),
        pa.table({"b": [3, 4], "a": [1, 2]}),
        pa.table({"a": pa.array([1, 2], pa.int32()), "b": [3, 4]}),
        pa.table({"a": [[1], []], "b": [3, 4]}),
        pa.table({"a": [[], [1]], "b": [3, 4]}),
        pa.table({"a": ["x", "yz"], "b": [3, 4]}),
        pa.table({"a": ["xy", "z"], "b": [3, 4]}),
    ]
    found = set()
    for number, table in enumerate(tables):
        write_parquet(table, tmp_path / f"{number}.parquet")
        found.add(content_digest(tmp_path / f"{number}.parquet"))
    assert len(found) == len(tables)


def test_other_types_are_looked_at_or_left_out(tmp_path: Path) -> None:
    def found(array: pa.Array) -> str | None:
        pq.write_table(pa.table({"a": array}), tmp_path / "a.parquet")
        return content_digest(tmp_path / "a.parquet")

    times = [dt.time(1, 2, 3), None]
    for kind in (pa.time32("ms"), pa.time64("us")):
        assert found(pa.array(times, kind)) == found(pa.array(times, kind)) is not None
        assert found(pa.array(times, kind)) != found(pa.array([None, *times[:1]], kind))
    dotted = [pa.array([{".a": value, "[b": 1}]) for value in "xyx"]
    assert found(dotted[0]) == found(dotted[2]) != found(dotted[1])
    for array in (
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
        pa.array([b"\xff" * 16], pa.binary(16)),
        pa.array([Decimal("1.5")]),
    ):
        assert found(array) is None


def test_tensors_have_one_digest_whatever_their_order_and_metadata(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.randn(7).bfloat16()}
    file = tmp_path / "model.safetensors"

    def found(tensors: dict[str, torch.Tensor], **metadata: str) -> str | None:
        save_file(tensors, file, metadata)
        return content_digest(file)

    same = {found(tensors), found(dict(reversed(tensors.items()))), found(tensors, format="pt")}
    assert len(same) == 1
    others = [
        tensors | {"a": tensors["a"].reshape(4, 3)},
        tensors | {"a": tensors["a"] + 1e-7},
        tensors | {"b": tensors["b"].int()},
        {"d" if name == "a" else name: tensor for name, tensor in tensors.items()},
        {name: tensor for name, tensor in tensors.items() if name != "b"},
    ]
    assert len(same | {found(other) for other in others}) == 1 + len(others)


def test_other_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert content_digest(tmp_path / "config.json") is None


def test_manifests_have_the_digests_of_what_files_hold(project: Project) -> None:
    project.compile()
    run_kinds(project, "fetch", "prepare", "base")
    read = {path.name: Manifest.read(path) for path in project.root.rglob("*.manifest.json")}
    prepared = project.root / "data/reviews/prepared"
    held = read["prepared.manifest.json"].contents
    assert set(held) == {name for name in read["prepared.manifest.json"].files if "parquet" in name}
    assert all(content_digest(prepared / name) == value for name, value in held.items())
    base = next(m for name, m in read.items() if m.stage.endswith("-base"))
    assert set(base.contents) == {"model.safetensors"}
