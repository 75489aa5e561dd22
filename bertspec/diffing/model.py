"""One of two models of a comparison: where its files are, here or at a revision."""

from dataclasses import dataclass
from pathlib import Path

from bertspec.core.errors import InputError
from bertspec.diffing.side import Side


@dataclass(frozen=True)
class ComparedModel:
    """Finds files of a model."""

    name: str
    """As it was asked for."""
    spec: str
    there: Side
    folder: Path
    """For what git and DVC give of a revision."""

    def file(self, path: str) -> Path | None:
        """A file that git has; None where it is not there."""
        if self.there.revision is None:
            place = self.there.root / path
            return place if place.is_file() else None
        try:
            text = self.there.revision.text(path)
        except InputError:
            return None
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return place

    def artifact(self, path: str) -> Path | str:
        """A folder that DVC has, or why it is not to be had."""
        place = (self.folder if self.there.revision else self.there.root) / path
        if place.is_dir():
            return place
        if self.there.revision is None:
            return f"{path} is missing here: `dvc repro` builds it, `dvc pull` fetches it"
        try:
            self.there.revision.get(path, place)
        except InputError as error:
            return str(error)
        return place
