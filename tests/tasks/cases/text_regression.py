"""Sixteen reviews with their stars."""

from tests.tasks.cases import Case

STARS = {"awful": 1, "dull": 2, "fair": 3.5, "superb": 5}
ROWS = [
    {"body": f"a {word} {noun}", "stars": stars}
    for noun in ("film", "cast", "script", "plot")
    for word, stars in STARS.items()
]

CASE = Case(
    task={"type": "text-regression"},
    columns={"text": "body", "label": {"column": "stars", "number": True}},
    rows=ROWS,
    training={"batch": {"examples": 4}, "epochs": 60},
    config={
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.2,
    },
    metrics={"r2": ">= 0.99", "rmse": "<= 0.1", "pearson": ">= 0.99", "spearman": ">= 0.9"},
    inputs=[{"text": row["body"]} for row in ROWS],
    answers=[{} for _ in ROWS],
)
