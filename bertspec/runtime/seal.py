"""manifest.json of an exported model: the SHA-256 of each of its files, so that a changed one is
refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.digest import file_digest
from bertspec.core.errors import CheckFailed, InputError
from bertspec.core.manifest import digest_files
from bertspec.core.model import Model
from bertspec.runtime.bundle import RESTORE, of_newer

FILE = "manifest.json"

STATEMENT = "provenance.json"
"""What the model was made from, and which files it consists of, as the export wrote them."""

SIGNATURE = "provenance.dsse.json"
"""A signature of the model, in a folder that comes from a hub; it is no part of the model."""

CARD = "README.md"
"""The model card, which a licence is added to where the model is published."""

_OF_A_HUB, _FOLDER_OF_A_HUB = ".gitattributes", ".cache/huggingface/"
"""What is in a folder that comes from a hub, and is no part of the model."""


class _Manifest(Model):
    files: dict[str, str]


@dataclass(frozen=True)
class Seal:
    """What an exported model consists of."""

    folder: Path
    files: Mapping[str, str]
    """Path of each file, relative to the folder -> SHA-256 of its bytes; all but FILE itself."""

    @classmethod
    def of(cls, folder: Path) -> "Seal":
        """That of the files as they are now."""
        found = digest_files(folder)
        others = (FILE, SIGNATURE, _OF_A_HUB)
        files = {
            name: found[name]
            for name in found
            if name not in others and not name.startswith(_FOLDER_OF_A_HUB)
        }
        return cls(folder, files)

    @classmethod
    def read(cls, folder: Path) -> "Seal":
        """Raises InputError: E457 where there is none, or none that can be read, E451 for one of a
        newer bertspec.
        """
        path = folder / FILE
        try:
            values = json.loads(path.read_bytes())
            manifest = _Manifest.model_validate(values)
        except FileNotFoundError:
            raise InputError.of("E457", f"{folder} has no {FILE}", RESTORE) from None
        except ValidationError as error:
            broken = InputError.of("E457", f"{path} has no valid files", RESTORE)
            raise of_newer(path, error, values) or broken from None
        except (ValueError, RecursionError) as error:
            raise InputError.of("E457", f"{path} cannot be read: {error}", RESTORE) from None
        return cls(folder, manifest.files)

    def write(self) -> None:
        text = _Manifest(files=dict(self.files)).model_dump_json(indent=2)
        (self.folder / FILE).write_text(text + "\n", encoding="utf-8")

    def require(self, *names: str) -> None:
        """Raise InputError (E457) for the first of these files that is not as it was exported.

        One that is not there is left to whoever opens it.
        """
        for name in dict.fromkeys(names):
            path = self.folder / name
            if path.is_file() and file_digest(path) != self.files.get(name):
                raise InputError.of("E457", f"{path} is not as it was exported", RESTORE)

    def about(self, exports: Iterable[str]) -> list[str]:
        """Files but CARD that are of none of these exports: what the model says of itself, and how
        it is run.
        """
        large = {Path(name).stem for name in exports}  # OpenVINO has weights in a file beside its
        return [
            name
            for name in self.files
            if "/" not in name and name != CARD and Path(name).stem not in large
        ]

    def require_stated(self, *names: str) -> None:
        """Raise InputError (E457) for the first of these files that STATEMENT has another one of.

        A manifest can be made again, over files of two models that fit together. A statement that
        is not there or cannot be read says nothing; `bertspec attest` tells of it.
        """
        try:
            stated = json.loads((self.folder / STATEMENT).read_bytes())
            digests = {each["name"]: each["digest"]["sha256"] for each in stated["subject"]}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        for name in names:
            if name in digests and digests[name] != self.files.get(name):
                path = self.folder / name
                raise InputError.of(
                    "E457", f"{path} is not the one that {STATEMENT} is of", RESTORE
                )

    def require_all(self) -> None:
        """Raise CheckFailed (E457) for all files that are not as they were exported."""
        if wrong := [Diagnostic("E457", text, RESTORE) for text in self.broken()]:
            raise CheckFailed(wrong)

    def broken(self) -> Iterator[str]:
        """What is wrong with each file that is not as it was exported."""
        found = Seal.of(self.folder).files
        for name in sorted({*self.files, *found}):
            path = self.folder / name
            if name not in found:
                yield f"{path} is missing"
            elif name not in self.files:
                yield f"{path} is no file of the exported model"
            elif found[name] != self.files[name]:
                yield f"{path} is not as it was exported"
