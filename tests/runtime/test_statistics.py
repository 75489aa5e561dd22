"""Confidence intervals cover what they say, slices are measured alone, baselines are honest."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics

from bertspec.catalog.task import Measure
from bertspec.catalog.task_parts.baselines import MOST, simple_classifiers
from bertspec.pipeline.params.evaluate import Intervals
from bertspec.pipeline.params.where import Where
from bertspec.runtime.statistics import by_slice, intervals
from tests.projects import SPEC, Project
from tests.stages import prepared_rows, run_kinds


def _mean_of(values: np.ndarray) -> Measure:
    return lambda counts: {"mean": float(np.average(values, weights=counts))}


def _mean_of_rows(values: np.ndarray) -> Callable[[np.ndarray], Mapping[str, float]]:
    return lambda rows: {"mean": float(values[rows].mean())}


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    options = Intervals(resamples=200)
    hits = 0
    for _ in range(300):
        right = random.random(150) < 0.8
        found = intervals(_mean_of(right), 150, options)["mean"]
        hits += found["low"] <= 0.8 <= found["high"]
    assert 0.90 <= hits / 300 <= 0.98


def test_intervals_are_those_of_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(4).normal(0, 1, 200)
    found = intervals(_mean_of(values), 200, Intervals(resamples=5000, level=0.9))["mean"]
    theirs = bootstrap(
        (values,), np.mean, n_resamples=5000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs), abs=0.01)


def test_a_metric_that_most_resamples_do_not_define_has_no_interval() -> None:
    options = Intervals(resamples=20)
    assert intervals(lambda rows: {}, 5, options) == {}


def test_slices_are_measured_on_their_rows_alone() -> None:
    right = np.array([1.0, 0.0, 1.0, 1.0])
    rows = pa.table({"text": ["ab", "c", "abc", "d"], "slice": ["x", "y", "", "x"]})
    wanted = {
        "long": Where(column="text", matches="^..+$"),
        "none": Where(column="text", equals="z"),
    }
    assert by_slice(_mean_of_rows(right), rows, wanted) == {
        "(none)": {"mean": 1.0, "rows": 1},
        "x": {"mean": 1.0, "rows": 2},
        "y": {"mean": 0.0, "rows": 1},
        "long": {"mean": 1.0, "rows": 2},
    }


def test_slices_of_one_name_are_both_there() -> None:
    rows = pa.table({"text": ["ab", "c"], "slice": ["en", "de"]})
    measure = _mean_of_rows(np.array([1.0, 0.0]))
    found = by_slice(measure, rows, {"en": Where(column="text", equals="c")})
    assert found["en"]["mean"] == 1.0
    assert found["en (2)"]["mean"] == 0.0


def test_a_rare_label_that_no_chosen_row_has_leaves_the_shares_alone() -> None:
    count = 2 * MOST + 1
    labels = ["no"] * count
    labels[1] = "yes"
    train = pa.table({"text": ["a film"] * count, "label": labels})
    found = simple_classifiers(train, train.slice(0, 2), ["no", "yes"])
    assert set(found) == {"majority"}


def test_baselines_are_scikit_learns() -> None:
    texts = [f"{'good' if i % 3 else 'bad'} film {i % 7}" for i in range(60)]
    labels = ["no" if i % 3 else "yes" for i in range(60)]
    table = pa.table({"text": texts, "label": labels})
    found = simple_classifiers(table, table, ["yes", "no"])
    assert found["majority"][0] == pytest.approx([1 / 3, 2 / 3])
    predicted = [["yes", "no"][i] for i in found["bag_of_words"].argmax(axis=1)]
    assert metrics.accuracy_score(labels, predicted) == 1.0


def test_what_is_written_of_the_test_split_is_scikit_learns(project: Project) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"]["columns"]["slice"] = "verdict"
    spec["task"] |= {
        "calibration": "temperature",
        "decision": {"type": "precision", "at_least": 0.5},
    }
    spec["evaluation"] |= {
        "metrics": ["accuracy", "f1_macro", "ece"],
        "slices": {"great": {"column": "text", "matches": "great"}},
    }
    spec["training"]["epochs"] = 2
    project.write_spec(spec)
    project.compile()
    kinds = ("fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate")
    run_kinds(project, *kinds)
    written = project.metrics()
    table = pq.read_table(project.root / "models/tiny/evaluation/predictions.parquet")
    rows = [r for r in table.to_pylist() if r["split"] == "test"]
    decision = json.loads((project.root / "models/tiny/decision.json").read_text())
    assert set(decision) == {"temperature", "threshold"}
    assert all((r["scores"][1] >= decision["threshold"]) == (r["prediction"] == "good")
               for r in rows)  # fmt: skip
    gold, said = [r["gold"] for r in rows], [r["prediction"] for r in rows]
    report = metrics.classification_report(gold, said, output_dict=True, zero_division=0.0)
    for label in ("bad", "good"):
        mine = written["classes"][label]
        assert mine["f1"] == pytest.approx(report[label]["f1-score"])
        assert mine["rows"] == report[label]["support"]
        inside = [g == p for g, p in zip(gold, said, strict=True) if g == label]
        assert written["slices"][label]["accuracy"] == pytest.approx(np.mean(inside))
    texts = prepared_rows(project, "test")["text"].to_pylist()
    assert written["slices"]["great"]["rows"] == sum("great" in text for text in texts)
    for name in ("accuracy", "f1_macro"):
        interval = written["intervals"][name]
        assert interval["low"] <= written["test"][name] <= interval["high"]
    assert set(written["baselines"]) == {"majority", "bag_of_words"}
    assert written["baselines"]["bag_of_words"]["accuracy"] > 0.9


def test_a_decision_changes_neither_tokens_nor_training(project: Project) -> None:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))

    def params() -> Any:
        project.write_spec(spec)
        project.compile()
        return (project.root / "dvc.yaml").read_text(), (project.root / "params.yaml").read_text()

    dvc, before = params()
    spec["task"]["calibration"] = "temperature"
    again, after = params()
    changed = set(after.splitlines()) - set(before.splitlines())
    assert again == dvc
    assert [line.strip() for line in changed] == ["calibration: temperature"]
    assert after.count("calibration") == 1
