"""The split of a row: a function of its content alone, so that other rows may come and go."""

import hashlib
from collections.abc import Mapping, Sequence

from bertspec.catalog.source import SplitName
from bertspec.core.digest import canonical_json

_BITS = 53
"""As many bits as a double holds exactly, so that the share is the same on every machine."""


def row_digest(row: Mapping[str, str]) -> str:
    """Id of a row: 128 bits of the SHA-256 of its canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(row).encode()).hexdigest()[:32]


def split_of(key: Sequence[str], validation: float, test: float, salt: str) -> SplitName:
    """Rows with an equal key are in one split.

    The key's digest is a point in [0, 1): below `test` it is in test, then for as long as
    `validation` in validation, else in train. Raising one share so moves rows in one direction.
    """
    digest = hashlib.sha256(canonical_json([salt, *key]).encode()).digest()
    point = (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / 2**_BITS
    if point < test:
        return "test"
    return "validation" if point < test + validation else "train"
