"""Sixteen pairs of a question and the answer to it."""

from tests.tasks.cases import Case

THINGS = ["sun", "bread", "water", "snow", "night", "rose", "coal", "sea", "horse", "bird", "wolf",
          "stone", "rain", "fire", "moon", "salt"]  # fmt: skip
TRAITS = ["warm", "fresh", "clear", "white", "dark", "red", "black", "deep", "fast", "light",
          "grey", "hard", "wet", "hot", "round", "bitter"]  # fmt: skip
ROWS = [
    {"asked": f"how is the {thing}", "said": f"it is {trait}"}
    for thing, trait in zip(THINGS, TRAITS, strict=True)
]

CASE = Case(
    task={"type": "sentence-embedding"},
    columns={"text": "asked", "text_pair": "said"},
    rows=ROWS,
    metrics={"recall_at_1": ">= 1.0", "recall_at_5": ">= 1.0", "mrr": ">= 1.0"},
    inputs=[{"text": row[name]} for row in ROWS for name in ("asked", "said")],
    answers=[{} for _ in range(2 * len(ROWS))],
)
