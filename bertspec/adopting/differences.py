"""In what params.yaml is not as compiled, and what of that no field of a spec gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertspec.adopting.places import Compiled, Leaf, Place, equal, leaves, places_of
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.values import ABSENT, dotted, shown, value_at
from bertspec.pipeline.layout import LOCK_FILE, PARAMS_FILE
from bertspec.pipeline.stage import EXECUTION, RECORDS
from bertspec.planning.sources import position_of
from bertspec.spec.document import Path_

_AGAIN = "run `bertspec compile`, and `dvc exp apply` the experiment again"


@dataclass(frozen=True)
class Difference:
    """A key whose value is not the compiled one; ABSENT stands for no value."""

    key: str
    compiled: Any
    present: Any
    places: Sequence[Place]
    """Of each spec that gives it."""


def differences(
    compiled: Compiled, present: Mapping[str, Any], called: str = PARAMS_FILE
) -> Iterator[Difference]:
    """What can be adopted. Messages call `present` so.

    Raises InputError: E221 for what was compiled from other specs, E222 for what no field of a spec
    gives, E223 for what a spec leaves open and the lock gives.
    """
    _refuse_other_specs(compiled, present, called)
    places = [place for loaded in compiled.pinned for place in places_of(loaded)]
    ours = {key: present[key] for key in compiled.params}
    found: list[Diagnostic] = []
    wholes = leaves(_comparable(compiled.params), _comparable(ours))
    for path, was, now in (leaf for whole in wholes for leaf in _parts(whole, places)):
        giving = [place for place in places if place.key == path[: len(place.key)]]
        if not giving:
            found.append(_derived(path, was, now, called))
        elif fixed := _fixed(compiled, giving[0], path):
            found.append(fixed)
        else:
            yield Difference(".".join(map(str, path)), was, now, giving)
    if found:
        raise InputError(found)


def overwritten(
    before: Compiled, after: Compiled, present: Mapping[str, Any]
) -> Iterator[Difference]:
    """In what params.yaml is neither what specs compile to, nor what they do after a change."""
    ours = {key: present[key] for key in before.params if key in present}
    for path, _, now in leaves(_comparable(before.params), _comparable(ours)):
        new = value_at(after.params, path)
        if now is not new and (ABSENT in (now, new) or not equal(now, new)):
            yield Difference(".".join(map(str, path)), new, now, ())


def _refuse_other_specs(compiled: Compiled, present: Mapping[str, Any], called: str) -> None:
    previous = value_at(present, (RECORDS, "compiled"))
    theirs = previous if isinstance(previous, list) else []
    for key in sorted(compiled.params.keys() | {k for k in theirs if isinstance(k, str)}):
        missing = f"no `{key}`" if key not in present else ""
        if key not in compiled.params:
            missing = f"`{key}`, and no spec has it"
        if missing:
            message = f"{called} was not compiled from these specs: it has {missing}"
            raise InputError.of("E221", message, _AGAIN)


def _parts(leaf: Leaf, places: Sequence[Place]) -> Iterator[Leaf]:
    """A leaf, or what is in it, where places are below it."""
    path, was, now = leaf
    below = any(len(path) < len(p.key) and p.key[: len(path)] == path for p in places)
    values = [value for value in (was, now) if isinstance(value, Mapping)]
    if not below or not values:
        yield leaf
        return
    for key in dict.fromkeys(key for value in values for key in value):
        yield from _parts(((*path, key), value_at(was, (key,)), value_at(now, (key,))), places)


def _comparable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Without the list of keys, which gives no value."""
    given = params.get(RECORDS)
    about = given if isinstance(given, Mapping) else {}
    kept = {key: value for key, value in about.items() if key != "compiled"}
    return {**params, RECORDS: {EXECUTION: {}, **kept}}


def _derived(path: Path_, was: Any, now: Any, called: str) -> Diagnostic:
    key = ".".join(map(str, path))
    message = f"`{key}` in {called} comes from no field of a spec: it is {shown(now)}"
    message += f", and compiled {shown(was)}"
    if path[0] == RECORDS:
        advice = f"it is compiled from {LOCK_FILE} and from names: {_AGAIN}"
    elif now is ABSENT or path[0] in ("bases", "datasets", "tokenizations"):
        advice = f"the specs have changed since it was compiled: {_AGAIN}"
    else:
        advice = "no stage reads it: take it out of the experiment"
    return Diagnostic("E222", message, advice)


def _fixed(compiled: Compiled, place: Place, path: Path_) -> Diagnostic | None:
    """What to say of a value that the spec leaves open, and the lock gives."""
    below = path[len(place.key) :]
    field = (*place.field, *below)
    written, pinned = (
        value_at(
            next(s for s in specs if s.spec.name == place.spec).spec.model_dump(mode="json"), field
        )
        for specs in (compiled.specs, compiled.pinned)
    )
    if ABSENT in (written, pinned) or equal(written, pinned):
        return None
    return Diagnostic(
        "E223",
        f"`{place.in_params(below)}` cannot be adopted: {LOCK_FILE} says what "
        f"`{dotted(field)}: {written}` is",
        "write the value into the spec yourself, compile, and apply the experiment again",
        position_of(compiled.document(place.spec), field),
    )
