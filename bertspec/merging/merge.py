"""Merge one file for git: by what it is, or else line by line as git does."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from bertspec.core.files import write_atomic
from bertspec.core.yaml import load_plain
from bertspec.pipeline.layout import COMMAND, DVC_FILE, DVC_LOCK, LOCK_FILE, PARAMS_FILE

COMPILED = (LOCK_FILE, DVC_LOCK, DVC_FILE, PARAMS_FILE)
"""Names of files that are merged by what they say."""


def merge_file(base: Path, ours: Path, theirs: Path, path: str) -> tuple[bool, str]:
    """Write the merge of three files to `ours`; whether it is final, and what to tell.

    `path` is the file's own, relative to the top of the working tree, where git calls this.
    """
    files = (base, ours, theirs)
    try:
        if Path(path).name not in COMPILED:
            # Metrics and plots that both built: their stage runs again, see `lockfile.py`.
            return _is_built(path) or by_lines(files), ""
        from bertspec.merging.compiled import MERGES

        texts = [file.read_bytes().decode("utf-8-sig") for file in files]
        text, final, told = MERGES[Path(path).name](*texts)
    except Exception as error:  # noqa: BLE001 - whatever it is, git's own merge is there
        said = str(error).partition("\n")[0]
        return by_lines(files), f"{path}: merged line by line ({said})"
    write_atomic(ours, text.encode())
    return final, f"{path}: {told}" if told else ""


def by_lines(files: Sequence[Path]) -> bool:
    """Let git merge base, ours and theirs into ours, with marks where it cannot; if it could."""
    base, ours, theirs = map(str, files)
    command = ("git", "merge-file", "-L", "ours", "-L", "base", "-L", "theirs", ours, base, theirs)
    return subprocess.run(command, check=False).returncode == 0


def _is_built(path: str) -> bool:
    """Whether a compiled stage writes the file to git, as dvc.yaml of our side has it."""
    for folder in Path(path).parents:
        if (folder / DVC_FILE).is_file():
            text = (folder / DVC_FILE).read_text(encoding="utf-8-sig")
            stages = (load_plain(text) or {}).get("stages") or {}
            ours = [s for name, s in stages.items() if s.get("cmd") == COMMAND + name]
            outs = [out for stage in ours for k in ("metrics", "plots") for out in stage.get(k, ())]
            return Path(path).relative_to(folder).as_posix() in {next(iter(out)) for out in outs}
    return False
