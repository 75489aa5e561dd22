"""The files of an exported model that say what it was made from, and the manifest over all."""

from pathlib import Path

from bertspec.core.digest import file_digest
from bertspec.runtime.release import sbom, statement
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.seal import Seal


def seal_with_provenance(folder: Path, origin: Origin) -> None:
    """Write the bill of materials, the statement and the manifest; all else is in the folder.

    The statement is of every file but itself and the manifest, which has the statement's digest.
    """
    files = dict(Seal.of(folder).files)
    exported = (e.files(folder / e.filename) for e in origin.export.export)
    models = [path.relative_to(folder).as_posix() for paths in exported for path in paths]
    text = sbom.sbom(origin.name, origin.lock().packages, {name: files[name] for name in models})
    files[sbom.FILE] = _write(folder / sbom.FILE, text)
    text = statement.statement_of(origin, files).to_text()
    files[statement.FILE] = _write(folder / statement.FILE, text)
    Seal(folder, dict(sorted(files.items()))).write()


def _write(path: Path, text: str) -> str:
    """Write the file, and give its digest."""
    path.write_text(text, encoding="utf-8")
    return file_digest(path)
