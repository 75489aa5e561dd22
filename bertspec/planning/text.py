"""A plan as text to read, and as plain values for machines."""

from collections.abc import Iterator, Sequence
from typing import Any

from bertspec.core.diagnostics import Position
from bertspec.core.terminal import printable
from bertspec.planning.plan import Action, Plan, Reason, Step, What

LEGEND = {
    "+": "new",
    "~": "changed",
    "=": "from the run cache",
    "<": "from the remote",
    ">": "runs if what it reads becomes another",
    "-": "no longer in the specs",
}
"""What stands before a stage, and what it says."""

_WHOLE = 9.95
"""Seconds from which on tenths are not told."""


def as_text(plan: Plan) -> Iterator[str]:
    """Lines: what to do first, the stages, notes, and the total."""
    if plan.stale:
        yield f"first: `bertspec compile` writes {' and '.join(plan.stale)}"
        yield ""
    rows = [(sign_of(step), step.name, _time(step), _told(step)) for step in plan.steps]
    rows += [("-", name, "", ["no spec has it"]) for name in plan.gone]
    if rows:
        signs = [sign for sign in LEGEND if any(row[0] == sign for row in rows)]
        yield "   ".join(f"{sign} {LEGEND[sign]}" for sign in signs)
        yield ""
    name_width = max((len(name) for _, name, _, _ in rows), default=0)
    time_width = max((len(time) for _, _, time, _ in rows), default=0)
    for sign, name, time, told in rows:
        start = f"{sign} {name:{name_width}}  {time:>{time_width}}"
        for line in told:
            yield printable(f"{start}  {line}").rstrip()
            start = " " * len(start)
    if rows:
        yield ""
    for note in plan.notes:
        yield printable(f"note: {note}")
    yield total_line(plan)


def as_json(plan: Plan) -> dict[str, Any]:
    """The same, with everything by name."""
    sure = plan.of(Action.RUN)
    return {
        "stages": [plain_step(step) for step in plan.steps],
        "gone": list(plan.gone),
        "dry": list(plan.dry),
        "stale": list(plan.stale),
        "notes": list(plan.notes),
        "total": {
            "stages": plan.total,
            **{action.value: len(plan.of(action)) for action in Action},
            "seconds": _sum(sure),
            "seconds_with_all_that_follow": _sum([*sure, *plan.of(Action.FOLLOW)]),
            "unknown": sum(step.seconds is None for step in _timed(plan)),
        },
    }


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 10 s`, `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    if minutes:
        return f"{minutes} min {rest} s"
    return f"{rest} s" if seconds >= _WHOLE else f"{seconds:.1f} s"


def sign_of(step: Step) -> str:
    """Which of LEGEND it is."""
    if step.action is Action.RUN:
        return "+" if step.is_new else "~"
    return {Action.RESTORE: "=", Action.PULL: "<", Action.FOLLOW: ">"}[step.action]


def _time(step: Step) -> str:
    if step.action in (Action.RESTORE, Action.PULL):
        return ""
    return "?" if step.seconds is None else duration(step.seconds)


def _told(step: Step) -> list[str]:
    lines = [_reason(r) for r in step.reasons if r.what is not What.NEW or not step.reasons[1:]]
    if step.action is Action.FOLLOW:
        lines.append(f"follows {', '.join(step.follows)}")
    return lines


def _reason(reason: Reason) -> str:
    return f"{reason.text}   {reason.position}" if reason.position else reason.text


def _timed(plan: Plan) -> Sequence[Step]:
    return [*plan.of(Action.RUN), *plan.of(Action.FOLLOW)]


def _sum(steps: Sequence[Step]) -> float:
    return round(sum(step.seconds or 0.0 for step in steps), 3)


def total_line(plan: Plan) -> str:
    """How many stages there are to run, and about how long they take."""
    run, follow = plan.of(Action.RUN), plan.of(Action.FOLLOW)
    restore, pull = plan.of(Action.RESTORE), plan.of(Action.PULL)
    if not plan.steps:
        return f"nothing to run: {_count(plan.total, 'stage')} up to date"
    parts = [f"{_count(len(run), 'stage')} to run"]
    parts += [f"{len(follow)} that may follow"] if follow else []
    parts += [f"{len(restore)} from the run cache"] if restore else []
    parts += [f"{len(pull)} from the remote, with `dvc repro --pull`"] if pull else []
    timed = _timed(plan)
    unknown = sum(step.seconds is None for step in timed)
    if timed and unknown < len(timed):
        sure, most = _sum(run), _sum(timed)
        about = duration(sure) if sure == most else f"{duration(sure)} to {duration(most)}"
        parts.append(f"about {about}" + (f" ({unknown} unknown)" if unknown else ""))
    elif timed:
        parts.append("for an unknown time")
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def plain_step(step: Step) -> dict[str, Any]:
    """A step for JSON."""
    return {
        "name": step.name,
        "action": step.action.value,
        "new": step.is_new,
        "reasons": [_plain(reason) for reason in step.reasons],
        "follows": list(step.follows),
        "seconds": step.seconds,
    }


def _plain(reason: Reason) -> dict[str, Any]:
    return {
        "what": reason.what.value,
        "text": reason.text,
        "field": list(reason.field) or None,
        "path": reason.path,
        "old": reason.old,
        "new": reason.new,
        "position": plain_place(reason.position),
    }


def plain_place(position: Position | None) -> dict[str, Any] | None:
    """A place for JSON."""
    if position is None:
        return None
    return {
        "file": position.file,
        "line": position.line or None,
        "column": position.column if position.line else None,
    }
