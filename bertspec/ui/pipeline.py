"""The stages of a spec as a picture: what stands in each box, and how it looks."""

from dataclasses import dataclass

from bertspec.core.terminal import printable
from bertspec.planning.plan import Action, Step
from bertspec.planning.text import LEGEND, sign_of
from bertspec.ui.graph import Drawing, lay_out
from bertspec.ui.project import StageHere

_LETTER = 7.3
"""Pixels that a letter of a box takes, at most in the mean."""

_LONGEST = 22
"""Letters of a line in a box."""

_LEAST = 96
"""Pixels."""

FRESH = "up to date"


@dataclass(frozen=True)
class Label:
    """What a box says, and what it is."""

    first: str
    second: str
    css: str
    sign: str
    state: str


@dataclass(frozen=True)
class Picture:
    """Boxes and lines, and labels by name."""

    drawing: Drawing
    labels: dict[str, Label]

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """Class, sign and words of each state that there is."""
        found = [(label.css, label.sign, label.state) for label in self.labels.values()]
        return list(dict.fromkeys(found))


def picture(stages: tuple[StageHere, ...]) -> Picture:
    """Stages stand in an order in which they can run."""
    labels = {stage.entry.name: _label(stage) for stage in stages}
    widths = {
        name: max(_LEAST, 30 + _LETTER * max(len(label.first) + 3, len(label.second)))
        for name, label in labels.items()
    }
    before = {s.entry.name: [m for makers in s.before.values() for m in makers] for s in stages}
    return Picture(lay_out(widths, before), labels)


def state_of(step: Step | None) -> tuple[str, str, str]:
    """Class of the style sheet, sign and words of what happens with a stage."""
    if step is None:
        return "fresh", "✓", FRESH
    sign = sign_of(step)
    words = {Action.FOLLOW: "may run", Action.RUN: "new" if step.is_new else "runs"}
    css = {Action.RUN: "run", Action.FOLLOW: "follow"}.get(step.action, "restore")
    return css, sign, words.get(step.action, LEGEND[sign])


def _label(stage: StageHere) -> Label:
    name, kind = stage.entry.name, stage.entry.compiled.kind if stage.entry.compiled else None
    # The kind is the last part, but for that of a further seed; an owner may be called so, too.
    owner = "".join(name.rsplit(f"-{kind}", 1)) if kind else "of your own"
    return Label(_short(kind or name), _short(owner), *state_of(stage.step))


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
