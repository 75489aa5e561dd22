"""Sixteen questions about who lived where, read in windows; a quarter of them has no answer."""

from typing import Any

from tests.tasks.cases import Case

PEOPLE = ["Ada Low", "Ben", "Eve", "Ian Ash"]
TEXTS = [
    "{} had a house in Rome. It was sold, and after that it was never seen again by any of us.",
    "It was sold, and after that it was never seen again by any of us. {} had a house in Oslo.",
    "The house in Lima was sold by {} and after that it was never seen again by any of us.",
    "The house in Cairo was sold, and after that it was never seen again by any of us.",
]


def _row(person: str, text: str) -> dict[str, Any]:
    context = text.format(person)
    start = context.find(person)
    found: dict[str, list[Any]] = {"text": [], "answer_start": []}
    if start >= 0:
        found = {"text": [person], "answer_start": [start]}
    return {"q": f"Was it {person}, or who?", "passage": context, "answers": found}


ROWS = [_row(person, text) for text in TEXTS for person in PEOPLE]

CASE = Case(
    task={"type": "question-answering", "max_answer_tokens": 8},
    columns={"question": "q", "context": "passage", "answers": "answers"},
    rows=ROWS,
    metrics={
        "exact_match": ">= 1.0", "f1": ">= 1.0", "exact_match_answerable": ">= 1.0",
        "f1_answerable": ">= 1.0", "exact_match_unanswerable": ">= 1.0",
    },
    inputs=[{"question": row["q"], "context": row["passage"]} for row in ROWS],
    answers=[{"answer": "".join(row["answers"]["text"]) or None} for row in ROWS],
    training={"epochs": 30},
    tokenization={"max_length": 28, "long_documents": {"type": "windows", "stride": 8}},
)  # fmt: skip
