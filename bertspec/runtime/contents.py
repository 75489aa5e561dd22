"""Digests of tensors and tables, which do not depend on how a file holds them.

Order of tensors, compression, sizes of groups of rows, notes of who wrote it: other bytes, and the
same content.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.core.digest import digest

if TYPE_CHECKING:
    import pyarrow as pa

TENSORS = ".safetensors"
TABLES = (".parquet", ".arrow")

_ROWS = 2**16
"""Of a table that are put together at a time."""


def contents(
    folder: Path, names: Iterable[str], known: Mapping[Path, str | None]
) -> Mapping[str, str]:
    """The digest of each file of `names` below a folder that has one; what is `known` is taken."""

    def of(name: str) -> str | None:
        path = folder / name
        return known[path] if path in known else content_digest(path)

    names = list(names)
    with ThreadPoolExecutor() as threads:  # hashing leaves Python's lock
        found = zip(names, threads.map(of, names), strict=True)
    return {name: value for name, value in found if value is not None}


def content_digest(path: Path) -> str | None:
    """SHA-256 of what a file holds, in hexadecimal; None for other files, and other types.

    Raises what the format's library does for a file that is damaged.
    """
    if path.suffix == TENSORS:
        return _of_tensors(path)
    try:
        return _of_table(table_of(path)) if path.suffix in TABLES else None
    except _UnknownTypeError:
        return None


class _UnknownTypeError(Exception):
    """A column is of a type that has no digest here, such as a map's."""


def table_of(path: Path) -> "pa.Table":
    """The table of a file of TABLES."""
    from bertspec.runtime.tables import read_arrow, read_parquet

    return read_parquet(path) if path.suffix == ".parquet" else read_arrow(path)


def _of_tensors(path: Path) -> str:
    """Of each tensor's name, type and shape, and of its bytes, by name.

    The file begins with the length of a JSON object that says where each lies
    (https://huggingface.co/docs/safetensors, "Format").
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        start = 8 + int.from_bytes(data[:8], "little")
        header: dict[str, Any] = json.loads(data[8:start])
        header.pop("__metadata__", None)
        view = memoryview(data)
        try:
            found = {
                name: [
                    about["dtype"],
                    about["shape"],
                    _of_part(view, start, *about["data_offsets"]),
                ]
                for name, about in header.items()
            }
        finally:
            view.release()
    return digest(found)


def _of_part(view: memoryview, start: int, first: int, end: int) -> str:
    with view[start + first : start + end] as part:
        return hashlib.sha256(part).hexdigest()


def _of_table(table: "pa.Table") -> str:
    """Of names, types and values of the columns."""
    import pyarrow as pa

    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        hashed = hashlib.sha256()
        for start in range(0, len(table), _ROWS):
            _feed(hashed, pa.concat_arrays(column.slice(start, _ROWS).chunks))
        found.append([name, _type(column.type), hashed.hexdigest()])
    return digest([len(table), found])


def _type(kind: "pa.DataType") -> Any:
    """What a type is, without the name that a format gives to the values of lists."""
    import pyarrow as pa

    if _is_list(kind):
        return ["list", _type(kind.value_type)]
    if pa.types.is_struct(kind):
        return [[field.name, _type(field.type)] for field in kind]
    return str(kind)


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    of_types = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in of_types)


def _feed(hashed: Any, array: "pa.Array") -> None:
    """Which values there are, how long each is if they are of many lengths, and the values.

    What a file holds in the place of a value that is not there does not count.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    is_valid = array.is_valid().to_numpy(zero_copy_only=False)
    hashed.update(np.packbits(is_valid).tobytes())
    kind = array.type
    if _is_list(kind):
        lengths = pc.list_value_length(array).cast(pa.int64())
        _feed(hashed, lengths.fill_null(0))
        _feed(hashed, array.flatten())
    elif pa.types.is_struct(kind):
        for field in array.flatten():
            _feed(hashed, field)
    elif pa.types.is_primitive(kind):
        filled = array.filter(array.is_valid())
        if pa.types.is_time(kind):  # numpy would have objects
            filled = filled.view(pa.int32() if pa.types.is_time32(kind) else pa.int64())
        hashed.update(filled.to_numpy(zero_copy_only=False).tobytes())
    elif not pa.types.is_null(kind):
        if kind not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
            raise _UnknownTypeError
        data = array.filter(array.is_valid()).cast(pa.large_binary())
        _feed(hashed, pc.binary_length(data))
        _, places, bytes_ = data.buffers()
        if len(data):
            borders = np.frombuffer(places, np.int64)[data.offset : data.offset + len(data) + 1]
            hashed.update(memoryview(bytes_)[borders[0] : borders[-1]])
