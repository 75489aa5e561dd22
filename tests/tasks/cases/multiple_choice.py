"""Sixteen questions with two to four answers, one of which is right."""

from tests.tasks.cases import Case

RIGHT = ["a warm sun", "fresh bread", "clear water", "a kind word"]
WRONG = ["cold ash", "old mud", "grey dust", "a torn shoe", "stale smoke", "rust"]
QUESTIONS = ["what is good", "what is dear", "what is wanted", "what is liked"]


def _row(place: int) -> dict[str, object]:
    count = 2 + place % 3
    options = [WRONG[(place + i) % len(WRONG)] for i in range(count)]
    answer = place % count
    options[answer] = RIGHT[place // 4]
    return {"stem": f"{QUESTIONS[place % 4]} {place}", "options": options, "answer": answer}


ROWS = [_row(place) for place in range(16)]

CASE = Case(
    task={"type": "multiple-choice"},
    columns={
        "text": "stem",
        "choices": {"column": "options", "list": True},
        "label": "answer",
    },
    rows=ROWS,
    metrics={"accuracy": ">= 1.0"},
    inputs=[{"text": row["stem"], "choices": row["options"]} for row in ROWS],
    answers=[{"choice": row["answer"]} for row in ROWS],
)
