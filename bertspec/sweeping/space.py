"""The fields that a sweep tries: which values they may have, and what a trial's params are."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations, islice, product
from typing import Any

from pydantic import ValidationError

from bertspec.adopting.places import Compiled, places_of
from bertspec.compiler.checks import PROJECT_RULES, RULES
from bertspec.compiler.emit import put_params
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.errors import InputError
from bertspec.core.model import affected_by, written_out
from bertspec.core.names import did_you_mean
from bertspec.core.values import ABSENT, value_at
from bertspec.spec.document import Document, Marks, Path_
from bertspec.spec.load import LoadedSpec
from bertspec.spec.places import keys_at, wanted_at
from bertspec.spec.problems import diagnostics_of
from bertspec.spec.sections import Spec
from bertspec.spec.sweep_file import Grid, Range
from bertspec.sweeping.definition import Definition
from bertspec.sweeping.shape import differences, shape_of

_SECTIONS = ("training", "model", "tokenization")
_TRAINED_BY = frozenset({"base", "tokenize", "train"})
_COMBINATIONS = 500
"""Tried for a value that the spec may not have beside its own ones: rules are about a few fields.
"""

Trial = Mapping[str, Any]
"""Field -> value."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of a range."""

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool
    """Whether the field takes whole numbers alone."""

    def steps(self) -> tuple[float, ...]:
        """All of them, where there is a step: exact in decimals, as they are written."""
        low, high, step = (Decimal(str(n)) for n in (self.low, self.high, self.step))
        values = (low + number * step for number in range(int((high - low) / step) + 1))
        return tuple(int(value) if self.whole else float(value) for value in values)


Choice = tuple[Any, ...] | Numbers


