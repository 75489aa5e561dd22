"""Which part of params.yaml comes from which fields of a spec: the compiler, read backwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertspec.compiler.emit import compiled_params
from bertspec.compiler.lower import lower
from bertspec.compiler.passes.datasets import PREPARED_BY
from bertspec.compiler.passes.shared import base_name, tokenization_name
from bertspec.compiler.pins import all_pinned
from bertspec.core.values import ABSENT, value_at
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import EXECUTION, RECORDS, Pipeline
from bertspec.planning.yaml_file import same
from bertspec.spec.document import Document, Path_
from bertspec.spec.load import LoadedSpec

Leaf = tuple[Path_, Any, Any]
"""Where below a value, and what was there and is to be; ABSENT for what is not there."""

Role = tuple[str, ...]
"""Names a place of a spec, and stays when its key in params.yaml becomes another one."""

_OWN: Mapping[Role, Path_] = {
    ("task",): ("task",),
    ("model", "task"): ("task",),
    ("model", "head"): ("model", "head"),
    ("aggregate",): ("tokenization", "long_documents", "aggregate"),
    ("training",): ("training",),
    ("evaluation",): ("evaluation",),
    ("export",): ("export",),
}
"""Keys below a spec's own, and the field that each has the value of."""


@dataclass(frozen=True)
class Place:
    """A part of params.yaml that has the value of one field of one spec."""

    spec: str
    role: Role
    key: Path_
    field: Path_

    def in_params(self, below: Path_ = ()) -> str:
        """The key as DVC calls it."""
        return ".".join(map(str, (*self.key, *below)))


@dataclass(frozen=True)
class Compiled:
    """Specs, and what params.yaml gets of them."""

    specs: Sequence[LoadedSpec]
    """As they are written."""
    pinned: Sequence[LoadedSpec]
    """With what the lock has in place of what they leave open."""
    pipeline: Pipeline
    params: Mapping[str, Any]

    @classmethod
    def of(cls, specs: Sequence[LoadedSpec], lock: Lock) -> "Compiled":
        """Raises InputError (E207, E215) for what the lock has not."""
        pipeline = lower(specs, lock)
        return cls(specs, all_pinned(specs, lock), pipeline, compiled_params(pipeline))

    def document(self, name: str) -> Document:
        """Of the spec of this name."""
        return next(loaded.document for loaded in self.specs if loaded.spec.name == name)


def places_of(loaded: LoadedSpec) -> Iterator[Place]:
    """All parts of params.yaml that come from a spec without anything left open."""
    name, data = loaded.spec.name, loaded.dataset_name
    for own, field in _OWN.items():
        yield Place(name, own, (name, *own), field)
    for section in ("source", *PREPARED_BY, "contract"):
        role = ("datasets", section)
        yield Place(name, role, ("datasets", data, section), ("data", section))
    yield Place(name, ("bases",), ("bases", base_name(loaded)), ("model", "base"))
    tokenization = ("tokenizations", tokenization_name(loaded))
    for section in ("task", "tokenization"):
        yield Place(name, ("tokenizations", section), (*tokenization, section), (section,))
    budgets = (*tokenization, "budgets", name)
    yield Place(name, ("tokenizations", "budgets"), budgets, ("tokenization",))
    execution = (RECORDS, EXECUTION, f"{name}-train")
    yield Place(name, (EXECUTION,), execution, ("training", "execution"))


def values_of(specs: Sequence[LoadedSpec], params: Mapping[str, Any]) -> dict[Place, Any]:
    """What params.yaml has for each place of the specs."""
    return {place: value_at(params, place.key) for loaded in specs for place in places_of(loaded)}


def leaves(old: Any, new: Any, path: Path_ = ()) -> Iterator[Leaf]:
    """The smallest parts that differ; a list is one unless it holds the same kinds of mappings."""
    if old is not ABSENT and new is not ABSENT and equal(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(k for k in old if k not in new)]:
            if key not in old or key not in new:
                yield (*path, key), old.get(key, ABSENT), new.get(key, ABSENT)
            else:
                yield from leaves(old[key], new[key], (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and _alike(old, new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from leaves(before, after, (*path, index))
    elif old is not new:
        yield path, old, new


def equal(one: Any, other: Any) -> bool:
    """As DVC compares: `1` and `1.0` are one value, and `true` is another."""
    return same(_floats(one), _floats(other))


def _floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_floats(inner) for inner in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _alike(old: Sequence[Any], new: Sequence[Any]) -> bool:
    return len(old) == len(new) and all(
        isinstance(a, Mapping) and isinstance(b, Mapping) and a.get("type") == b.get("type")
        for a, b in zip(old, new, strict=True)
    )
