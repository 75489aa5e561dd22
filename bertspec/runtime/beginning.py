"""What a stage is made from, as it was when the stage began.

DVC reads params and hashes inputs when a stage has ended. What was changed while it ran, DVC would
note for outputs that were made from something else, and give them out for it ever after.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bertspec.catalog.base import Base
from bertspec.catalog.source import Source
from bertspec.core.errors import BertspecError, InputError
from bertspec.core.model import Model
from bertspec.core.watched import watched
from bertspec.pipeline.layout import PARAMS_FILE

Stamps = Mapping[Path, tuple[int, int]]
"""Size and time of change of each file: this is how DVC, too, knows that a file is what it was."""


def own_files(params: Model) -> tuple[str, ...]:
    """Files and folders of the user's own that a stage with these params reads."""
    parts = (getattr(params, name) for name in type(params).model_fields)
    return tuple(
        path for part in parts if isinstance(part, Source | Base) for path in part.dependencies()
    )


def stamps(paths: Iterable[Path]) -> Stamps:
    """Of files, and of all below folders."""
    found = {}
    for file in (file for path in paths for file in _files(path)):
        try:
            about = file.stat()
        except OSError:  # a link that leads nowhere, or gone meanwhile
            continue
        found[file] = about.st_size, about.st_mtime_ns
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    for folder, names in watched(path):
        yield from map(Path(folder).joinpath, names)


def require_same_files(stage: str, before: Stamps, now: Stamps, root: Path) -> None:
    """Raise InputError (E516) for a file that was changed, added or removed."""
    for file in sorted(before.keys() | now.keys()):
        if before.get(file) != now.get(file):
            raise _changed(file.relative_to(root).as_posix(), stage)


def require_same_params(stage: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError (E516) when params.yaml says something else of the stage.

    `before` and `now` are its values by what they are for.
    """
    for part in sorted(before.keys() | now.keys()):
        if before.get(part) != now.get(part):
            raise _changed(f"`{part}` in {PARAMS_FILE}", stage)


def _changed(what: str, stage: str) -> BertspecError:
    return InputError.of(
        "E516",
        f"{what} was changed while the stage `{stage}` ran, so its result is thrown away",
        "run `dvc repro` again, which makes it from what is there now",
    )
