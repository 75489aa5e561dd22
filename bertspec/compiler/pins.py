"""What specs leave open, and the specs with what the lock has in its place."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bertspec.catalog.floating import Floating
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.pipeline.lock import Lock
from bertspec.spec.document import Path_
from bertspec.spec.load import LoadedSpec

_PRECISION = ("training", "precision")


def floating_of(specs: Sequence[LoadedSpec]) -> tuple[Floating, ...]:
    """What sources and bases leave open, each name once."""
    found = {each.name: each for loaded in specs for _, each in _floating(loaded)}
    return tuple(found[name] for name in sorted(found))


def has_auto_precision(specs: Sequence[LoadedSpec]) -> bool:
    """Whether the precision of a training is left open."""
    return any(loaded.spec.training.precision == "auto" for loaded in specs)


def with_pins(loaded: LoadedSpec, lock: Lock) -> LoadedSpec:
    """The spec as if all of it that the lock has were written there."""
    spec = loaded.spec
    source, base = spec.data.source.pinned(lock.pins), spec.model.base.pinned(lock.pins)
    if source != spec.data.source:
        data = spec.data.model_copy(update={"source": source})
        spec = spec.model_copy(update={"data": data})
    if base != spec.model.base:
        model = spec.model.model_copy(update={"base": base})
        spec = spec.model_copy(update={"model": model})
    if spec.training.precision == "auto" and lock.precision is not None:
        training = spec.training.model_copy(update={"precision": lock.precision})
        spec = spec.model_copy(update={"training": training})
    return replace(loaded, spec=spec)


def all_pinned(specs: Sequence[LoadedSpec], lock: Lock) -> list[LoadedSpec]:
    """The specs with nothing left open. Raises InputError (E215) for what the lock has not."""
    fixed = [with_pins(loaded, lock) for loaded in specs]
    found = [missing for loaded in fixed for missing in _missing(loaded)]
    if found:
        raise InputError(list(dict.fromkeys(found)))
    return fixed


def pinned_places(loaded: LoadedSpec) -> Iterator[tuple[Path_, Path_]]:
    """Where a spec leaves something open, and where the lock has it."""
    for section, each in _floating(loaded):
        yield (*section, *each.path), (each.section, each.name)
    if loaded.spec.training.precision == "auto":
        yield _PRECISION, ("precision",)


def _floating(loaded: LoadedSpec) -> Iterator[tuple[tuple[str, ...], Floating]]:
    """What is left open, with the section that it is in."""
    for each in loaded.spec.data.source.floating():
        yield ("data", "source"), each
    for each in loaded.spec.model.base.floating():
        yield ("model", "base"), each


def _missing(loaded: LoadedSpec) -> Iterator[Diagnostic]:
    places = [(each.name, (*section, *each.path)) for section, each in _floating(loaded)]
    if loaded.spec.training.precision == "auto":
        places.append(("`precision: auto`", _PRECISION))
    for name, path in places:
        message = f"bertspec.lock does not say what {name} is"
        yield Diagnostic("E215", message, "run `bertspec lock`", loaded.document.position(path))
