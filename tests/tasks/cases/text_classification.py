"""Sixteen reviews of two kinds."""

from tests.tasks.cases import Case

TEXTS = ["a warm film", "we loved it", "great cast", "a sharp script", "dull", "we hated it",
         "poor cast", "a limp script"]  # fmt: skip
ROWS = [
    {"body": f"{text} number {i}", "verdict": "good" if place < len(TEXTS) / 2 else "bad"}
    for i in range(2)
    for place, text in enumerate(TEXTS)
]

CASE = Case(
    task={"type": "text-classification", "labels": ["bad", "good"]},
    columns={"text": "body", "label": "verdict"},
    rows=ROWS,
    metrics={"accuracy": ">= 1.0", "f1": ">= 1.0"},
    inputs=[{"text": row["body"]} for row in ROWS],
    answers=[{"label": row["verdict"]} for row in ROWS],
)