class Space:
    """What trials are made of."""

    def __init__(self, sweep: Definition) -> None:
        """Raises InputError: E237 for a field or a value that cannot be tried, and what is wrong
        with any value that a field may have: each bound and each item, in the place where it
        stands.
        """
        self._sweep = sweep
        self._before = Compiled.of(sweep.specs, sweep.lock)
        self._shape = shape_of(self._before, self._pinned(self._before))
        self._full = written_out(sweep.spec.spec)
        found: list[Diagnostic] = []
        self.choices: dict[str, Choice] = {}
        for name, values in sweep.file.fields.items():
            try:
                self._require_field(name)
                self.choices[name] = self._choice(name, values)
                for place, value in _ends(name, values):
                    self._require_value(name, value, place)
            except InputError as error:
                found += error.diagnostics
        if found:
            raise InputError(list(dict.fromkeys(found)))

    def params(self, trial: Trial, present: str) -> str:
        """The text of params.yaml with a trial's values in the place of the spec's own.

        Keys keep their names, as with `dvc exp run --set-param`, also where a digest of what
        defines a tokenization or a base is in them. `present` is the text as compiled.
        Raises InputError for values that the spec may not have together.
        """
        after = self._compiled(self._changed(trial, {}), ("fields",))
        params = deepcopy(dict(self._before.params))
        keys = {p.role: p.key for p in places_of(self._pinned(self._before))}
        for place in places_of(self._pinned(after)):
            _put(params, keys[place.role], value_at(after.params, place.key))
        return put_params(params, present)

    def _require_value(self, name: str, value: Any, place: Path_) -> None:
        """Raise InputError for a value that no trial may have, which stands at `place`."""
        try:
            changed = self._changed({name: value}, {name: place})
        except InputError:
            together = next(self._beside_others(name, value), None)
            if together is None:
                raise
            changed = together
        self._compiled(changed, place)

    def _beside_others(self, name: str, value: Any) -> Iterator[LoadedSpec]:
        """Specs with a value and some of those that are tried of other fields, as far as they are
        allowed together.
        """
        others = {
            other: [end for _, end in _ends(other, values)]
            for other, values in self._sweep.file.fields.items()
            if other != name
        }
        chosen = (c for size in range(1, len(others) + 1) for c in combinations(others, size))
        trials = (
            dict(zip(fields, ends, strict=True))
            for fields in chosen
            for ends in product(*(others[field] for field in fields))
        )
        for trial in islice(trials, _COMBINATIONS):
            with contextlib.suppress(InputError):
                yield self._changed({name: value, **trial}, {})

    def _compiled(self, changed: LoadedSpec, place: Path_) -> Compiled:
        """Raises InputError (E237, at `place`) for values that change more than params."""
        specs = [changed if s is self._sweep.spec else s for s in self._sweep.specs]
        after = Compiled.of(specs, self._sweep.lock)
        shape = shape_of(after, self._pinned(after))
        if found := next(differences(self._shape, shape), None):
            raise InputError.of(
                "E237",
                f"not params alone would be others: {found}",
                "trials have the stages of the commit; write one such value into the spec, "
                "compile and commit, and sweep over those that are like it",
                self._sweep.document.position(place),
            )
        return after

    def _pinned(self, compiled: Compiled) -> LoadedSpec:
        return next(s for s in compiled.pinned if s.spec.name == self._sweep.file.spec)

    def _require_field(self, name: str) -> None:
        """Raise InputError (E237) for what is no field, or none that a sweep can be about."""
        here = self._sweep.document.position(("fields", name), key=True)
        parts = name.split(".")
        if inside := next((n for n in self._sweep.file.fields if name.startswith(f"{n}.")), None):
            message = f"`{name}` is a part of `{inside}`, which is tried, too"
            advice = f"write it into each value of `{inside}`, or try the parts alone"
            raise InputError.of("E237", message, advice, here)
        for depth, part in enumerate(parts):
            above = tuple(parts[:depth])
            wanted = wanted_at(Spec, above, self._full)
            held = value_at(self._full, above)
            known = [f.name for f in keys_at(wanted, held)] if above else list(_SECTIONS)
            if part in known or (above and any(list(w.values()) for w in wanted)):
                continue
            if not above and part in Spec.model_fields:
                advice = f"fields of {', '.join(f'`{s}`' for s in _SECTIONS)} can be tried"
                if part == "data":
                    advice += "; with other rows, the scores of trials could not be compared"
                raise InputError.of("E237", f"`{name}` cannot be tried in a sweep", advice, here)
            whole = [".".join((*above, other)) for other in known]
            advice = did_you_mean(".".join((*above, part)), whole)
            raise InputError.of("E237", f"there is no field `{name}`", advice, here)
        if len(parts) == 1:
            advice = "name a field of it, such as `training.learning_rate`"
            raise InputError.of("E237", f"`{name}` is a whole section", advice, here)
        if not affected_by(self._sweep.spec.spec, parts) & _TRAINED_BY:
            advice = "a sweep is about what the model on the validation rows depends on"
            raise InputError.of("E237", f"`{name}` does not change the model", advice, here)

    def _choice(self, name: str, values: tuple[Any, ...] | Range) -> Choice:
        """Raises InputError (E237) for a range of what is no number, or without the step that a
        grid needs.
        """
        if not isinstance(values, Range):
            return values
        here = self._sweep.document.position(("fields", name), key=True)
        wanted = wanted_at(Spec, tuple(name.split(".")), self._full)
        kinds = frozenset[type]().union(*(w.numbers() for w in wanted))
        whole = float not in kinds
        if not kinds:
            raise InputError.of("E237", f"`{name}` is no number", "write a list of values", here)
        if isinstance(self._sweep.file.sampler, Grid) and values.step is None:
            raise InputError.of(
                "E237",
                f"a grid has no end of values between {values.low:g} and {values.high:g}",
                "give the range a `step`, or write a list of values",
                here,
            )
        if whole and isinstance(values.step, float):
            raise InputError.of("E237", f"`{name}` takes whole numbers", "so must `step` be", here)
        return Numbers(values.low, values.high, values.log, values.step, whole)

    def _changed(self, trial: Trial, places: Mapping[str, Path_]) -> LoadedSpec:
        """The spec with the values of a trial.

        What is wrong is told in the file of the sweep: at `places`, or at the field's own.
        """
        sweep, document = self._sweep, self._sweep.spec.document
        value, marks = deepcopy(document.value), dict(document.marks)
        for name, new in trial.items():
            path = tuple(name.split("."))
            mine = sweep.document.marks[places.get(name, ("fields", name))]
            key = sweep.document.marks["fields", name].key
            marks = {p: m for p, m in marks.items() if p[: len(path)] != path}
            for depth in range(1, len(path) + 1):
                marks.setdefault(path[:depth], Marks(mine.value, key))
            _set(value, path, new, self._full)
        changed = Document(document.path, document.name, value, marks)
        try:
            spec = Spec.model_validate(value)
        except ValidationError as error:
            raise InputError(diagnostics_of(error, Spec, changed)) from None
        loaded = replace(sweep.spec, spec=spec, document=changed)
        specs = [loaded if s is sweep.spec else s for s in sweep.specs]
        found = [d for rule in RULES for d in rule(loaded, sweep.root)]
        found += [d for rule in PROJECT_RULES for d in rule(specs)]
        if errors := [d for d in found if d.severity is Severity.ERROR]:
            raise InputError(errors)
        return loaded


def _ends(name: str, values: Sequence[Any] | Range) -> Iterator[tuple[Path_, Any]]:
    """What shows whether all values of a field are allowed, and where each stands."""
    if isinstance(values, Range):
        yield ("fields", name, "low"), values.low
        yield ("fields", name, "high"), values.high
    else:
        for index, value in enumerate(values):
            yield ("fields", name, index), value


def _set(values: dict[str, Any], path: tuple[str, ...], new: Any, full: Any) -> None:
    """Put `new` at a path. A section that is begun with it gets the `type` that it has."""
    for depth, part in enumerate(path[:-1], 1):
        inside = values.get(part)
        if not isinstance(inside, dict):
            kind = value_at(full, (*path[:depth], "type"))
            inside = values[part] = {} if kind is ABSENT else {"type": kind}
        values = inside
    values[path[-1]] = new


def _put(params: dict[str, Any], key: Path_, value: Any) -> None:
    *above, last = key
    inside: Any = params
    if value is ABSENT and value_at(params, key) is ABSENT:
        return
    for part in above:
        inside = inside.setdefault(part, {})
    if value is ABSENT:
        del inside[last]
    else:
        inside[last] = value
