"""Build stages again in a folder of their own, where other things are that must not matter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bertspec.core.errors import CheckFailed

CIRCUMSTANCES = {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
"""Other than most users have: locale, time zone, order of sets. The umask is another one, too."""

_UMASK = 0o077


def copy_sources(sources: Iterable[str], root: Path, folder: Path) -> None:
    """Copy the user's own files, as the project has them, to where stages read them."""
    for source in sources:
        target = folder / source
        if target.exists() or not (root / source).exists():  # the stage says what is missing
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if (root / source).is_dir():
            shutil.copytree(root / source, target)
        else:
            shutil.copyfile(root / source, target)


def rebuild(stage: str, folder: Path) -> None:
    """Run a stage in a process of its own. Raises CheckFailed (E480) when it fails."""
    program = [sys.executable, "-c", "from bertspec.cli import main; main()"]
    result = subprocess.run(
        [*program, "stage", stage], cwd=folder, env=os.environ | CIRCUMSTANCES, umask=_UMASK,
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if result.returncode:
        said = result.stderr.strip() or f"it ended with {result.returncode}"
        raise CheckFailed.of("E480", f"{stage} fails in the rebuild:\n{said}")
