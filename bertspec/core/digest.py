"""Canonical JSON and the digests made from it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def canonical_json(value: Any) -> str:
    """JSON text that is equal exactly when the value is: sorted keys, no spaces, UTF-8 as is.

    Floats print as Python's shortest `repr`, which is the same on every machine (RFC 8785 asks
    for the same digits). Raises ValueError for NaN and infinity, TypeError for what JSON lacks.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def dir_hash(files: Mapping[str, str]) -> str:
    """in-toto's `dirHash`, which is Go's Hash1: of what sha256sum says of the files, by path."""
    lines = [f"{files[path]}  {path}\n" for path in sorted(files)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
