"""manifest.json: what an artifact holds, and what it was made from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.core.digest import digest, file_digest

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Written into each folder that a stage makes. Holds no clock, host or absolute path."""

    stage: str
    version: int
    params: Mapping[str, Any]
    packages: Mapping[str, str]
    threads: int | None
    inputs: Mapping[str, str]
    """Path of each input -> its digest."""
    files: Mapping[str, str]
    """Path of each file, relative to the folder -> SHA-256 of its bytes."""

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Raises FileNotFoundError when the folder has none."""
        return cls(**json.loads((folder / NAME).read_text(encoding="utf-8")))


def digest_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but its manifest, by relative POSIX path."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / NAME)
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in paths}


def digest_artifact(path: Path) -> str:
    """The digest by which another artifact names this one: its bytes, or its manifest's files."""
    if path.is_file():
        return file_digest(path)
    if (path / NAME).is_file():
        return digest(Manifest.read(path).files)
    return digest(digest_files(path))
