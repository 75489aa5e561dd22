"""Shards: cut where their content says so, made once, and the same as from nothing."""

import bz2
import csv
import gzip
import io
import lzma
import os
import random
import shutil
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise, product, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bertspec.catalog.bases.wordpiece import train_wordpiece
from bertspec.catalog.files.cutting import Chunk, Sizes, cut
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.records import blank_line_ends, line_ends, quoted_line_ends
from bertspec.catalog.source import SPLITS, Piece, Source, SplitName
from bertspec.core.errors import InputError
from bertspec.core.manifest import digest_files
from bertspec.runtime.examples import read_examples
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.shards import numbered, read_index, read_split
from bertspec.runtime.tables import read_parquet, write_parquet
from tests.stages import (
    read_whole,
    run_runner,
    small_pieces,
    source_of,
    tokens_of,
    write_shards,
)

SMALL = Sizes(target=128, longest_record=4096)
_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Stages over shards

Rows = list[tuple[str, str]]
Built = dict[str, dict[str, str]]
"""Digests of the files in each folder."""

PREPARE = {
    "columns": {"text": "text", "label": "label"},
    "split": {"type": "hash", "validation": 0.2, "test": 0.3},
}
TOKENIZE = {
    "task": {"type": "text-classification", "labels": ["a", "b"]},
    "tokenization": {"max_length": 16},
}
FOLDERS = ("raw", "prepared", "tokenized")


def _csv(rows: Rows) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([("text", "label"), *rows])
    return buffer.getvalue().encode()


def _build(root: Path, rows: Rows, out: str, kept: str) -> Built:
    """fetch, prepare and tokenize; the digests of all files in each of their folders."""
    (root / "rows.csv").write_bytes(_csv(rows))
    raw, prepared, tokenized = (root / out / name for name in FOLDERS)
    source = {"type": "csv", "files": {"train": "rows.csv"}}
    with small_pieces(SMALL):
        run_runner("fetch", {"source": source}, root, {}, {"raw": raw}, root / kept / "raw")
    run_runner(
        "prepare", PREPARE, root, {"raw": raw}, {"prepared": prepared}, root / kept / "prepared"
    )
    inputs = {"prepared": prepared, "base": root / "base"}
    run_runner(
        "tokenize", TOKENIZE, root, inputs, {"tokenized": tokenized}, root / kept / "tokenized"
    )
    return {name: digest_files(root / out / name) for name in FOLDERS}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    words = ["some words", "of a text", "that is, new", "number 0123456789"]
    train_wordpiece(words, 60, lowercase=True).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def root(base: Path, tmp_path: Path) -> Path:
    (tmp_path / "base").symlink_to(base)
    return tmp_path


def _rows(count: int, start: int = 0) -> Rows:
    return [(f"some words of text {start + i}", "ab"[i % 2]) for i in range(count)]


_ROW = st.tuples(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        st.sampled_from(["", "again", "again", ' "a, b"\nand more', "long " * 60]),
    ),
    st.sampled_from("ab"),
)


def _edited(rows: Rows, draw: st.DrawFn) -> Rows:
    rows = list(rows)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(rows)))
        match draw(st.sampled_from(["insert", "delete", "replace", "move"])):
            case "insert":
                rows[at:at] = draw(st.lists(_ROW, max_size=4))
            case "delete":
                del rows[at : at + draw(st.integers(0, 5))]
            case "replace":
                rows[at : at + 1] = [draw(_ROW)]
            case "move":
                moved = rows[at : at + draw(st.integers(1, 10))]
                del rows[at : at + len(moved)]
                to = draw(st.integers(0, len(rows)))
                rows[to:to] = moved
    return rows


@st.composite
def _edits(draw: st.DrawFn) -> list[Rows]:
    """Rows, and what becomes of them edit by edit."""
    states = [_rows(draw(st.integers(20, 60))) + draw(st.lists(_ROW, max_size=10))]
    for _ in range(draw(st.integers(1, 2))):
        states.append(_edited(states[-1], draw))
    return states


