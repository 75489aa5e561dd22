"""The manifest beside an artifact: what it holds, and what it was made from."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bertspec.core.digest import digest, dir_hash, file_digest
from bertspec.core.watched import watched


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
    contents: Mapping[str, str] = field(default_factory=dict)
    """Path of each file of tensors or a table -> digest of these, in whatever bytes."""
    device: str | None = None
    """Where it was computed, if not on the processor; then it is not written."""
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Path of each of the user's own files and folders that it was made from -> its digests, by
    in-toto's names of them; not written where there is none.
    """

    def write(self, path: Path) -> None:
        values = asdict(self)
        if not self.contents:
            del values["contents"]
        if self.device is None:
            del values["device"]
        if not self.sources:
            del values["sources"]
        text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Raises FileNotFoundError."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def digest_files(folder: Path, known: Mapping[Path, str] | None = None) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative POSIX path, except what is `known`."""
    return _digests(folder, ((place, names) for place, _, names in os.walk(folder)), known or {})


def _digests(
    folder: Path, places: Iterable[tuple[str, list[str]]], known: Mapping[Path, str]
) -> dict[str, str]:
    from concurrent.futures import ThreadPoolExecutor

    digests: dict[str, str | None] = {}
    for place, names in places:
        for path in map(Path(place).joinpath, names):
            if path in known or path.is_file():
                digests[path.relative_to(folder).as_posix()] = known.get(path)
    new = [name for name, value in digests.items() if value is None]
    with ThreadPoolExecutor() as threads:  # hashing leaves Python's lock
        found = dict(zip(new, threads.map(file_digest, map(folder.joinpath, new)), strict=True))
    return {name: digests[name] or found[name] for name in sorted(digests)}


def digest_artifact(path: Path) -> str:
    """The digest by which a manifest names an input: of a file's bytes, or of a folder's files."""
    return file_digest(path) if path.is_file() else digest(digest_files(path))


def digest_source(path: Path) -> dict[str, str]:
    """The digests of a file or folder of the user's own, which tools of others have, too.

    Of a folder it is of what DVC watches: when something else changes, nothing is built again.
    """
    return (
        {"dirHash": dir_hash(_digests(path, watched(path), {}))}
        if path.is_dir()
        else {"sha256": file_digest(path)}
    )
