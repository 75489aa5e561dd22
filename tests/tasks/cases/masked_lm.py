"""Sixteen texts that say one word again and again, so that each follows from the others."""

from unittest.mock import ANY

from tests.tasks.cases import Case

WORDS = ["red", "blue", "green", "gold", "cat", "dog", "owl", "fox", "oak", "elm", "fir", "ash",
         "sun", "moon", "rain", "snow"]  # fmt: skip

CASE = Case(
    task={"type": "masked-lm", "top_k": 1},
    columns={"text": "body"},
    rows=[{"body": " ".join([word] * 6)} for word in WORDS],
    metrics={"accuracy": ">= 0.9", "perplexity": "<= 2"},
    inputs=[{"text": f"{word} {word} [MASK] {word} {word} {word}"} for word in WORDS],
    answers=[{"fills": [[{"token": word, "score": ANY}]]} for word in WORDS],
    training={"epochs": 100, "learning_rate": 0.01},
    config={"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
)
