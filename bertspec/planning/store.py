"""What DVC keeps in its cache, or in a remote, which is laid out alike: contents, and runs."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertspec.core.looks import note
from bertspec.planning.hashes import Hashes

_PROTECTED = 0o444
"""The mode of what DVC has put into its cache. What has another one may have been written to."""


class Store:
    """A folder of contents, named by their digests, and of runs; None holds nothing."""

    def __init__(self, folder: Path | None, hashes: Hashes | None = None) -> None:
        """With `hashes` a content that is not protected must be what its name says."""
        self._folder = folder
        self._hashes = hashes
        self._held: dict[str, bool] = {}

    def holds(self, digest: str) -> bool:
        """Whether the content of this digest is there; of a folder, with every file in it."""
        return bool(note("held", digest, self._has(digest)))

    def run(self, key: str) -> Mapping[str, Any] | None:
        """The newest run of this key, as dvc.lock would have it."""
        import yaml

        from bertspec.core.yaml import load_plain

        if self._folder is None:
            return None
        folder = self._folder / "runs" / key[:2] / key
        try:
            newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime)
            found = load_plain(newest.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return None
        return found if isinstance(found, dict) else None

    def learn(self) -> bool:
        """Ask for all that was taken to be there; whether some of it is not.

        Of a folder nothing is: see `remote_store`.
        """
        return False

    def _has(self, digest: str) -> bool:
        if digest not in self._held:
            self._held[digest] = self._holds(digest)
        return self._held[digest]

    def _holds(self, digest: str) -> bool:
        if self._folder is None:
            return False
        file = f"{self._folder}/files/md5/{digest[:2]}/{digest[2:]}"
        try:
            mode = stat.S_IMODE(os.stat(file).st_mode)  # noqa: PTH116 - of thousands of files
        except OSError:
            return False
        known = digest.removesuffix(".dir")
        if self._hashes and mode != _PROTECTED and self._hashes.of(file) != known:
            return False
        if not digest.endswith(".dir"):
            return True
        try:
            return all(self._has(e["md5"]) for e in json.loads(Path(file).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return False


def run_key(
    cmd: Any,
    inputs: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Mapping[str, Any]],
    outputs: list[str],
) -> str:
    """The key by which DVC remembers a run; see `dvc/stage/cache.py`.

    `inputs` give for each path what dvc.lock says of it beside the size.
    """
    run = {
        "cmd": cmd,
        "deps": [{"path": path, **inputs[path]} for path in sorted(inputs)],
        "params": params,
        "outs": sorted(outputs),
    }
    text = json.dumps({key: value for key, value in run.items() if value}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
