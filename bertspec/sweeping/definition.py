"""Read sweeps/NAME.yaml, and find the spec that it is about."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bertspec.compiler.checks import load_valid
from bertspec.core.errors import InputError
from bertspec.core.names import NAME_PATTERN, did_you_mean, sentences, slugify
from bertspec.pipeline.lock import Lock, require_lock
from bertspec.spec.document import Document, read_document, shown
from bertspec.spec.load import LoadedSpec
from bertspec.spec.problems import diagnostics_of
from bertspec.spec.sweep_file import SweepFile

FOLDER = "sweeps"


@dataclass(frozen=True)
class Definition:
    """A sweep, and the project around it."""

    name: str
    file: SweepFile
    document: Document
    specs: tuple[LoadedSpec, ...]
    lock: Lock
    root: Path

    @property
    def spec(self) -> LoadedSpec:
        """The one whose fields are tried."""
        return next(s for s in self.specs if s.spec.name == self.file.spec)


def read_definition(name: str, root: Path) -> Definition:
    """Sweep `name` of the project.

    Raises InputError: E235 for no such file, what is wrong in its form, E224 for a spec that is not
    there, and what is wrong in the specs.
    """
    path = root / FOLDER / f"{name}.yaml"
    if not re.fullmatch(NAME_PATTERN, name):  # folders and experiments are called so, too
        message = f"no sweep can be called `{name}`"
        raise InputError.of("E235", message, f"a name is like `{slugify(name)}`")
    if not path.is_file():
        known = [p.stem for p in sorted((root / FOLDER).glob("*.yaml"))]
        advice = did_you_mean(name, known) if known else f"write {FOLDER}/{name}.yaml"
        more = "`bertspec explain-code E235` shows one"
        message = f"there is no {FOLDER}/{name}.yaml"
        raise InputError.of("E235", message, sentences(advice, more))
    document = read_document(path, shown(path, root))
    try:
        file = SweepFile.model_validate(document.value)
    except ValidationError as error:
        raise InputError(diagnostics_of(error, SweepFile, document)) from None
    specs = load_valid((), root).specs
    names = [loaded.spec.name for loaded in specs]
    if file.spec not in names:
        raise InputError.of(
            "E224",
            f"no spec is called `{file.spec}`",
            did_you_mean(file.spec, names),
            document.position(("spec",)),
        )
    return Definition(name, file, document, specs, require_lock(root), root)
