"""What the merge of params.yaml knows, kept for that of dvc.yaml.

Git calls the driver for a file at a time, for params.yaml directly before the dvc.yaml beside it.
As each name is a digest of what it names, what two of them become together follows from the names
alone: one that an earlier merge has left is right as well. Without any, dvc.yaml is a conflict.
"""

import json
from contextlib import suppress
from pathlib import Path

from bertspec.core.files import write_atomic
from bertspec.core.program import ask
from bertspec.merging.sharing import Shared, Told

_FILE = "bertspec-merge.json"


def keep(told: Told) -> None:
    """Keep it in git's folder of the working tree, if there is one."""
    if file := _kept_in():
        values = {
            "names": [[*paths, merged] for paths, merged in told.names.items()],
            "sides": [
                {spec: [of.base, of.tokenized] for spec, of in side.items()} for side in told.sides
            ],
            "budgets": told.budgets,
        }
        with suppress(OSError):  # then dvc.yaml may be a conflict, and no more
            write_atomic(file, json.dumps(values).encode())


def kept() -> Told:
    """What the last merge of a params.yaml has kept."""
    file = _kept_in()
    if file is None or not file.is_file():
        return Told({})
    values = json.loads(file.read_bytes())
    return Told(
        {(base, ours, theirs): merged for base, ours, theirs, merged in values["names"]},
        [{spec: Shared(*paths) for spec, paths in side.items()} for side in values["sides"]],
        tuple(values["budgets"]),
    )


def _kept_in() -> Path | None:
    """Git runs the driver in the top folder of the working tree."""
    answer = ask("git", "rev-parse", "--git-path", _FILE, folder=Path())
    return Path(answer.out.rstrip("\n")) if answer.code == 0 else None
