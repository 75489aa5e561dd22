"""E109: files are named relative to the project, lie in it, and are not bertspec's own."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath

from bertspec.compiler.checks.finding import finding
from bertspec.compiler.checks.local_paths import local_paths
from bertspec.core.diagnostics import Diagnostic
from bertspec.pipeline import layout
from bertspec.spec.load import LoadedSpec

_FILES = (layout.verdict("*"), layout.metrics("*"), layout.parity("*"), layout.report("*"),
          layout.seeds("*"))  # fmt: skip
_ARTIFACTS = (layout.raw("*"), layout.prepared("*"), layout.contract("*"), layout.trained("*"),
              layout.evaluation("*"), layout.export("*"))  # fmt: skip
_FOLDERS = (layout.tokenized("*", "*"), layout.base("*"), layout.plot("*", "*"),
            layout.curve("*", "*"),
            layout.of_seed(layout.trained("*"), "*", "*"))  # fmt: skip
_WRITTEN = (
    *map(PurePosixPath, (layout.WORK_FOLDER, *_FILES, *_ARTIFACTS)),
    *(PurePosixPath(path).parent for path in _FOLDERS),
)
"""What stages write, each `*` being a name."""


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    for place, name in local_paths(loaded):
        if reason := unusable(name):
            yield finding("E109", loaded, place, *reason)
    base = loaded.spec.model.base
    if base.type != "package":
        return
    from bertspec.catalog.bases.package import PackageBase

    assert isinstance(base, PackageBase)  # noqa: S101 - for mypy
    if _leads_out(base.path):
        yield finding(
            "E109",
            loaded,
            ("model", "base", "path"),
            f"`{base.path}` is not a path inside the package",
            "name the folder from the package's own, with `/`",
        )


@lru_cache(maxsize=1024)
def unusable(name: str) -> tuple[str, str] | None:
    """Why a path cannot be what a stage depends on, and what to do; None when it can."""
    if "://" in name:
        return (
            f"`{name}` is an address, and not a path inside the project",
            "fetch it, such as with `dvc import-url`, and name the file that this writes",
        )
    if _leads_out(name):
        return (
            f"`{name}` is not a path inside the project",
            "copy or link the file into the project, and name it from there with `/`",
        )
    if "${" in name:
        return (f"`{name}`: DVC would put the value of a param for `${{`", "rename the file")
    if _is_written(PurePosixPath(name)):
        return (
            f"`{name}` is or holds what bertspec itself writes",
            "copy it to a folder of your own",
        )
    return None


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name


def _is_written(path: PurePosixPath) -> bool:
    return any(
        path.parts == written.parts[: len(path.parts)]  # a folder around it
        or _begins_with(path.parts, written.parts)
        for written in _WRITTEN
    )


def _begins_with(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    pairs = list(zip(parts, pattern, strict=False))
    return len(pairs) == len(pattern) and all(fnmatchcase(*pair) for pair in pairs)
