"""Where an artifact comes from: stages, fields of specs and files, all the way to raw data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertspec.core.diagnostics import Position
from bertspec.core.errors import InputError
from bertspec.core.model import affected_by, written_out
from bertspec.core.names import did_you_mean
from bertspec.core.values import ABSENT, Place, dotted, flat, value_at
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.stage import RECORDS
from bertspec.planning.entry import Entry
from bertspec.planning.order import Makers
from bertspec.planning.sources import Sources
from bertspec.spec.load import LoadedSpec


@dataclass(frozen=True)
class Field:
    """A field of a spec that a stage reads."""

    name: str
    value: Any
    position: Position | None
    """Without a line where its default holds."""


@dataclass(frozen=True)
class Origin:
    """A stage, and what stands before it."""

    stage: str
    depth: int
    kind: str | None
    """None for a stage of the user's own."""
    artifacts: tuple[str, ...]
    """Which of its outputs are read, or asked for."""
    files: tuple[str, ...]
    """Inputs that no stage makes: the user's own."""
    fields: tuple[Field, ...]
    locked: Mapping[str, str]
    """Packages, threads and device that bertspec.lock has for it."""


def entry_of(target: str, entries: Mapping[str, Entry]) -> Entry:
    """The stage of this name, or the one that makes the file or folder.

    Raises InputError (E220) for what is neither.
    """
    if target in entries:
        return entries[target]
    path = target.rstrip("/").removeprefix("./")
    made = {entry.place(out.path): entry for entry in entries.values() for out in entry.outs}
    parts = path.split("/")
    for end in range(len(parts), 0, -1):
        if entry := made.get("/".join(parts[:end])):
            return entry
    raise InputError.of(
        "E220",
        f"no stage makes `{target}`, nor is called so",
        did_you_mean(path, {*entries, *made}),
    )


def origins(
    entry: Entry,
    entries: Mapping[str, Entry],
    makers: Makers,
    params: Mapping[str, Any],
    sources: Sources,
) -> Iterator[Origin]:
    """The stage and all before it, each once, below the first one that reads it."""
    waiting = [(entry, 0, tuple(entry.place(out.path) for out in entry.outs))]
    seen = set()
    while waiting:
        here, depth, artifacts = waiting.pop()
        if here.name in seen:
            continue
        seen.add(here.name)
        found = makers[here.name]
        yield Origin(
            stage=here.name,
            depth=depth,
            kind=here.compiled.kind if here.compiled else None,
            artifacts=artifacts,
            files=tuple(here.place(dep) for dep in here.deps if not found[dep]),
            fields=tuple(_fields(here, params, sources)),
            locked=_locked(here),
        )
        read: dict[str, list[str]] = {}
        for dep in here.deps:
            for maker in found[dep]:
                read.setdefault(maker, []).append(here.place(dep))
        waiting += [(entries[m], depth + 1, tuple(paths)) for m, paths in reversed(read.items())]


def _fields(entry: Entry, params: Mapping[str, Any], sources: Sources) -> Iterator[Field]:
    keys = [k for k in entry.params.get(PARAMS_FILE, ()) if not k.startswith(f"{RECORDS}.")]
    if entry.compiled is None:
        yield from (Field(key, value_at(params, key), Position(PARAMS_FILE)) for key in keys)
        return
    parts = [p for key in keys for p in sources.parts(key, ABSENT, value_at(params, key))]
    told = set()
    for loaded, section, _, value in parts:
        for path, leaf in flat(value, section) if value is not ABSENT else ():
            told.add(path)
            yield Field(dotted(path), leaf, _place(sources, loaded, path, leaf) if loaded else None)
    # Fields that a later version of the language added are not in params.yaml by default.
    for loaded in {part[0].spec.name: part[0] for part in parts if part[0]}.values():
        for path, leaf in flat(written_out(loaded.spec)):
            if path not in told and entry.compiled.kind in affected_by(loaded.spec, path):
                told.add(path)
                yield Field(dotted(path), leaf, _place(sources, loaded, path, leaf))


def _place(sources: Sources, loaded: LoadedSpec, path: Place, value: Any) -> Position:
    """Where a value is written, also where it stands for what holds it, as in `empty_text: warn`;
    only the file for a default.
    """
    holder = value_at(loaded.document.value, path[:-1])
    if not isinstance(holder, Mapping) and holder is not ABSENT and holder == value:
        return loaded.document.position(path[:-1])
    return sources.position(loaded, path)


def _locked(entry: Entry) -> dict[str, str]:
    stage = entry.compiled
    if stage is None:
        return {}
    about = dict(stage.packages)
    about |= {"threads": str(stage.threads)} if stage.threads is not None else {}
    return about | ({"device": stage.device} if stage.device else {})
