"""Inputs are what their stages made: no file of them was damaged, or edited by hand."""

from pathlib import Path

from bertspec.core.digest import digest
from bertspec.core.errors import InputError
from bertspec.core.manifest import Manifest, digest_artifact, digest_files, manifest_path


def intact_digest(path: Path, root: Path) -> str:
    """The digest of an input, by which manifests name it.

    Raises InputError (E518) for an artifact that holds other files than its own manifest says; one
    without a manifest, and a file, are taken as they are.
    """
    found = digest_artifact(path)
    name = path.relative_to(root).as_posix()
    try:
        made = Manifest.read(root / manifest_path(name))
    except (OSError, ValueError, TypeError):  # none, or one that cannot be read
        return found
    if not path.is_dir() or digest(made.files) == found:
        return found
    files = digest_files(path)
    wrong = next(f for f in sorted({*made.files, *files}) if made.files.get(f) != files.get(f))
    what = (
        "is missing" if wrong not in files
        else "was added" if wrong not in made.files
        else "is not as its stage made it"
    )  # fmt: skip
    raise InputError.of(
        "E518",
        f"{name}/{wrong} {what}: it was edited by hand, or a disk or DVC's cache is damaged",
        f"remove {name} and run `dvc repro`; if that brings it back so, "
        "`bertspec explain-code E518` tells how to clean the cache",
    )