@settings(_SETTINGS, max_examples=20)
@given(_edits())
def test_after_any_edit_the_kept_shards_give_what_a_run_from_nothing_gives(
    base: Path, tmp_path_factory: pytest.TempPathFactory, states: list[Rows]
) -> None:
    root = tmp_path_factory.mktemp("edits")
    (root / "base").symlink_to(base)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.enable_truncation(16)
    for number, rows in enumerate(states):
        try:
            anew = _build(root, rows, f"anew-{number}", f"none-{number}")
        except InputError as error:
            assume(error.diagnostics[0].code != "E311")  # no row left for train or test
            raise
        assert _build(root, rows, f"again-{number}", "kept") == anew
        found = [
            (row["text"], row["label"], row["row"])
            for split in SPLITS
            for row in read_split(root / f"again-{number}/prepared", split).to_pylist()
        ]
        assert sorted(found) == sorted((*row, i) for i, row in enumerate(rows, 1))
        for split in SPLITS:
            again = root / f"again-{number}"
            examples = read_examples(again / "prepared", again / "tokenized", split, None)
            ids = examples.rows["id"].to_pylist()
            assert len(set(ids)) == len(ids)
            tokens = examples.tokens
            assert [tokens.row(i) for i in range(len(tokens))] == [*range(1, len(ids) + 1)]
            expected = tokenizer.encode_batch(examples.rows["text"].to_pylist())
            assert tokens.ids.tolist() == [i for e in expected for i in e.ids]
            labels = [["a", "b"][number] for number in tokens.numbers("label")]
            assert labels == examples.rows["label"].to_pylist()


@pytest.fixture(scope="module")
def large(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    """Rows in more than a hundred shards, built in `before`, and the digests."""
    root = tmp_path_factory.mktemp("large")
    (root / "base").symlink_to(base)
    return root, _build(root, _rows(2000), "before", "kept")


EDITS = (("insert", 0), ("replace", 777), ("delete", 1999))
"""Each edit and each place once."""


@pytest.mark.parametrize(("edit", "place"), [
    pytest.param(edit, place, marks=() if (edit, place) in EDITS else pytest.mark.thorough)
    for edit in ("replace", "insert", "delete") for place in (0, 777, 1999)
])  # fmt: skip
def test_an_edit_of_one_row_leaves_most_shards_as_they_are(
    large: tuple[Path, Built], edit: str, place: int
) -> None:
    root, before = large
    out, kept = f"{edit}-{place}", f"kept-{edit}-{place}"
    shutil.copytree(root / "kept", root / kept, copy_function=os.link)
    rows = _rows(2000)
    rows[place : place + (edit != "insert")] = [] if edit == "delete" else [("another one", "a")]
    after = _build(root, rows, out, kept)
    for name in FOLDERS:
        old, new = Counter(before[name].values()), Counter(after[name].values())
        assert len(before[name]) > 100
        # The shard of the row, perhaps those beside it, and the index; each in three splits.
        assert (new - old).total() <= (4 if name == "raw" else 8)
    # What is the same was not made again.
    same = set(before["raw"].values()) & set(after["raw"].values())
    assert {_inode(root / "before/raw", before["raw"], digest) for digest in same} == {
        _inode(root / out / "raw", after["raw"], digest) for digest in same
    }


def _inode(folder: Path, digests: dict[str, str], digest: str) -> int:
    name = next(name for name, value in digests.items() if value == digest)
    return (folder / name).stat().st_ino


def test_rows_of_train_are_not_taken_for_validation_once_there_is_one(tmp_path: Path) -> None:
    """The shards of train are the same files before and after, and their rows must not be."""
    for name, start in (("train", 0), ("validation", 500), ("test", 600)):
        (tmp_path / f"{name}.csv").write_bytes(_csv(_rows(60, start)))

    def prepared(*splits: str) -> int:
        source = {"type": "csv", "files": {s: f"{s}.csv" for s in splits}}
        raw, out = tmp_path / f"raw-{len(splits)}", tmp_path / f"prepared-{len(splits)}"
        run_runner("fetch", {"source": source}, tmp_path, {}, {"raw": raw})
        params = PREPARE | {"split": {"type": "given", "validation": 0.5}}
        run_runner("prepare", params, tmp_path, {"raw": raw}, {"prepared": out}, tmp_path / "kept")
        return read_split(out, "train").num_rows

    assert prepared("train", "test") < 60
    assert prepared("train", "validation", "test") == 60


def test_a_split_without_rows_has_its_columns(root: Path) -> None:
    table = pa.table({"text": [f"text {i}" for i in range(9)], "label": ["a"] * 9})
    raw = write_shards(root / "raw", {"train": [table], "test": [table]})
    prepared, tokenized = root / "prepared", root / "tokenized"
    params = PREPARE | {"split": {"type": "given"}}
    run_runner("prepare", params, root, {"raw": raw}, {"prepared": prepared})
    inputs = {"prepared": prepared, "base": root / "base"}
    run_runner("tokenize", TOKENIZE, root, inputs, {"tokenized": tokenized}, root / "kept")
    empty = read_split(prepared, "validation")
    assert len(empty) == 0
    assert empty.schema == read_split(prepared, "train").schema
    tokens = tokens_of(tokenized, "validation")
    assert len(tokens) == 0
    assert tokens.schema == tokens_of(tokenized, "train").schema


# Chunks

ENDS = {"line": line_ends, "quoted": quoted_line_ends, "blank": blank_line_ends}
_BYTES = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b'"', b"\r\n", b" \n", b",", b"\n\n", b"x" * 700, b"y" * 2000]),
        st.binary(max_size=60),
    ),
    max_size=120,
).map(b"".join)


