"""Build stages again in a folder of their own, where other things are that must not matter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bertspec.core.errors import CheckFailed, EnvironmentFault, InputError, InternalError
from bertspec.core.watched import watched

CIRCUMSTANCES = {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
"""Other than most users have: locale, time zone, order of sets. The umask is another one, too."""

_UMASK = 0o077


def copy_sources(sources: Iterable[str], root: Path, folder: Path) -> None:
    """Copy the user's own files, as the project has them, to where stages read them: what DVC
    watches, as digests of them are of this.
    """
    for source in sources:
        target = folder / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (root / source).is_dir():  # of which another stage may have files already
            for place, names in watched(root / source):
                below = target / Path(place).relative_to(root / source)
                below.mkdir(parents=True, exist_ok=True)
                for name in names:
                    if Path(place, name).is_file():  # and no link that leads nowhere
                        shutil.copyfile(Path(place, name), below / name)
        elif (root / source).is_file():  # what is missing the stage tells
            shutil.copyfile(root / source, target)


def rebuild(stage: str, folder: Path) -> None:
    """Run a stage in a process of its own.

    Raises the kind of error that the stage ends with (E481), with what it says.
    """
    # -P: what is in the folder is not in the way of imports.
    program = [sys.executable, "-P", "-c", "from bertspec.cli import main; main()"]
    result = subprocess.run(
        [*program, "stage", stage], cwd=folder, env=os.environ | CIRCUMSTANCES, umask=_UMASK,
        capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if result.returncode:
        kinds = (CheckFailed, InputError, EnvironmentFault)
        kind = next((k for k in kinds if k.exit_code == result.returncode), InternalError)
        said = result.stderr.strip() or f"it ended with {result.returncode}"
        raise kind.of("E481", f"{stage} fails in the rebuild:\n{said}")
