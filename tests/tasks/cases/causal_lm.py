"""Sixteen parts of the alphabet: each letter follows from the one before, but for the first."""

from string import ascii_lowercase

from tests.tasks.cases import Case

LENGTH, GIVEN = 11, 2
TEXTS = [" ".join(ascii_lowercase[i : i + LENGTH]) for i in range(16)]
BORDER = 2 * GIVEN - 1

CASE = Case(
    task={"type": "causal-lm"},
    columns={"text": "letters"},
    rows=[{"letters": text} for text in TEXTS],
    metrics={"accuracy": ">= 0.9", "perplexity": "<= 2"},
    inputs=[{"text": text[:BORDER]} for text in TEXTS],
    answers=[{"continuation": text[BORDER:]} for text in TEXTS],
    training={"epochs": 40, "learning_rate": 0.01},
)
