"""Go through stages as `dvc repro` does, and know of each what it would leave behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bertspec.planning.differences import Differences
from bertspec.planning.entry import Entry, Locked
from bertspec.planning.hashes import Hashes
from bertspec.planning.order import Makers
from bertspec.planning.plan import Action, Reason, Step, What
from bertspec.planning.project import Project
from bertspec.planning.renamed import Former, find_former, why_new
from bertspec.planning.sources import Sources
from bertspec.planning.store import Store, run_key
from bertspec.runtime.durations import read_duration


class _Unknown:
    """The digest of what a stage will have written anew."""


_UNKNOWN: Final = _Unknown()

Digest = str | None | _Unknown
"""None for what is not there."""


@dataclass
class Walk:
    """The stages so far."""

    project: Project
    hashes: Hashes
    store: Store
    remote: Store
    differences: Differences
    makers: Makers
    sources: Sources
    steps: list[Step] = field(default_factory=list)
    dry: list[str] = field(default_factory=list)
    """See `Plan`."""
    _left: dict[str, Digest] = field(default_factory=dict)
    """Place of each output -> what will lie there."""
    _unsure: set[str] = field(default_factory=set)
    """Stages whose outputs nobody knows yet."""

    def come_to(self, entry: Entry) -> None:
        """The next stage, when all that make what it reads have been come to."""
        locked = self.project.locked.get(entry.name)
        if entry.frozen:
            self._leave(entry, {o.path: self.hashes.of(entry.place(o.path)) for o in entry.outs})
            return
        project = self.project
        former = None
        if locked is None:
            former = find_former(entry, project.params, project.locked, project.entries)
        reasons = self._reasons(entry, locked, former)
        then = {dep: self._then(entry, dep) for dep in entry.deps}
        known = {dep: found for dep, found in then.items() if not isinstance(found, _Unknown)}
        if locked:
            changed = (dep for dep in known if known[dep] != locked.deps.get(dep))
            reasons += [self._of_input(entry, dep, known[dep]) for dep in changed]
        waits = [dep for dep in entry.deps if dep not in known]
        if not reasons and not waits and locked:
            self._leave(entry, locked.outs)
            return
        action = Action.RUN if reasons else Action.FOLLOW
        remembered = None
        for store, taking in ((self.store, Action.RESTORE), (self.remote, Action.PULL)):
            if remembered is None and not waits:
                remembered = self._remembered(entry, locked, known, reasons, store)
                action = taking if remembered else action
        if remembered:
            self._leave(entry, remembered.outs)
        else:
            self._leave(entry, {out.path: _UNKNOWN for out in entry.outs})
            self._unsure.add(entry.name)
        before = (maker for dep in waits for maker in self.makers[entry.name][dep])
        step = Step(
            name=entry.name,
            action=action,
            is_new=locked is None,
            reasons=tuple(reasons),
            follows=tuple(dict.fromkeys(m for m in before if m in self._unsure)),
            seconds=self._seconds(entry.name, former),
        )
        self.steps.append(step)

    def _seconds(self, name: str, former: Former | None) -> float | None:
        """What its last run took; of a stage that never ran, that of the one whose place it takes,
        which does about the same.
        """
        took = read_duration(self.project.root, name)
        if took is None and former is not None:
            return read_duration(self.project.root, former.name)
        return took

    def _reasons(self, entry: Entry, locked: Locked | None, former: Former | None) -> list[Reason]:
        """All that differs now, but for inputs, of which what they will be is what counts."""
        if locked is None:
            self.dry.append(entry.name)
            new = why_new(entry, former, self.sources) if former else ()
            return [Reason(What.NEW, "new"), *new]
        reasons = list(self.differences.of(entry, locked))
        now = ((self.hashes.of(entry.place(dep)), locked.deps.get(dep)) for dep in entry.deps)
        if reasons or any(here != before for here, before in now):
            self.dry.append(entry.name)
        return reasons

    def _leave(self, entry: Entry, outs: Mapping[str, Digest]) -> None:
        for out in entry.outs:
            self._left[entry.place(out.path)] = outs.get(out.path)

    def _then(self, entry: Entry, dep: str) -> Digest:
        """What a stage will find at a path, once those before it are done."""
        place = entry.place(dep)
        if place in self._left:
            return self._left[place]
        if self._unsure.intersection(self.makers[entry.name][dep]):
            return _UNKNOWN
        return self.hashes.of(place)

    def _of_input(self, entry: Entry, dep: str, digest: str | None) -> Reason:
        place, makers = entry.place(dep), self.makers[entry.name][dep]
        if digest is None:
            text = f"{place} is missing"
        elif makers:
            text = f"{place} becomes another one, of {', '.join(makers)}"
        else:
            text = f"{place} changed"
        return Reason(What.INPUT, text, path=place)

    def _remembered(
        self,
        entry: Entry,
        locked: Locked | None,
        inputs: Mapping[str, str | None],
        reasons: Sequence[Reason],
        store: Store,
    ) -> Locked | None:
        """The run whose outputs DVC takes in place of running the stage, if the store has one."""
        if entry.runs_always or not entry.outs or any(out.persist for out in entry.outs):
            return None
        if None in inputs.values() or not (entry.deps or entry.params):
            return None
        differs = {reason.what for reason in reasons}
        whole = locked is not None and all(out.path in locked.outs for out in entry.outs)
        if locked and whole and differs <= {What.OUTPUT, What.LOST}:
            found = locked
            # `--pull` asks only for what it brings, if nothing was changed: the rest is in git.
            pulls = store is self.remote and differs == {What.LOST}
            needed = [found.outs[out.path] for out in entry.outs if out.cached or not pulls]
        else:
            about = {dep: self._about(entry, dep, digest) for dep, digest in inputs.items()}
            outs = [out.path for out in entry.outs]
            run = store.run(run_key(entry.cmd, about, self.differences.values(entry), outs))
            if run is None:
                return None
            found = Locked.read(run)
            needed = list(found.outs.values())
        return found if all(self.store.holds(d) or store.holds(d) for d in needed) else None

    def _about(self, entry: Entry, dep: str, digest: str | None) -> dict[str, Any]:
        program = {"isexec": True} if self.hashes.is_program(entry.place(dep)) else {}
        return {"hash": "md5", "md5": digest, **program}
