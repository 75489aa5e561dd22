"""Which rows a failed export names where a prediction is a number, so that none is another one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertspec.catalog.batch import Tokens
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.task import Task
from bertspec.catalog.tasks.causal_lm import CausalLm
from bertspec.catalog.tasks.sentence_embedding import SentenceEmbedding
from bertspec.catalog.tasks.text_regression import TextRegression
from bertspec.runtime.examples import Examples
from bertspec.runtime.parity import SHOWN, Compared, Expected, compare, failures

SMALL, EXACT = Onnx(type="onnx", quantize="int8"), Onnx(type="onnx")


def _compared(
    task: Task, columns: dict[str, list[Any]], outputs: np.ndarray, got: np.ndarray
) -> tuple[Examples, Compared]:
    """Rows a, b, c and so on; of a text pair the outputs of both texts, one behind the other."""
    count = len(next(iter(columns.values())))
    parts = len(outputs) // count
    examples = np.arange(count).repeat(parts)
    own = pa.table({"part": np.tile(np.arange(parts, dtype=np.int8), count)})
    nothing = np.zeros(0, np.int32)
    tokens = Tokens(examples, nothing, nothing, np.zeros(len(examples) + 1, int), own)
    rows = pa.table({"id": [chr(ord("a") + row) for row in range(count)], **columns})
    split = Examples(rows, tokens)
    expected = Expected.of(task, split, list(outputs), {})
    return split, compare(task, split, expected, list(got), {})


def _message(export: Onnx, split: Examples, compared: Compared) -> str:
    (found,) = failures(export, split, compared)
    assert found.code == "E450"
    return found.message


def test_numbers_that_are_worse_name_the_rows_that_differ_most() -> None:
    gold = np.arange(13.0)
    got = gold.copy()
    got[[2, 7]] += [3.0, -5.0]
    task = TextRegression(type="text-regression")
    split, compared = _compared(task, {"label": gold.tolist()}, gold[:, None], got[:, None])
    said = _message(SMALL, split, compared)
    assert said.startswith(f"{task.headline} of the onnx-int8 export is 0.8132 on the test split")
    assert "; the numbers of these rows differ most: h (5), c (3), " in said
    assert said.count("(") == SHOWN
    assert compared.summary(SMALL)["flips"] == 0


def _vectors(degrees: np.ndarray) -> np.ndarray:
    """Unit vectors, (rows, 2)."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_texts_that_are_found_elsewhere_are_named_the_farthest_first() -> None:
    """Row d's vector differs more, and its pair is found as before."""
    task = SentenceEmbedding(type="sentence-embedding")
    texts = [f"t{place}" for place in range(4)]
    columns = {"text": texts, "text_pair": [f"of {text}" for text in texts]}
    at = np.array([0, 1, 40, 41, 80, 81, 200, 201])
    moved = at + np.array([0, 0, 50, 0, -50, 0, 65, 0])
    split, compared = _compared(task, columns, _vectors(at), _vectors(moved))
    said = _message(SMALL, split, compared)
    assert said.startswith("recall_at_1 of the onnx-int8 export is 0.5000 on the test split")
    assert said.split("; ")[1:] == ["`rank` differs in 2 of 4 rows: c (0.69), b (0.77)"]
    assert compared.summary(SMALL)["flips"] == 0


def _scored(margins: Sequence[Sequence[float]]) -> np.ndarray:
    """Of each text what a language model keeps of its tokens: nll, and the margin of the logit."""
    return np.array([[[1.0, margin] for margin in row] for row in margins], np.float32)


def test_texts_of_which_other_tokens_are_right_are_named() -> None:
    task = CausalLm(type="causal-lm")
    texts = {"text": ["one", "two", "three"]}
    expected = _scored([[0.1, 0.1], [0.1, 0.1], [0.1, -1.0]])
    got = _scored([[-0.1, 0.1], [-0.1, -0.1], [0.9, -1.0]])
    split, compared = _compared(task, texts, expected, got)
    said = _message(SMALL, split, compared)
    assert said.startswith("accuracy of the onnx-int8 export is 0.3333 on the test split")
    assert said.split("; ")[1:] == ["`correct` differs in 2 of 3 rows: b (0.2), a (0.2)"]


@pytest.mark.parametrize("difference", [1e-5, 1e-3])
def test_a_token_about_as_likely_as_another_does_not_fail_an_exact_export(
    difference: float,
) -> None:
    """Of many tokens some are: the bound on numbers says all."""
    texts = {"text": ["one"]}
    split, compared = _compared(
        CausalLm(type="causal-lm"), texts, _scored([[difference / 2]]), _scored([[-difference / 2]])
    )
    found = failures(EXACT, split, compared)
    assert bool(found) is (difference > EXACT.tolerance)
    assert "something else" not in str(found)
