"""Sixteen sentences of words, with people and places in them."""

from itertools import product
from typing import Any

from bertspec.catalog.metrics.tags import METRICS
from tests.tasks.cases import Case

PEOPLE = (["Ann"], ["Bo", "Lee"], ["Cy"], ["Dee", "May", "Fox"])
PLACES = (["Rome"], ["New", "York"])
FRAMES = ("saw", "left")


def _row(person: list[str], place: list[str], verb: str) -> dict[str, Any]:
    tags = ["B-PER", *["I-PER"] * (len(person) - 1), "O", "B-LOC", *["I-LOC"] * (len(place) - 1)]
    return {"words": [*person, verb, *place, "."], "ner": [*tags, "O"]}


ROWS = [_row(*parts) for parts in product(PEOPLE, PLACES, FRAMES)]


CASE = Case(
    task={"type": "token-classification", "labels": ["PER", "LOC"]},
    columns={
        "tokens": {"column": "words", "list": True},
        "tags": {"column": "ner", "list": True},
    },
    rows=ROWS,
    metrics=dict.fromkeys(METRICS, ">= 1.0"),
    inputs=[{"tokens": row["words"]} for row in ROWS],
    answers=[{"tags": row["ner"]} for row in ROWS],
)