def _blocks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    yield from (data[a:b] for a, b in pairwise(places))


def _cut(data: bytes, cuts: list[int], ends: str, sizes: Sizes) -> list[Chunk] | str:
    """The chunks, or what is said of them."""
    found: list[Chunk] = []
    try:
        found.extend(cut(_blocks(data, cuts), ENDS[ends], "f", sizes))
    except InputError as error:
        whole = [(c.data, c.offset, c.line) for c in found]
        return f"{error.diagnostics[0].code} {error} after {whole}"
    return found


@settings(_SETTINGS, max_examples=300)
@given(
    _BYTES,
    st.lists(st.integers(0, 10**6), max_size=30),
    st.sampled_from(sorted(ENDS)),
    st.sampled_from([1500, 1 << 20]),
)
def test_chunks_are_whole_records_and_do_not_depend_on_blocks(
    data: bytes, cuts: list[int], ends: str, longest: int
) -> None:
    sizes = Sizes(128, longest)
    chunks = _cut(data, cuts, ends, sizes)
    assert chunks == _cut(data, [], ends, sizes)
    assert chunks == _cut(data, list(range(0, len(data), 7)), ends, sizes)
    if isinstance(chunks, str):
        assert chunks.startswith("E316 ")
        return
    assert b"".join(chunk.data for chunk in chunks) == data
    offset = 0
    for number, chunk in enumerate(chunks):
        assert chunk.offset == offset
        assert chunk.line == 1 + data.count(b"\n", 0, offset)
        records = _records(chunk.data, ends)
        assert chunk.data == b"".join(records)
        assert len(chunk.data) <= sizes.most or len(records) == 1
        assert max(map(len, records), default=0) <= max(longest, sizes.most)
        last = number == len(chunks) - 1
        # It ends where a record of the whole file does.
        assert last or _records(data[: offset + len(chunk.data)], ends)[-1] == records[-1]
        offset += len(chunk.data)


@settings(_SETTINGS, max_examples=300)
@given(_BYTES, _BYTES, _BYTES, _BYTES, st.sampled_from(sorted(ENDS)))
def test_what_is_known_of_another_file_changes_no_chunk(
    start: bytes, old: bytes, new: bytes, end: bytes, ends: str
) -> None:
    sizes, known = Sizes(128), KnownCuts()
    list(cut([start + old + end], ENDS[ends], "f", sizes, known))
    edited = [start + new + end]
    again = KnownCuts(known.found)
    assert list(cut(edited, ENDS[ends], "f", sizes, again)) == _cut(edited[0], [], ends, sizes)
    fresh = KnownCuts()
    list(cut(edited, ENDS[ends], "f", sizes, fresh))
    assert again.found == fresh.found


