"""An exported model says of the test texts what evaluate and export have measured."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import bertspec
from bertspec.catalog.batch import padded
from bertspec.catalog.exports.onnx import Onnx
from bertspec.runtime import at_once
from bertspec.runtime.predict import Predictor
from bertspec.runtime.tables import read_parquet
from bertspec.runtime.trained import load_trained
from bertspec.runtime.training.batches import read_tokens
from tests.projects import BAD, GOOD, Project, with_onnx
from tests.stages import prepared_rows, run_kinds, tokenized_folder

KINDS = ("fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate", "export")

LEARNS_AT_ONCE = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.2,
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Texts in windows, and a fitted temperature and threshold; 50 texts are predicted at once.

    Labels are hard to tell, so that some rows flip in 8 bits.
    """
    project = Project.create(tmp_path_factory.mktemp("measured") / "project")
    project.write_rows(_rows(400))
    spec = with_onnx()
    spec["task"] |= {"calibration": "temperature", "decision": {"type": "recall", "at_least": 0.6}}
    spec["data"]["split"]["test"] = 0.5
    windows = {"type": "windows", "stride": 4, "aggregate": "mean"}
    spec["tokenization"] = {"max_length": 20, "long_documents": windows}
    spec["model"]["base"]["config"] |= LEARNS_AT_ONCE
    spec["training"]["epochs"] = 2
    spec["export"].append({"type": "onnx", "quantize": "int8", "max_metric_delta": 1.0})
    project.write_spec(spec)
    project.compile()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at_once, "CHUNK", 50)
        run_kinds(project, *KINDS)
        yield project


def _rows(count: int) -> list[tuple[str, str]]:
    """One to six sentences each, good and bad ones; the more of them, the likelier the label."""
    draw = np.random.default_rng(0)
    found = []
    for number in range(count):
        are_good = draw.random(draw.integers(1, 7)) < 0.5
        words = [draw.choice(GOOD if is_good else BAD) for is_good in are_good]
        label = "good" if are_good.mean() > draw.random() else "bad"
        found.append((" ".join([*words, f"number {number}"]), label))
    return found


def _raw_texts(project: Project) -> list[str]:
    """Of the test rows, in their order, as they stand in the file."""
    with (project.root / "data/reviews.csv").open(encoding="utf-8") as file:
        texts = [line["review"] for line in csv.DictReader(file)]
    return [texts[row - 1] for row in prepared_rows(project, "test")["row"].to_pylist()]


def _evaluated(project: Project) -> list[dict[str, Any]]:
    """What evaluate has written of them."""
    path = project.root / "models/tiny/evaluation/predictions.parquet"
    rows = [row for row in read_parquet(path).to_pylist() if row["split"] == "test"]
    assert [row["id"] for row in rows] == prepared_rows(project, "test")["id"].to_pylist()
    return rows


def test_a_model_predicts_what_was_evaluated(measured: Project) -> None:
    """Labels by the fitted threshold, and probabilities after the fitted temperature."""
    texts, rows = _raw_texts(measured), _evaluated(measured)
    answers = list(bertspec.load(measured.root / "models/tiny/export").predict(texts))
    assert [answer["label"] for answer in answers] == [row["prediction"] for row in rows]
    found = [[answer["probabilities"][name] for name in ("bad", "good")] for answer in answers]
    np.testing.assert_allclose(found, [row["scores"] for row in rows], atol=1e-5)


def test_what_flips_in_8_bits_is_what_parity_says(measured: Project) -> None:
    """A range is of all that is run at once, so export has the batches that predict has."""
    texts, rows = _raw_texts(measured), _evaluated(measured)
    parity = json.loads((measured.root / "models/tiny/parity.json").read_text())["onnx-int8"]
    predictor = Predictor(measured.root / "models/tiny/export", "onnx-int8", threads=1)
    said = [answer["label"] for answer in predictor.predict(texts)]
    flips = sum(label != row["prediction"] for label, row in zip(said, rows, strict=True))
    right = sum(label == row["gold"] for label, row in zip(said, rows, strict=True))
    assert flips == parity["flips"] > 0
    assert parity["metric"] == "accuracy"
    assert right / len(rows) == parity["exported"]


def test_the_largest_difference_is_that_of_the_two_runtimes(measured: Project) -> None:
    parity = json.loads((measured.root / "models/tiny/parity.json").read_text())["onnx-int8"]
    export = Onnx(type="onnx", quantize="int8")
    run = export.runner(measured.root / "models/tiny/export" / export.filename, 1)
    model = load_trained(measured.root / "models/tiny/trained")
    tokens = read_tokens(tokenized_folder(measured), "test")
    differences = []
    for place in range(len(tokens)):
        inputs = padded(tokens, np.array([place]), 0)
        with torch.no_grad():
            expected = model(**{n: torch.from_numpy(each) for n, each in inputs.items()}).logits
        differences.append(np.abs(run(inputs) - expected.numpy()).max())
    assert max(differences) > 2 * min(differences)
    assert parity["max_difference"] == pytest.approx(max(differences), rel=1e-3)


def test_in_8_bits_an_answer_is_that_of_a_text_by_itself(measured: Project) -> None:
    predictor = Predictor(measured.root / "models/tiny/export", "onnx-int8", threads=1)
    texts = _raw_texts(measured)
    by_themselves = [next(predictor.predict([text])) for text in texts]
    assert list(predictor.predict(texts)) == by_themselves
