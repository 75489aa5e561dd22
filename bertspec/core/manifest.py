"""The manifest beside an artifact: what it holds, and what it was made from."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.core.digest import digest, file_digest


def manifest_path(artifact: str) -> str:
    """Path of an artifact's manifest. Beside the folder, not in it: stages that read the folder
    need not run again when it was made in another way and holds the same.
    """
    return f"{artifact}.manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Holds no clock, host name or absolute path."""

    stage: str
    version: int
    params: Mapping[str, Any]
    packages: Mapping[str, str]
    threads: int | None
    inputs: Mapping[str, str]
    """Path of each input -> its digest."""
    files: Mapping[str, str]
    """Path of each file, relative to the folder -> SHA-256 of its bytes."""

    def write(self, path: Path) -> None:
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Raises FileNotFoundError."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def digest_files(folder: Path, known: Mapping[Path, str] | None = None) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative POSIX path, except what is `known`."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    found = dict(known or {})
    new = [p for p in paths if p not in found]
    with ThreadPoolExecutor() as threads:  # hashing leaves Python's lock
        found |= zip(new, threads.map(file_digest, new), strict=True)
    return {p.relative_to(folder).as_posix(): found[p] for p in paths}


def digest_artifact(path: Path) -> str:
    """The digest by which a manifest names an input: of a file's bytes, or of a folder's files."""
    return file_digest(path) if path.is_file() else digest(digest_files(path))
