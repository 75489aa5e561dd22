"""Whether an exported model is what it says of itself: files, statement, packages, materials."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError, CheckFailed, InputError
from bertspec.pipeline.layout import LOCK_FILE
from bertspec.pipeline.lock import Lock
from bertspec.runtime.attesting.bill import other_parts
from bertspec.runtime.bundle import RESTORE
from bertspec.runtime.release import sbom, statement
from bertspec.runtime.release.made_by import lock_of
from bertspec.runtime.release.origin import SPEC, complete, spec_text
from bertspec.runtime.release.statement import Resource, Statement
from bertspec.runtime.seal import FILE as MANIFEST
from bertspec.runtime.seal import Seal
from bertspec.spec.sections import DataSet, Spec


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, or was not."""

    name: str
    problems: tuple[Diagnostic, ...] = ()
    said: str = ""
    """What holds, or why it was not looked at."""
    done: bool = True

    @property
    def holds(self) -> bool | None:
        """None where it was not looked at."""
        return not self.problems if self.done else None

    def as_json(self) -> dict[str, object]:
        said = [problem.message for problem in self.problems] or [self.said]
        return {"name": self.name, "holds": self.holds, "said": said}


def checks(folder: Path) -> list[Check]:
    """Everything that can be told without a key, in order: files, statement, sbom, materials.

    What is in files that are not as they were exported is not looked at.
    Raises InputError (E451) for a folder that is no exported model.
    """
    if not (folder / MANIFEST).is_file() and not (folder / statement.FILE).is_file():
        text = f"{folder} has neither {MANIFEST} nor {statement.FILE}, so it is no exported model"
        raise InputError.of("E451", text, "name a folder models/NAME/export, or a built spec")
    try:
        seal = Seal.read(folder)
        broken = tuple(Diagnostic("E457", text, RESTORE) for text in seal.broken())
    except BertspecError as error:
        seal, broken = Seal(folder, {}), error.diagnostics
    files = Check("files", broken, f"{len(seal.files)} files, each as it was exported")
    if not files.holds:
        why = "the files are not as they were exported"
        return [files, *_not_done(("statement", "sbom", "materials"), why)]
    try:
        made = read_statement(folder)
    except CheckFailed as error:
        unread = Check("statement", error.diagnostics)
        return [files, unread, *_not_done(("sbom", "materials"), "the statement cannot be read")]
    about = made.predicate.build_definition
    lock = lock_of(about.internal_parameters.stages)
    count = len(about.resolved_dependencies)
    return [
        files,
        _check("statement", "E458", f"of {len(made.subject)} files", _other_subjects(made, seal)),
        _check(
            "sbom",
            "E459",
            f"{len(lock.packages)} packages, those of {LOCK_FILE}",
            other_parts(folder / sbom.FILE, lock.packages, seal.files),
        ),
        _check(
            "materials",
            "E460",
            f"{count}, as {SPEC} and {LOCK_FILE} have them",
            _other_materials(made, seal, lock),
        ),
    ]


def require(found: Sequence[Check]) -> None:
    """Raise CheckFailed for all that does not hold."""
    if problems := [problem for check in found for problem in check.problems]:
        raise CheckFailed(problems)


def read_statement(folder: Path) -> Statement:
    """Raises CheckFailed (E458) where there is none, or none that bertspec writes."""
    path = folder / statement.FILE
    if not path.is_file():
        raise CheckFailed.of("E458", f"{folder} has no {statement.FILE}", RESTORE)
    content = path.read_bytes()
    try:
        made = Statement.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        wrong = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        raise CheckFailed.of("E458", f"{path} cannot be read: {wrong}", RESTORE) from None
    if made.to_text().encode("utf-8", "surrogatepass") != content:
        # Such as a key that is there twice, of which another program may read the other one.
        raise CheckFailed.of("E458", f"{path} is not as bertspec writes it", RESTORE)
    return made


def _not_done(names: Sequence[str], why: str) -> list[Check]:
    return [Check(name, said=why, done=False) for name in names]


def _check(name: str, code: str, said: str, wrong: Iterator[str]) -> Check:
    return Check(name, tuple(Diagnostic(code, text, RESTORE) for text in wrong), said)


def _other_subjects(made: Statement, seal: Seal) -> Iterator[str]:
    """What the statement says of the files, which are those of the manifest, and is not so."""
    files = {name: digest for name, digest in seal.files.items() if name != statement.FILE}
    if made.subject == statement.subjects(files):
        return
    said = {each.name or "": each.digest.get("sha256") for each in made.subject}
    for name in sorted({*said, *files}):
        if name not in files:
            yield f"{statement.FILE} is of {name}, which is no file of the exported model"
        elif name not in said:
            yield f"{statement.FILE} is not of {name}"
        elif said[name] != files[name]:
            yield f"{statement.FILE} is of another {name}"
    if said == files:
        yield f"{statement.FILE} names a file in another way than bertspec does"


def _other_materials(made: Statement, seal: Seal, lock: Lock) -> Iterator[str]:
    """What the statement says of the build that spec and lock do not.

    They are compared as text with what the statement comes to: files of strangers are not parsed.
    """
    about, details = made.predicate.build_definition, made.predicate.run_details
    spec, said = _spec(made), about.resolved_dependencies
    if spec is None or not _has(seal.folder / SPEC, spec_text(complete(spec))):
        yield f"{statement.FILE} has another spec than {SPEC}"
    if not _has(seal.folder / LOCK_FILE, lock.to_text()):
        yield f"the stages of {statement.FILE} have other packages or threads than {LOCK_FILE}"
    if details.builder != statement.builder(lock):
        yield f"{statement.FILE} has another builder than {LOCK_FILE}"
    if spec is None:
        return
    known = statement.known_materials(spec, lock, seal.files.get(LOCK_FILE, ""))
    for each in known:
        if each not in said:
            yield f"{statement.FILE} has no material {_name(each)}, as spec and lock have it"
    for each in said:
        if each not in known and (each.uri is not None or not each.digest):
            yield f"{statement.FILE} has a material {_name(each)}, which spec and lock have not"
    begins = [each.name or "" for each in said if each not in known]
    own = statement.made_from(spec)
    bases = [name for name in begins if name not in own]  # one, whose name has a digest
    is_base = len(bases) == 1 and bases[0].startswith("models/bases/")
    if not is_base or sorted(begins) != sorted([*own, *bases]):
        yield f"{statement.FILE} begins with {', '.join(sorted(begins))}, which is not the spec's"


def _spec(made: Statement) -> Spec | None:
    """That of a statement; None where it is none, or leaves something out."""
    said = made.predicate.build_definition.external_parameters.spec
    try:
        spec = Spec.model_validate(said)
    except ValidationError:
        return None
    return spec if isinstance(spec.data, DataSet) and complete(spec) == said else None


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode("utf-8", "surrogatepass")


def _name(resource: Resource) -> str:
    return resource.uri or resource.name or "without a name"
