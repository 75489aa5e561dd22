"""Where an artifact comes from, as text to read and as plain values for machines."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bertspec.core.terminal import printable
from bertspec.core.values import shown
from bertspec.planning.history import Rebuild
from bertspec.planning.origin import Field, Origin
from bertspec.planning.plan import Action, Step
from bertspec.planning.text import duration, plain_place, plain_step

_WIDTH = 100


@dataclass(frozen=True)
class Explanation:
    """All that is known of where something comes from."""

    target: str
    origins: tuple[Origin, ...]
    """The stage that makes it, and those before."""
    rebuild: Rebuild | None
    step: Step | None
    """What a plan says of the stage."""
    seconds: float | None


def as_text(found: Explanation) -> Iterator[str]:
    """Lines; stages before others are indented below the first that reads what they make."""
    stage = found.origins[0].stage
    if found.target != stage:
        yield f"{found.target} is made by {stage}"
    took = (
        "" if found.seconds is None else f", took {duration(found.seconds)} in its last whole run"
    )
    yield f"{_state(found)}{took}"
    yield _history(found.rebuild)
    yield ""
    yield "It comes from these stages, files and fields; a change of any of them can change it:"
    for origin in found.origins:
        yield ""
        yield from map(printable, _lines(origin, "  " * origin.depth))


def as_json(found: Explanation) -> dict[str, Any]:
    rebuild = found.rebuild
    return {
        "target": found.target,
        "stage": found.origins[0].stage,
        "seconds": found.seconds,
        "origins": [
            {
                "stage": origin.stage,
                "kind": origin.kind,
                "depth": origin.depth,
                "artifacts": list(origin.artifacts),
                "files": list(origin.files),
                "fields": [_field(field) for field in origin.fields],
                "locked": dict(origin.locked),
            }
            for origin in found.origins
        ],
        "last_rebuild": rebuild
        and {
            "commit": rebuild.commit,
            "date": rebuild.date,
            "first": rebuild.first,
            "or_before": rebuild.or_before,
            "reasons": [reason.text for reason in rebuild.reasons],
        },
        "planned": plain_step(found.step) if found.step else None,
    }


def _state(found: Explanation) -> str:
    step = found.step
    if step is None:
        return "up to date"
    why = "; ".join(reason.text for reason in step.reasons) or f"follows {', '.join(step.follows)}"
    words = {
        Action.RUN: "would run now",
        Action.FOLLOW: "may run now",
        Action.RESTORE: "would be taken from the run cache now",
        Action.PULL: "would be pulled now",
    }
    return printable(f"{words[step.action]}: {why}")


def _history(rebuild: Rebuild | None) -> str:
    if rebuild is None:
        return "never built, as far as dvc.lock knows"
    where = f"in {rebuild.commit} of {rebuild.date}" if rebuild.commit else "since the last commit"
    if rebuild.first:
        return f"first built {where}"
    if rebuild.or_before:
        return f"last made anew {where}, or before: older versions of dvc.lock are not looked at"
    why = "; ".join(reason.text for reason in rebuild.reasons) or "nothing that dvc.lock tells of"
    return printable(f"last made anew {where}: {why}")


def _lines(origin: Origin, start: str) -> Iterator[str]:
    makes = f" makes {', '.join(origin.artifacts)}" if origin.artifacts else ""
    yield f"{start}{origin.stage}{makes}"
    yield from (f"{start}    {file}" for file in origin.files)
    for field in origin.fields:
        if _is_written(field):
            yield f"{start}    {field.name} {shown(field.value)}   {field.position}"
    defaults = [field.name for field in origin.fields if not _is_written(field)]
    for what, words in (
        ("by default", defaults),
        ("locked", [f"{name} {version}" for name, version in origin.locked.items()]),
    ):
        if words:
            yield from textwrap.wrap(
                f"{what}: {', '.join(words)}", _WIDTH, initial_indent=f"{start}    ",
                subsequent_indent=f"{start}      ", break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip


def _is_written(field: Field) -> bool:
    return field.position is not None and field.position.line > 0


def _field(field: Field) -> dict[str, Any]:
    return {"name": field.name, "value": field.value, "position": plain_place(field.position)}
