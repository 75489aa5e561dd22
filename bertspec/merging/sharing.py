"""What specs share, taken apart for merging, and put together again.

Bases and tokenizations are named by a digest of what defines them. Where both sides change those of
one spec, each side has another name for them, and the merge needs a third. So each spec first gets
a base and a tokenization of its own, whose names no change touches; these are merged, and named
anew. For params.yaml, which has what defines them, the compiler tells the name; dvc.yaml has the
names alone, and takes those of params.yaml, which git merges before it, see `naming.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertspec.core.manifest import manifest_path
from bertspec.merging.stages import Node, owner_of
from bertspec.merging.values import Key, equal
from bertspec.pipeline import layout
from bertspec.pipeline.stage import RECORDS

Names = dict[tuple[str, str, str], str]
"""Where a base or tokenization was before (or nothing), ours and theirs, and the merged one."""

Sides = Sequence[Mapping[str, "Shared"]]
"""What each spec shares, of three sides."""

Stages = Mapping[str, Mapping[str, Any]]

_OWN = "@"
"""Begins the name of what is one spec's own: no name of a spec or a data set has it."""


@dataclass(frozen=True)
class Shared:
    """Where a spec's base and tokenization are."""

    base: str
    tokenized: str

    @classmethod
    def own(cls, spec: str) -> "Shared":
        """Where they are while each spec has its own."""
        return cls(layout.base(_OWN + spec), layout.tokenized(_OWN + spec, _OWN))

    @property
    def base_name(self) -> str:
        return self.base.rpartition("/")[2]

    @property
    def tokenization_name(self) -> str:
        _, dataset, _, key = self.tokenized.split("/")
        return f"{dataset}-{key}"

    @property
    def stages(self) -> tuple[str, str]:
        """Names of the stages that make them."""
        return f"{self.base_name}-base", f"{self.tokenization_name}-tokenize"

    def strings(self) -> Iterator[str]:
        """All that compiled stages have of the names, in one order."""
        yield f"bases.{self.base_name}"
        for section in ("task", "tokenization", "budgets"):
            yield f"tokenizations.{self.tokenization_name}.{section}"
        for path in (self.base, self.tokenized):
            yield from (path, manifest_path(path))
        for stage in self.stages:
            yield from (stage, layout.COMMAND + stage, f"{RECORDS}.stages.{stage}")


@dataclass(frozen=True)
class Told:
    """What the merge of params.yaml knows, and that of dvc.yaml must."""

    names: Names
    sides: Sides = ()
    """Those that were merged."""
    budgets: tuple[str, ...] = ()
    """Specs that have budgets of their own."""


def shared_by(nodes: Iterable[Node]) -> dict[str, Shared]:
    """What each spec shares, by what its training reads."""
    found = {}
    for node in nodes:
        if node.name.endswith("-train"):
            parts = {path: path.split("/") for path in node.reads.values()}
            base = [p for p, of in parts.items() if of[:-1] == ["models", "bases"]]
            tokenized = [
                p for p, of in parts.items() if [of[0], *of[2:-1]] == ["data", "tokenized"]
            ]
            if base and tokenized:
                found[node.owner] = Shared(base[0], tokenized[0])
    return found


def taken_apart(stages: Stages, shared: Mapping[str, Shared]) -> dict[str, Any]:
    """Stages by name, with one of each spec in the place of one that several share."""
    users: dict[str, list[str]] = {}
    for spec, of_spec in shared.items():
        for name in of_spec.stages:
            users.setdefault(name, []).append(spec)
    apart: dict[str, Any] = {}
    for name, stage in stages.items():
        for spec in users.get(name) or [owner_of(name)]:
            of = shared.get(spec)
            # That of a shared stage tells the first spec alone.
            told = stages[f"{spec}-train"] if name in users else stage
            own = {name: {**stage, **({"desc": told["desc"]} if "desc" in told else {})}}
            apart |= _renamed(own, of, Shared.own(spec)) if of else own
    return apart


def put_together(
    stages: Stages, shared: Mapping[str, Shared], conflicts: list[Key]
) -> dict[str, Any]:
    """What was taken apart, with these names; what then differs is a conflict."""
    owners: dict[str, str] = {}
    together: dict[str, Any] = {}
    for name, stage in stages.items():
        spec = _without_own(owner_of(name))
        of = shared.get(spec)
        renamed = _renamed({name: stage}, Shared.own(spec), of) if of else {name: stage}
        for new, each in renamed.items():
            first, second = each, together.get(new, each)
            if owners.setdefault(new, spec) < spec:
                first, second = second, first
            owners[new] = min(owners[new], spec)
            conflicts += [(new, key) for key in _differing(first, second)]
            # One has budgets that the other has not, or the user froze it before it was shared.
            params = {**first["params"], **second["params"]}
            together[new] = {**second, **first, "params": dict(sorted(params.items()))}
    return together


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    both = one.keys() & other.keys() - {"desc", "params"}
    return sorted(key for key in both if not equal(one[key], other[key]))


def _renamed(value: Any, old: Shared, new: Shared) -> Any:
    names = dict(zip(old.strings(), new.strings(), strict=True))

    def rename(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {rename(key): rename(inner) for key, inner in value.items()}
        return names.get(value, value) if isinstance(value, str) else value

    return rename(value)


def merged_paths(spec: str, sides: Sides, names: Names) -> tuple[Shared, bool]:
    """Where what the spec shares is once merged, and whether `names` tell all that they must."""
    three = [side.get(spec, Shared("", "")) for side in sides]
    base, sure = _merged([each.base for each in three], names)
    tokenized, also = _merged([each.tokenized for each in three], names)
    return Shared(base, tokenized), sure and also


def _merged(paths: Sequence[str], names: Names) -> tuple[str, bool]:
    base, ours, theirs = paths
    if theirs in (base, ours, ""):
        return ours or theirs, True
    if ours in (base, ""):
        return theirs, True
    found = names.get((base, ours, theirs))
    return found or ours, found is not None


def shown(key: Key) -> Key:
    """A key of what was taken apart, as the user can read it."""
    return tuple(map(_without_own, key))


def _without_own(name: str) -> str:
    return name.replace(f"-{_OWN}", "").replace(_OWN, "") if name.startswith(_OWN) else name
