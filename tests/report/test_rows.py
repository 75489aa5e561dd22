"""The browser of rows: of every task it tells which model is right, and what is right."""

from typing import Any

import pyarrow as pa
import pytest

from bertspec.catalog.tasks import TASKS
from bertspec.runtime.reporting.mistakes import ShownRow, browser

AB = {"labels": ["a", "b"]}
PLACE = {"id": "1", "file": "f", "row": 1, "text": "x"}
SIMILAR = {"objective": {"type": "cosine"}}

# Of each task: options, the prepared row, what is gold, what a good and a bad model predict.
ROWS: list[tuple[str, dict[str, Any], dict[str, Any], Any, dict[str, Any], dict[str, Any]]] = [
    ("text-classification", AB, {}, "a",
     {"prediction": "a", "scores": [0.9, 0.1]}, {"prediction": "b", "scores": [0.3, 0.7]}),
    ("multi-label-classification", AB, {}, ["a"],
     {"prediction": ["a"], "scores": [0.9, 0.1]}, {"prediction": ["b"], "scores": [0.3, 0.7]}),
    ("multiple-choice", {}, {"choices": ["p", "q"]}, 0,
     {"prediction": 0, "scores": [0.9, 0.1]}, {"prediction": 1, "scores": [0.3, 0.7]}),
    ("question-answering", {}, {"question": "q", "context": "The cat, a cat."}, ["The cat", "cat"],
     {"prediction": "cat"}, {"prediction": "q"}),
    ("token-classification", {"labels": ["P"]}, {"tokens": ["Ann"]}, ["B-P"],
     {"prediction": ["B-P"], "entities": [{"label": "P", "text": "Ann"}]},
     {"prediction": ["O"], "entities": []}),
    ("sentence-embedding", {}, {}, None,
     {"rank": 1, "prediction": 0.9}, {"rank": 3, "prediction": 0.5}),
    ("sentence-embedding", SIMILAR, {}, 1.0, {"prediction": 0.9}, {"prediction": 0.1}),
    ("text-regression", {}, {}, 1.0, {"prediction": 1.0}, {"prediction": 2.0}),
    ("masked-lm", {}, {}, None,
     {"tokens": 2, "nll": 1.0, "correct": 2, "prediction": 1.6},
     {"tokens": 2, "nll": 9.0, "correct": 0, "prediction": 90.0}),
    ("causal-lm", {}, {}, None,
     {"tokens": 2, "nll": 1.0, "correct": 2, "prediction": 1.6},
     {"tokens": 2, "nll": 9.0, "correct": 0, "prediction": 90.0}),
]  # fmt: skip


def _shown(case: int) -> ShownRow:
    kind, options, prepared, gold, good, bad = ROWS[case]
    task = TASKS[kind].model_validate({"type": kind, **options})
    judged = {}
    for name, said in (("good", good), ("bad", bad)):
        predicted = {"id": "1", **({} if gold is None else {"gold": gold}), **said}
        judged[name] = (task, pa.Table.from_pylist([predicted]))
    found = browser(judged, [0], pa.Table.from_pylist([PLACE | prepared]), {})
    (row,) = found.rows
    return row


@pytest.mark.parametrize("case", range(len(ROWS)), ids=[row[0] for row in ROWS])
def test_a_right_answer_is_told_from_a_wrong_one(case: int) -> None:
    """Whatever stands beside it: a probability, a rank, another wording of the same answer."""
    kind, options, *_ = ROWS[case]
    exact = TASKS[kind].model_validate({"type": kind, **options}).exact
    row = _shown(case)
    assert [said.right for said in row.said] == ([True, False] if exact else [None, None])
    assert [said.model for said in row.said] == ["good", "bad"]


def test_every_task_is_among_them() -> None:
    assert {kind for kind, *_ in ROWS} == set(TASKS)


def test_what_is_right_is_told_of_each_model_where_it_has_the_models_probability() -> None:
    row = _shown(1)
    assert row.gold is None
    assert [list(said.told.gold) for said in row.said] == [[("a", "a")], [("a", "a (0.300)")]]
    assert _shown(0).gold == [("a", "a")]
