"""A stage of dvc.yaml as DVC reads it, and what dvc.lock has of it."""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.stage import Stage

_TEMPLATES = ("foreach", "matrix", "vars")


@dataclass(frozen=True)
class Out:
    """One output."""

    path: str
    cached: bool = True
    persist: bool = False


@dataclass(frozen=True)
class Entry:
    """One stage."""

    name: str
    cmd: Any
    folder: str
    """Its `wdir`: paths are relative to it."""
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    """File -> dotted keys; none for all of it."""
    outs: tuple[Out, ...]
    frozen: bool = False
    always: bool = False
    compiled: Stage | None = None
    """None for a stage of the user's own."""

    @property
    def runs_always(self) -> bool:
        return self.always or not (self.deps or self.params or self.outs)

    def place(self, path: str) -> str:
        """A path of the stage, relative to the project."""
        return _placed(self.folder, path)


@lru_cache(maxsize=1 << 14)
def _placed(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


@dataclass(frozen=True)
class Locked:
    """What dvc.lock, or an entry of the run cache, has of a stage."""

    cmd: Any
    deps: Mapping[str, str]
    """Path -> digest."""
    params: Mapping[str, Mapping[str, Any]]
    outs: Mapping[str, str]

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> "Locked":
        return cls(
            cmd=value.get("cmd"),
            deps=_digests(value.get("deps") or ()),
            params=value.get("params") or {},
            outs=_digests(value.get("outs") or ()),
        )


def read_entry(name: str, value: Any, compiled: Stage | None) -> Entry | None:
    """A stage from its plain value; None for a template, which DVC fills in, and what is no stage.

    A stage that reads what is not a file here is such a one, too.
    """
    if not isinstance(value, dict) or "cmd" not in value or any(k in value for k in _TEMPLATES):
        return None
    if compiled is None and "${" in str(value):
        return None
    outs = [out for key in ("outs", "metrics", "plots") for out in value.get(key) or ()]
    deps = tuple(map(str, value.get("deps") or ()))
    entry = Entry(
        name=name,
        cmd=value["cmd"],
        folder=value.get("wdir") or ".",
        deps=deps,
        params=_params(value.get("params") or ()),
        outs=tuple(map(_out, outs)),
        frozen=bool(value.get("frozen")),
        always=bool(value.get("always_changed")),
        compiled=compiled,
    )
    paths = [*entry.deps, *(out.path for out in entry.outs)]
    return None if any("://" in path for path in paths) else entry


def _params(values: Sequence[Any]) -> dict[str, tuple[str, ...]]:
    keys: dict[str, list[str]] = {}
    whole: set[str] = set()
    for value in values:
        for file, wanted in (value if isinstance(value, dict) else {PARAMS_FILE: [value]}).items():
            keys.setdefault(file, []).extend(wanted or ())
            whole |= set() if wanted else {file}
    return {file: () if file in whole else tuple(found) for file, found in keys.items()}


def _out(value: Any) -> Out:
    if not isinstance(value, dict):
        return Out(str(value))
    ((path, about),) = value.items()
    about = about if isinstance(about, dict) else {}
    return Out(path, about.get("cache", True), about.get("persist", False))


def _digests(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {item["path"]: item["md5"] for item in items if "path" in item and "md5" in item}
