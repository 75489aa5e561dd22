"""What there is to measure of an exported model: its files, and PyTorch with its weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bertspec.catalog.base import CONFIG, TOKENIZER
from bertspec.catalog.exports import EXPORTS
from bertspec.core.errors import InputError
from bertspec.pipeline import layout
from bertspec.runtime.bundle import FILE, RESTORE, Bundle
from bertspec.runtime.seal import Seal

PYTORCH = "pytorch"
"""The trained model as PyTorch runs it, operation by operation: what others are compared with."""

WEIGHTS = "*.safetensors"


@dataclass(frozen=True)
class Format:
    """One that is measured."""

    name: str
    kind: str
    """One of EXPORTS, or PYTORCH."""
    path: Path
    """A file, or a folder."""

    @property
    def size(self) -> int:
        """Bytes on disk: of PyTorch those of its weights, as nothing else in the folder is run."""
        if self.kind == PYTORCH:
            return sum(path.stat().st_size for path in self.path.glob(WEIGHTS))
        return EXPORTS[self.kind].size(self.path)


@dataclass(frozen=True)
class Absent:
    """One that is not measured, and why."""

    name: str
    why: str


def formats_of(folder: Path, bundle: Bundle) -> list[Format | Absent]:
    """PyTorch first, and then the exports in the order of the bundle.

    Raises InputError: E457 for a file that is not as it was exported, E451 for one that is missing.
    """
    seal = Seal.read(folder)
    seal.require(FILE, TOKENIZER, *seal.about(bundle.models.values()))
    return [_trained(folder), *_exported(folder, bundle, seal)]


def _trained(folder: Path) -> Format | Absent:
    trained = folder.resolve().parent / Path(layout.trained("")).name
    if (trained / CONFIG).is_file():
        here = Path.cwd()
        trained = trained.relative_to(here) if trained.is_relative_to(here) else trained
        return Format(PYTORCH, PYTORCH, trained)
    return Absent(PYTORCH, f"there is no {trained.name} model beside {folder}")


def _exported(folder: Path, bundle: Bundle, seal: Seal) -> Iterator[Format | Absent]:
    for name, file in bundle.models.items():
        path = folder / file
        if (kind := kind_of(name)) is None:
            yield Absent(name, "this bertspec knows no such export")
            continue
        if not path.exists():
            raise InputError.of("E451", f"{path} is missing", RESTORE)
        seal.require(*(f.relative_to(folder).as_posix() for f in EXPORTS[kind].files(path)))
        yield Format(name, kind, path)


def kind_of(name: str) -> str | None:
    """The kind of an export, by which its name begins: `onnx` of `onnx-int8`; None for none."""
    return max((k for k in EXPORTS if f"{name}-".startswith(f"{k}-")), key=len, default=None)
