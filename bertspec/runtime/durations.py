"""How long stages took here. Outside of all that is hashed: in the git-ignored folder."""

import json
import math
from contextlib import suppress
from pathlib import Path

from bertspec.core.files import make_ignored
from bertspec.pipeline.layout import WORK_FOLDER

_FOLDER = "durations"


def note_duration(root: Path, stage: str, seconds: float) -> None:
    """Note what a whole run of a stage took; nothing depends on it, so no failure is told."""
    with suppress(OSError):
        file = _file(root, stage)
        make_ignored(root / WORK_FOLDER)
        file.parent.mkdir(exist_ok=True)
        # Half of it is no JSON, and then not read.
        file.write_text(json.dumps({"seconds": round(seconds, 3)}), encoding="ascii")


def read_duration(root: Path, stage: str) -> float | None:
    """Seconds of the last whole run of a stage here, if there was one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        seconds = float(json.loads(_file(root, stage).read_bytes())["seconds"])
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    return None


def _file(root: Path, stage: str) -> Path:
    return root / WORK_FOLDER / _FOLDER / f"{stage}.json"
