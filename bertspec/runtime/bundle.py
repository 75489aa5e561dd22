"""The bundle: what leaves the pipeline, and what `predict` needs to know of it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertspec.core.errors import InputError

FILE = "bundle.json"
VERSION = 1


@dataclass(frozen=True)
class Bundle:
    """bundle.json: how to run the exported model as it was measured."""

    version: int
    task: str
    labels: tuple[str, ...]
    pairs: bool
    """Whether the model takes two texts."""
    max_length: int
    pad_id: int
    models: dict[str, str]
    """Kind of export -> its file."""

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Raises InputError (E451) for a folder that is no bundle of this version, or a broken one."""
    path = folder / FILE
    if not path.is_file():
        raise InputError.of(
            "E451",
            f"{folder} has no {FILE}, so it is no exported model",
            "name a folder models/NAME/export, or a spec that has been built",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError.of("E451", f"{path} cannot be read: {error}", RESTORE) from None
    version = values.get("version") if isinstance(values, dict) else None
    if version != VERSION:
        raise InputError.of(
            "E451",
            f"{path} is of bundle version {version}, and this bertspec reads {VERSION}",
            "export it again, or use the bertspec that made it",
        )
    wrong = [name for name, valid in _VALID.items() if not valid(values.get(name))]
    if wrong:
        raise InputError.of("E451", f"{path} has no valid {', '.join(wrong)}", RESTORE)
    named = {name: values[name] for name in _VALID}
    return Bundle(VERSION, **named | {"labels": tuple(values["labels"])})


RESTORE = "get the export folder again: `dvc repro` builds it, `dvc pull` fetches it"
"""What to do about an export folder with a broken file."""


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


# Checked by hand: predict starts without pydantic.
_VALID: Mapping[str, Callable[[Any], bool]] = {
    "task": lambda v: isinstance(v, str),
    "labels": lambda v: isinstance(v, list) and _texts(v),
    "pairs": lambda v: isinstance(v, bool),
    "max_length": lambda v: isinstance(v, int) and v > 0,
    "pad_id": lambda v: isinstance(v, int) and v >= 0,
    "models": lambda v: isinstance(v, dict) and _texts(v.values()),
}
