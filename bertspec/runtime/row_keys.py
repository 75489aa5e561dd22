"""Ids and keys of rows: digests of their content alone, as canonical JSON.

`row_digest` and `point_of` say what they are for one row; the other functions give the same for
columns.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bertspec.core.digest import canonical_json
from bertspec.runtime.raw_shard import as_array
from bertspec.runtime.shards import ROW

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BITS = 53
"""As many bits as a double holds exactly, so that the share is the same on every machine."""

_SPECIAL = r'["\\\x00-\x1f]'
"""What JSON escapes; everything else it writes as it is."""


def row_digest(row: Mapping[str, object]) -> str:
    """Id of a row: 128 bits of the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(row).encode()).hexdigest()[:32]


def point_of(key: Sequence[str], salt: str) -> float:
    """The point in [0, 1) of a key: the first 53 bits of a digest."""
    digest = hashlib.sha256(canonical_json([salt, *key]).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / 2**_BITS


def row_digests(mapped: "pa.Table") -> "pa.Array":
    """`row_digest` of each row of a mapped table, of all its columns but ROW."""
    import pyarrow as pa
    from pyarrow import compute as pc

    parts: list[pa.Array | str] = []
    for name in sorted(set(mapped.column_names) - {ROW}):
        parts += [("," if parts else "{") + canonical_json(name) + ":", _json(mapped[name])]
    documents = pc.binary_join_element_wise(*parts, "}", "")
    return pa.array(
        [hashlib.sha256(document).hexdigest()[:32] for document in utf8(documents)], pa.string()
    )


def key_json(keys: "Sequence[pa.Array | pa.ChunkedArray]") -> "pa.Array":
    """What is hashed of each row beside the salt: the canonical JSON of its key, without `[`."""
    from pyarrow import compute as pc

    parts = [_json(values) for values in keys]
    return pc.binary_join_element_wise(
        pc.binary_join_element_wise(*parts, ",") if len(parts) > 1 else parts[0], "]", ""
    )


def points(key_json: "pa.Array", salt: str) -> "np.ndarray":
    """`point_of` each row; a digest for each distinct key."""
    encoded = key_json.dictionary_encode()
    return digest_points(utf8(encoded.dictionary), salt)[encoded.indices.to_numpy()]


def digest_points(keys: Iterable[bytes], salt: str) -> "np.ndarray":
    import numpy as np

    start = (canonical_json([salt])[:-1] + ",").encode()
    digests = b"".join(hashlib.sha256(start + key).digest()[:8] for key in keys)
    whole = np.frombuffer(digests, ">u8") >> np.uint64(64 - _BITS)
    return whole.astype(np.float64) / 2**_BITS


def _json(values: "pa.Array | pa.ChunkedArray") -> "pa.Array":
    """Canonical JSON of each value: text, a list of texts, a number, SQuAD's answers, or spans."""
    import pyarrow as pa
    from pyarrow import compute as pc

    values = as_array(values)
    if pa.types.is_floating(values.type) or pa.types.is_struct(values.type):
        return pa.array([canonical_json(value) for value in values.to_pylist()], pa.string())
    if not pa.types.is_list(values.type):
        return _json_of_text(values)
    if pa.types.is_struct(values.type.value_type):
        return pa.array([canonical_json(value) for value in values.to_pylist()], pa.string())
    items = _json_of_text(values.flatten())
    counts = pc.list_value_length(values).to_numpy()
    joined = pc.binary_join(_lists(items, counts), ",")
    return pc.binary_join_element_wise("[", joined, "]", "")


def _lists(items: "pa.Array", counts: "np.ndarray") -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def _json_of_text(values: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    from pyarrow import compute as pc

    quoted = pc.binary_join_element_wise('"', values, '"', "")
    special = pc.match_substring_regex(values, _SPECIAL)
    if pc.any(special).as_py():
        # Arrow replaces one character at a time, and Python's encoder, in C, all of them.
        encode = json.JSONEncoder(ensure_ascii=False).encode
        written = pa.array(map(encode, values.filter(special).to_pylist()), pa.string())
        quoted = pc.replace_with_mask(quoted, special, written)
    return quoted


def utf8(texts: "pa.Array") -> Iterable[bytes]:
    """The UTF-8 of each text."""
    import numpy as np

    if not len(texts):
        return
    _, offsets, data = texts.buffers()
    first, last = texts.offset, texts.offset + len(texts) + 1
    places = np.frombuffer(offsets, np.int32)[first:last].tolist()
    content = data.to_pybytes() if data is not None else b""
    for start, end in pairwise(places):
        yield content[start:end]
