"""Sixteen notes about none, one or two of three things, some of them in two windows."""

from tests.tasks.cases import Case

WORDS = {"price": "cheap", "service": "friendly", "food": "tasty"}
TOPICS: list[list[str]] = [[], ["price"], ["service"], ["food"], ["price", "service"],
                           ["price", "food"], ["service", "food"], list(WORDS)]  # fmt: skip
ROWS = [
    {"body": " ".join(["it was", *(WORDS[topic] for topic in topics), rest]), "topics": topics}
    for rest in ("here", "for us on that day of the year")
    for topics in TOPICS
]

CASE = Case(
    task={"type": "multi-label-classification", "labels": list(WORDS)},
    columns={"text": "body", "label": {"column": "topics", "list": True}},
    rows=ROWS,
    training={"batch": {"examples": 4}, "epochs": 60},
    config={
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.2,
    },
    metrics={"f1_micro": ">= 1.0", "exact_match": ">= 1.0", "hamming_loss": "<= 0.0"},
    inputs=[{"text": row["body"]} for row in ROWS],
    answers=[{"labels": row["topics"]} for row in ROWS],
    tokenization={
        "max_length": 12,
        "long_documents": {"type": "windows", "stride": 2, "aggregate": "mean"},
    },
)