def test_only_what_an_edit_changes_is_looked_through_again() -> None:
    lines = [b"%d %d\n" % (i, i * i) for i in range(200_000)]
    looked: list[int] = []

    def ends(data: "np.ndarray") -> "np.ndarray":
        looked.append(len(data))
        return line_ends(data)

    sizes, known = Sizes(1 << 12), KnownCuts()
    list(cut([b"".join(lines)], ends, "f", sizes, known))
    looked.clear()
    del lines[100_000]
    blocks = [b"".join(lines[i : i + 1000]) for i in range(0, len(lines), 1000)]
    list(cut(blocks, ends, "f", sizes, KnownCuts(known.found)))
    assert sum(looked) < len(b"".join(blocks)) / 5


def _records(data: bytes, ends: str) -> list[bytes]:
    """By hand, line by line."""
    records, record, line = [], b"", b""
    for byte in data:
        line += bytes([byte])
        if byte != ord("\n"):
            continue
        record, whole, line = record + line, line, b""
        inside = ends == "quoted" and (record.count(b'"') % 2)
        if not inside and not (ends == "blank" and whole.strip(b" \t\r\n")):
            records.append(record)
            record = b""
    rest = record + line
    return [*records, rest] if rest else records


def test_an_empty_stream_is_one_empty_chunk() -> None:
    assert list(cut([], line_ends, "f")) == [Chunk(b"", 0, 1)]


def test_chunks_are_of_about_the_size_that_is_asked() -> None:
    draw = random.Random(1)  # noqa: S311
    text = b"".join(b"%d %s\n" % (i, draw.randbytes(30).hex().encode()) for i in range(60_000))
    sizes = [len(chunk.data) for chunk in cut([text], line_ends, "f", Sizes(1 << 14))]
    assert 0.7 < sum(sizes) / len(sizes) / (1 << 14) < 1.7
    assert min(sizes[:-1]) >= 1 << 12
    assert max(sizes) <= 1 << 17


MIB = 1 << 20


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_file_of_one_line_is_refused_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    with (tmp_path / "rows.txt").open("wb") as file:
        file.truncate(200 * MIB)  # a hole: it takes no room
    source = source_of(kind, files={"train": "rows.txt"})
    code, peak = _refused(lambda: list(source.read(tmp_path)))
    assert code == "E316"
    assert peak < 300 * MIB


def test_a_line_without_an_end_is_refused_in_bounded_memory() -> None:
    endless = repeat(b"x" * 16 * MIB)
    code, peak = _refused(lambda: list(cut(endless, quoted_line_ends, "f")))
    assert code == "E316"
    assert peak < 300 * MIB


