"""The bundle: what leaves the pipeline, and what `predict` needs to know of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

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
    """Raises InputError (E451) for a folder that is no bundle of this version."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        bundle = Bundle(**(values | {"labels": tuple(values["labels"])}))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError.of(
            "E451",
            f"{folder} is no exported model: {error}",
            "name a folder models/NAME/export, or a spec that has been built",
        ) from None
    if bundle.version != VERSION:
        raise InputError.of(
            "E451",
            f"{folder} is of bundle version {bundle.version}, and this bertspec reads {VERSION}",
            "export it again, or use the bertspec that made it",
        )
    return bundle
