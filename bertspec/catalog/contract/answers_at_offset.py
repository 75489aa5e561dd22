"""E610: an answer is not where its offset says that it is."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule

_BATCH = 4096
"""Rows that are Python objects at once: contexts are long."""

_EXCERPT = 60


class AnswersAtOffset(Rule):
    """The context has another text at an answer's offset, counted in Unicode code points."""

    code: ClassVar[str] = "E610"

    severity: Level = Field(default="error", description=SEVERITY)

    def applies(self, data: PreparedData) -> bool:
        return data.has("context", "answers")

    def field(self, data: PreparedData) -> tuple[str, ...]:
        return ("columns", "answers")

    def check(self, data: PreparedData) -> Iterator[Finding]:
        rows, notes, answers = [], [], 0
        first = 0
        for split in data.splits:
            table = data.tables[split].select(["context", "answers"])
            for start in range(0, len(table), _BATCH):
                for place, row in enumerate(table.slice(start, _BATCH).to_pylist()):
                    wrong = list(misplaced(row["context"] or "", row["answers"] or {}))
                    if wrong:
                        rows.append(first + start + place)
                        notes.append("; ".join(wrong))
                        answers += len(wrong)
            first += len(table)
        if rows:
            are = "1 answer is" if answers == 1 else f"{answers:,} answers are"
            yield Finding(
                f"{are} not where the offset says, in {len(rows):,} rows: {data.places(rows)}",
                "take the offset that the row's note proposes where it is the right occurrence; "
                "offsets count characters (Unicode code points), not bytes or UTF-16 units",
                data.broken(rows, notes),
                refused_as="E329",
            )


def misplaced(context: str, answers: dict[str, Any]) -> Iterator[str]:
    """A note on each answer that is not at its offset."""
    texts, starts = answers.get("text") or [], answers.get("answer_start") or []
    if len(texts) != len(starts):
        yield f"{len(texts)} texts and {len(starts)} offsets"
        return
    # Several people often gave the same answer.
    for text, start in dict.fromkeys(zip(texts, starts, strict=True)):
        if text and start is not None and start >= 0 and context.startswith(text, start):
            continue
        if not text:
            yield f"an empty answer at {start}"
            continue
        there = context[start : start + len(text)] if start is not None and start >= 0 else ""
        near = nearest(context, text, start or 0)
        proposed = "it is nowhere in the context" if near is None else f"the nearest is at {near}"
        yield f"`{_short(text)}` at {start}, where `{_short(there)}` stands: {proposed}"


def nearest(context: str, text: str, start: int) -> int | None:
    """The offset of the occurrence of `text` that is nearest to `start`, the first of two."""
    before = context.rfind(text, 0, max(0, start) + len(text))
    after = context.find(text, max(0, start))
    found = [offset for offset in (before, after) if offset >= 0]
    return min(found, key=lambda offset: (abs(offset - start), offset)) if found else None


def _short(text: str) -> str:
    return f"{text[:_EXCERPT]}…" if len(text) > _EXCERPT else text