def test_a_small_file_that_unpacks_to_a_large_line_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "rows.csv.gz", "wb") as file:
        for _ in range(100):
            file.write(bytes(2 * MIB))
    assert (tmp_path / "rows.csv.gz").stat().st_size < MIB
    source = source_of("csv", files={"train": "rows.csv.gz"})
    code, peak = _refused(lambda: list(source.read(tmp_path)))
    assert code == "E316"
    assert peak < 300 * MIB


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    line = b'"some, words",a\n'
    with (tmp_path / "rows.csv").open("wb") as file:
        file.write(b"text,label\n")
        for _ in range(100):
            file.write(line * (MIB // len(line)))
    source = source_of("csv", files={"train": "rows.csv"})
    tracemalloc.start()
    try:
        rows = sum(len(piece.read(1)) for _, piece in source.read(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 100 * (MIB // len(line))
    assert peak < 300 * MIB


def _refused(read: Callable[[], object]) -> tuple[str, int]:
    """The code of the refusal, and the most memory that was in use at once."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            read()
        return caught.value.diagnostics[0].code, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# CSV

_RICH = st.text(st.sampled_from('",\n\r\0\ufeff\u2028\x1c\x85\t aé😀'), max_size=60)
_FIELD = st.text(st.sampled_from("\",\n\r\0\ufeff\u2028\x1c\x85\t'\\ aé😀"), max_size=12)


def _as_python_reads(text: str) -> list[list[str]] | None:
    """Header and rows; None for what is to be refused."""
    try:
        reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
        records = [record for record in reader if record]
    except csv.Error:
        return None
    if not records or len(set(records[0])) < len(records[0]):
        return None
    if any(len(record) != len(records[0]) for record in records):
        return None
    return None if _has_a_stray_quote(text.removeprefix("\ufeff")) else records


def _has_a_stray_quote(text: str) -> bool:
    """Whether a field has a quote in it that is not enclosed in quotes, which Python allows."""
    state = "start"
    for sign in text:
        if state == "inside":
            state = "closed" if sign == '"' else "inside"
        elif sign in ",\r\n":
            state = "start"
        elif sign == '"':
            if state == "middle":
                return True
            state = "inside"  # it opens a field, or is the second of two
        else:
            state = "middle"
    return False


def _as_we_read(root: Path, content: bytes, **options: Any) -> list[list[str]] | None:
    """Header and rows; None when they are refused."""
    (root / "rows.csv").write_bytes(content)
    source = source_of("csv", files={"train": "rows.csv"}, **options)
    try:
        with small_pieces(SMALL, 16):
            table = read_whole(source, root)["train"]
    except InputError as error:
        (found,) = error.diagnostics
        assert found.code in ("E303", "E304")
        assert "rows.csv" in found.message
        return None
    columns = [table[name].to_pylist() for name in table.column_names]
    return [table.column_names, *map(list, zip(*columns, strict=True))]


@settings(_SETTINGS, max_examples=1000)
@given(_RICH)
def test_any_text_is_read_as_python_reads_it_or_refused(tmp_path: Path, text: str) -> None:
    assert _as_we_read(tmp_path, text.encode()) == _as_python_reads(text)


@settings(_SETTINGS, max_examples=300)
@given(_RICH)
def test_any_text_below_a_header_is_read_as_python_reads_it_or_refused(
    tmp_path: Path, text: str
) -> None:
    for header in ("a\n", "a,b\r\n", 'a,"b\n""c"\n'):
        text_ = header + text
        assert _as_we_read(tmp_path, text_.encode()) == _as_python_reads(text_)


@settings(_SETTINGS, max_examples=200)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(_FIELD, min_size=width, max_size=width), max_size=60)
    ),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
)
def test_what_python_writes_is_read_as_it_was(
    tmp_path: Path, rows: list[list[str]], end: str, quoting: Any, mark: bool
) -> None:
    header = [f"column {i}" for i in range(len(rows[0]) if rows else 1)]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator=end, quoting=quoting).writerows([header, *rows])
    text = "\ufeff" * mark + buffer.getvalue()
    found = _as_we_read(tmp_path, text.encode())
    # Python leaves a lone return or NUL without quotes in some versions: then both see another row.
    assert found == _as_python_reads(text)
    if quoting == csv.QUOTE_ALL:
        assert found == [header, *rows]


def test_many_pieces_of_one_file_are_numbered_through(tmp_path: Path) -> None:
    rows = _rows(500)
    (tmp_path / "rows.csv").write_bytes(_csv(rows))
    params = {"source": {"type": "csv", "files": {"train": "rows.csv"}}}
    with small_pieces(SMALL):
        run_runner("fetch", params, tmp_path, {}, {"raw": tmp_path / "raw"})
    shards = read_index(tmp_path / "raw").splits["train"]
    assert len(shards) > 50
    first = 1
    for shard in shards:
        table = read_parquet(tmp_path / "raw" / shard.path)
        assert (shard.first, shard.file, shard.rows) == (first, "rows.csv", len(table))
        assert table["text"].to_pylist() == [t for t, _ in rows[first - 1 : first - 1 + len(table)]]
        first += len(table)
    assert first == 501


def test_a_fault_far_into_a_file_is_told_with_its_row_and_line(tmp_path: Path) -> None:
    good = _csv(_rows(300))
    for wrong, said in (
        (b"one field\r\n", "row 301: 1 fields"),
        (b'a "b" c,a\r\n', "line 302: a quote"),
        (b'"open,a\r\n', "line 302"),
        (b"caf\xe9,a\r\n", f"line 302: byte 0xe9 at offset {len(good) + 3} "),
    ):
        (tmp_path / "rows.csv").write_bytes(good + wrong + b"some words,b\r\n" * 9)
        params = {"source": {"type": "csv", "files": {"train": "rows.csv"}}}
        with small_pieces(SMALL), pytest.raises(InputError) as caught:
            run_runner("fetch", params, tmp_path, {}, {"raw": tmp_path / "raw"})
        assert f"rows.csv, {said}" in caught.value.diagnostics[0].message


# Packed files and encodings

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACK)
def test_a_packed_file_is_read_as_the_plain_one(tmp_path: Path, ending: str) -> None:
    plain = _csv(_rows(400))
    (tmp_path / "rows.csv").write_bytes(plain)
    # As `cat a.gz b.gz` makes it: two packed files, one after the other.
    (tmp_path / f"two.csv{ending}").write_bytes(
        PACK[ending](plain[:999]) + PACK[ending](plain[999:])
    )
    (tmp_path / f"rows.csv{ending}").write_bytes(PACK[ending](plain))
    names = ("rows.csv", f"rows.csv{ending}", f"two.csv{ending}")
    with small_pieces(SMALL):
        found = [_pieces(source_of("csv", files={"train": n}), tmp_path) for n in names]
    assert len(found[0]) > 50
    assert found[0] == found[1] == found[2]


def _pieces(source: Source, root: Path) -> list[tuple[str | None, dict[str, list[str]]]]:
    return [(piece.key, piece.read(1).to_pydict()) for _, piece in source.read(root)]


@pytest.mark.parametrize("ending", PACK)
def test_a_damaged_packed_file_is_told(tmp_path: Path, ending: str) -> None:
    draw = random.Random(2)  # noqa: S311
    lines = [b"%d,a\n" % draw.getrandbits(60) for _ in range(3000)]
    plain = b"text,label\n" + b"".join(lines)
    packed = PACK[ending](plain)
    name = f"rows.csv{ending}"
    source = source_of("csv", files={"train": name})
    damaged = [packed[: len(packed) // 2], packed[:-1], b"text,label\nx,a\n", packed[:3]]
    for content in damaged:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_whole(source, tmp_path)
        (found,) = caught.value.diagnostics
        assert found.code == "E315", content[:20]
        assert name in found.message
        assert found.help


ENCODINGS = ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "shift_jis")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = {"shift_jis": "映画, 良い", "latin-1": "café, ½"}.get(encoding, "café, “so-so”")
    rows = [(f"{text} {i}", "ab"[i % 2]) for i in range(300)]
    (tmp_path / "rows.csv").write_bytes(_csv(rows).decode().encode(encoding))
    source = source_of("csv", files={"train": "rows.csv"}, encoding=encoding)
    for block in (1, 7, 1 << 20):
        with small_pieces(SMALL, block):
            table = read_whole(source, tmp_path)["train"]
        assert list(zip(*table.to_pydict().values(), strict=True)) == rows


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_mark_in_front_is_no_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "rows.csv").write_bytes("\ufefftext,label\nx,a\n".encode(encoding))
    source = source_of("csv", files={"train": "rows.csv"}, encoding=encoding)
    assert read_whole(source, tmp_path)["train"].to_pylist() == [{"text": "x", "label": "a"}]


@pytest.mark.parametrize(
    ("encoding", "good", "bad"),
    [
        ("utf-8", "é".encode(), b"\xff"),
        ("utf-8", "é".encode(), b"\xc3"),
        ("cp1252", b"\xe9", b"\x81"),
        ("ascii", b"e", b"\xe9"),
        ("shift_jis", "映".encode("shift_jis"), b"\xa0"),
        ("utf-16-le", "é".encode("utf-16-le"), b"\x00\xdc"),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_byte_that_is_not_of_the_encoding_is_told_with_its_offset(
    tmp_path: Path, encoding: str, good: bytes, bad: bytes, block: int
) -> None:
    starts = [b"", "\ufeff".encode(encoding)] if encoding.startswith("utf") else [b""]
    for start, count in product(starts, (0, 1, 200)):
        line = good * 5 + ",a\n".encode(encoding)
        before = start + "text,label\n".encode(encoding) + line * count + good * 2
        (tmp_path / "rows.csv").write_bytes(before + bad + ",b\n".encode(encoding) + line)
        source = source_of("csv", files={"train": "rows.csv"}, encoding=encoding)
        with small_pieces(SMALL, block), pytest.raises(InputError) as caught:
            read_whole(source, tmp_path)
        (found,) = caught.value.diagnostics
        assert found.code == "E302"
        assert f"byte {bad[0]:#04x} at offset {len(before)} is not" in found.message
        assert found.help


@pytest.mark.parametrize(
    ("encoding", "content"),
    [("utf-7", b"a\n+2AA-\n"), ("unicode_escape", b"a\n\\ud800\n"), ("punycode", b"a\n-\n")],
)
def test_what_an_encoding_decodes_to_no_text_is_told(
    tmp_path: Path, encoding: str, content: bytes
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    source = source_of("csv", files={"train": "rows.csv"}, encoding=encoding)
    with pytest.raises(InputError) as caught:
        read_whole(source, tmp_path)
    (found,) = caught.value.diagnostics
    assert found.code == "E302"
    assert found.message.startswith(f"rows.csv is not text in {encoding}: ")


# Kept shards


def _make(text: str, *names: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in names:
            (folder / name).write_text(text)

    return make


def _never(folder: Path) -> None:
    raise AssertionError("it is there already")


def _placed(reuse: Reuse, key: str, make: Callable[[Path], None], out: Path) -> Mapping[str, str]:
    out.mkdir(exist_ok=True)
    return reuse.place(key, make, lambda name: out / name).digests


def test_what_is_kept_is_not_made_again(tmp_path: Path) -> None:
    reuse = Reuse(tmp_path / "kept")
    first = _placed(reuse, "k", _make("x", "a", "b"), tmp_path / "one")
    assert _placed(reuse, "k", _never, tmp_path / "equal") == first
    assert not reuse.of_earlier
    reuse = Reuse(tmp_path / "kept")
    assert _placed(reuse, "k", _never, tmp_path / "two") == first
    assert reuse.of_earlier
    assert reuse.digests == {tmp_path / "two" / name: value for name, value in first.items()}
    assert digest_files(tmp_path / "two") == first == digest_files(tmp_path / "one")


def test_a_shard_of_no_file_is_kept_too(tmp_path: Path) -> None:
    assert _placed(Reuse(tmp_path / "kept"), "k", _make("x"), tmp_path / "one") == {}
    assert _placed(Reuse(tmp_path / "kept"), "k", _never, tmp_path / "one") == {}


def test_shards_are_read_only_and_take_no_room_of_their_own(tmp_path: Path) -> None:
    _placed(Reuse(tmp_path / "kept"), "k", _make("x", "a"), tmp_path / "one")
    about = (tmp_path / "one/a").stat()
    assert about.st_mode & 0o222 == 0
    assert about.st_ino == (tmp_path / "kept/k/a").stat().st_ino


def test_where_there_are_no_links_shards_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", none)
    reuse = Reuse(tmp_path / "kept")
    digests = _placed(reuse, "k", _make("x", "a"), tmp_path / "one")
    assert digest_files(tmp_path / "one") == digests
    assert (tmp_path / "one/a").stat().st_ino != (tmp_path / "kept/k/a").stat().st_ino


def _grow(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("xx")


def _touch(path: Path) -> None:
    about = path.stat()
    path.chmod(0o644)
    path.write_text("y")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))


def _halve(path: Path) -> None:
    """The list as a crash may leave it."""
    about = path.parent / "list.json"
    about.write_text(about.read_text()[: about.stat().st_size // 2])


def _empty(path: Path) -> None:
    (path.parent / "list.json").write_text("")


@pytest.mark.parametrize("damage", [_grow, _touch, Path.unlink, _halve, _empty])
def test_a_damaged_shard_is_made_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    digests = _placed(Reuse(tmp_path / "kept"), "k", _make("x", "a", "b"), tmp_path / "one")
    damage(tmp_path / "kept/k/b")
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        _make("x", "a", "b")(folder)

    assert _placed(Reuse(tmp_path / "kept"), "k", make, tmp_path / "two") == digests
    assert digest_files(tmp_path / "two") == digests
    assert len(calls) == 1


def test_after_ctrl_c_the_rerun_goes_on_with_what_is_whole(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> None:
        _make("half", "a")(folder)
        raise KeyboardInterrupt

    reuse = Reuse(tmp_path / "kept")
    _placed(reuse, "whole", _make("x", "a"), tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        _placed(reuse, "half", interrupted, tmp_path / "one-half")
    assert not (tmp_path / "kept/half").exists()
    assert not list((tmp_path / "one-half").iterdir())
    again = Reuse(tmp_path / "kept")
    _placed(again, "whole", _never, tmp_path / "two")
    _placed(again, "half", _make("whole", "a"), tmp_path / "two-half")
    assert (tmp_path / "two-half/a").read_text() == "whole"
    again.keep_used()
    assert sorted(p.name for p in (tmp_path / "kept").iterdir()) == ["half", "whole"]


def test_what_a_run_does_not_use_goes(tmp_path: Path) -> None:
    for key in ("old", "new"):
        _placed(Reuse(tmp_path / "kept"), key, _make(key, "a"), tmp_path / key)
    reuse = Reuse(tmp_path / "kept")
    _placed(reuse, "new", _never, tmp_path / "again")
    reuse.keep_used()
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["new"]
    assert (tmp_path / "old/a").read_text() == "old", "an artifact keeps its files"


def test_fetch_goes_on_where_it_was_interrupted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.runtime import fetch

    rows = _rows(300)
    written: list[Path] = []

    def write(table: pa.Table, path: Path) -> None:
        if len(written) == 20:
            raise KeyboardInterrupt
        written.append(path)
        write_parquet(table, path)

    monkeypatch.setattr(fetch, "write_parquet", write)
    with pytest.raises(KeyboardInterrupt):
        _build(root, rows, "interrupted", "kept")
    monkeypatch.undo()
    assert len(list((root / "kept/raw").glob("*/list.json"))) == 20
    before = {p.name: p.stat().st_ino for p in (root / "kept/raw").iterdir()}
    built = _build(root, rows, "out", "kept")
    after = {p.name: p.stat().st_ino for p in (root / "kept/raw").iterdir()}
    assert not [name for name in after if name.endswith(".new")]
    whole = {name: inode for name, inode in before.items() if not name.endswith(".new")}
    assert whole.items() <= after.items()
    assert built == _build(root, rows, "anew", "none")


def _given(table: pa.Table, first: int) -> pa.Table:
    return table


def test_rows_of_a_source_that_is_known_only_once_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces without a key, with ones that have a key and no row between them."""
    from bertspec.catalog.sources.csv import Csv
    from bertspec.pipeline.params.fetch import FetchParams

    tables = [
        ("key", pa.table({"a": pa.array([], pa.string())})),
        (None, pa.table({"a": ["x", "y"]})),
        (None, pa.table({"a": pa.array([], pa.string())})),
        ("other", pa.table({"a": ["z"]})),
    ]

    def read(self: Csv, root: Path, known: KnownCuts) -> Iterator[tuple[SplitName, Piece]]:
        for key, table in tables:
            yield "train", Piece("f", key, partial(_given, table))

    monkeypatch.setattr(Csv, "read", read)
    params = FetchParams.model_validate({"source": {"type": "csv", "files": {"train": "f"}}})
    seen: list[Reuse] = []
    init = Reuse.__init__

    def remember(self: Reuse, folder: Path) -> None:
        init(self, folder)
        seen.append(self)

    monkeypatch.setattr(Reuse, "__init__", remember)
    raw = tmp_path / "raw"
    run_runner("fetch", params, tmp_path, {}, {"raw": raw})
    shards = read_index(raw).splits["train"]
    assert [(s.path, s.rows, s.first) for s in shards] == [
        ("train-000000.parquet", 2, 1),
        ("train-000001.parquet", 1, 3),
    ]
    assert digest_files(raw, seen[0].digests) == digest_files(raw)
    assert [s.sha256 for s in shards] == [digest_files(raw)[s.path] for s in shards]


# Ids


@settings(_SETTINGS, max_examples=200)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "dé"]), max_size=20), max_size=5))
def test_equal_ids_are_numbered_as_a_dictionary_would(chunks: list[list[str]]) -> None:
    seen: Counter[str] = Counter()
    expected = []
    for value in (value for chunk in chunks for value in chunk):
        seen[value] += 1
        expected.append(value if seen[value] == 1 else f"{value}-{seen[value]}")
    arrays = [pa.array(chunk, pa.string()) for chunk in chunks]
    found = numbered(pa.chunked_array(arrays, pa.string()))
    assert found.to_pylist() == expected
    assert found.type == pa.string()
