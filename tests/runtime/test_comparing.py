"""`bertspec compare`: verdicts are right as often as they say, on rows that both have."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from bertspec.catalog.task import Measure
from bertspec.catalog.tasks import TASKS
from bertspec.core.errors import InputError
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.params.evaluate import Intervals
from bertspec.runtime.comparing.paired import BETTER, EQUAL, WORSE, compare, differences, of_seeds
from bertspec.runtime.comparing.side import Side
from bertspec.runtime.tables import write_parquet
from tests.projects import SPEC, Project

TASK = TASKS["text-classification"].model_validate(SPEC["task"])
ONCE = Intervals(resamples=500)


def _table(right: Sequence[bool] | np.ndarray, first: int = 0) -> pa.Table:
    """Predictions of which these are right; the gold labels alternate."""
    names = ["bad", "good"]
    gold = [(first + i) % 2 for i in range(len(right))]
    said = [g if r else 1 - g for g, r in zip(gold, right, strict=True)]
    return pa.table(
        {
            "id": [f"{first + i:05}" for i in range(len(right))],
            "gold": [names[g] for g in gold],
            "prediction": [names[s] for s in said],
            "scores": [[0.2, 0.8] if s else [0.8, 0.2] for s in said],
        }
    )


def _side(*tables: pa.Table, name: str = "model") -> Side:
    return Side(name, TASK, ["f1"], tables)


def _draw(random: np.random.Generator, rows: int, rates: Sequence[float]) -> list[np.ndarray]:
    """Which rows models of these accuracies have right; what is hard is so for all of them."""
    hardness = random.random(rows)
    noise = [random.random(rows) for _ in rates]
    return [
        0.7 * hardness + 0.3 * n < _quantile(rate) for n, rate in zip(noise, rates, strict=True)
    ]


def _quantile(rate: float) -> float:
    """Below which 0.7 u + 0.3 v is as often as `rate`, for a rate in the linear part."""
    assert 0.15 / 0.7 < rate < 1 - 0.15 / 0.7
    return 0.7 * rate + 0.15


def _accuracy(right: np.ndarray) -> list[Measure]:
    return [lambda counts: {"accuracy": float(counts @ right) / len(right)}]


def test_intervals_cover_the_true_difference_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    hits, alarms, runs, rows = 0, 0, 120, 200
    for run in range(runs):
        options = Intervals(resamples=200, seed=run)
        a, b, same = map(_accuracy, _draw(random, rows, [0.70, 0.62, 0.70]))
        (found,) = differences(["accuracy"], [a, b], rows, options)
        hits += found.low <= -0.08 <= found.high
        (found,) = differences(["accuracy"], [a, same], rows, options)
        alarms += found.verdict != EQUAL
    assert 0.89 <= hits / runs <= 0.99
    assert 0.005 <= alarms / runs <= 0.11, "of models that are as good, one in twenty"


@pytest.mark.parametrize(
    ("seeds", "sd"),
    [((2, 2), 0.03), ((3, 3), 0.03), ((1, 4), 0.03), ((1, 2), 0.015), ((2, 2), 0.01)],
)
def test_intervals_hold_what_other_seeds_would_give(seeds: tuple[int, int], sd: float) -> None:
    """Draws from the few seeds that there are would hold it in 7 of 10 runs with two, and in 8 with
    three. Where seeds make about as much as rows, a variance that is taken for known, and is often
    0 then, would do so in 9.
    """
    random = np.random.default_rng(9)
    hits, runs, rows = 0, 150, 1000
    for run in range(runs):
        rates = [random.normal(0.66, sd) for _ in range(sum(seeds))]
        models = [*map(_accuracy, _draw(random, rows, rates))]
        sides = [[m[0] for m in models[: seeds[0]]], [m[0] for m in models[seeds[0] :]]]
        options = Intervals(resamples=100, seed=run)
        (found,) = differences(["accuracy"], sides, rows, options)
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / runs <= 1


@pytest.mark.parametrize(
    ("seeds", "sds", "low", "high"),
    [
        ((1, 2), (1, 1), 0.96, 1),
        ((2, 2), (1, 1), 0.96, 1),
        ((3, 3), (1, 4), 0.94, 0.995),
        ((2, 8), (1, 4), 0.94, 1),
        ((2, 8), (4, 1), 0.93, 0.99),
        ((5, 5), (4, 4), 0.93, 0.985),
        ((10, 10), (2, 2), 0.93, 0.98),
    ],
)
def test_intervals_over_seeds_cover_as_often_as_they_say(
    seeds: tuple[int, int], sds: tuple[float, float], low: float, high: float
) -> None:
    """Of normal values: each side has its own deviation, in units of what the rows make."""
    random = np.random.default_rng(12)
    hits, runs, draws = 0, 600, 200
    for _ in range(runs):
        each = zip(seeds, sds, strict=True)
        whole = [random.normal(0, sd, n) + random.normal(0, 1, n) for n, sd in each]
        drawn = [side + random.normal(0, 1, (draws, len(side))) for side in whole]
        values = drawn[1].mean(1) - drawn[0].mean(1) + of_seeds(whole, drawn, random)
        bounds = np.quantile(values, [0.025, 0.975])
        hits += bounds[0] <= 0 <= bounds[1]
    assert low <= hits / runs <= high


def test_what_rows_alone_make_of_seeds_widens_no_interval() -> None:
    """Seeds that differ by chance on these rows are no worse than more rows."""
    random = np.random.default_rng(10)
    many = [_accuracy(right)[0] for right in _draw(random, 400, [0.7] * 20)]
    (found,) = differences(["accuracy"], [many[:10], many[10:]], 400, ONCE)
    (one,) = differences(["accuracy"], [many[:1], many[1:2]], 400, ONCE)
    assert found.high - found.low < 0.5 * (one.high - one.low), "0.54 if the rows counted twice"


def _answers(right: np.ndarray) -> pa.Table:
    """Answers of a model to questions, of which these are right."""
    said = ["Ada" if r else "Bob" for r in right]
    return pa.table({"gold": [["Ada"]] * len(said), "prediction": said})


def _likelihoods(random: np.random.Generator, rows: int, means: Sequence[float]) -> list[pa.Table]:
    """What models say of texts of many lengths, of which some are harder for all of them."""
    tokens = random.integers(5, 40, rows)
    hard = random.normal(0, 0.5, rows)
    each = [tokens * (mean + hard + random.normal(0, 0.2, rows)) for mean in means]
    correct = np.zeros(rows, np.int64)
    return [pa.table({"tokens": tokens, "correct": correct, "nll": nll}) for nll in each]


@pytest.mark.parametrize("metric", ["f1", "exact_match", "perplexity"])
def test_intervals_cover_as_often_for_other_metrics(metric: str) -> None:
    random = np.random.default_rng(11)
    hits, runs, rows = 0, 100, 200
    task, true = TASK, -0.08
    if metric == "exact_match":
        task = TASKS["question-answering"].model_validate({"type": "question-answering"})
    elif metric == "perplexity":
        task = TASKS["masked-lm"].model_validate({"type": "masked-lm"})
        true = float(np.exp(2.1) - np.exp(2))
    for run in range(runs):
        if metric == "perplexity":
            tables = _likelihoods(random, rows, [2, 2.1])
        else:
            made = _table if metric == "f1" else _answers
            tables = [made(right) for right in _draw(random, rows, [0.70, 0.62])]
        sides = [[task.measurer([metric], table)] for table in tables]
        options = Intervals(resamples=100, seed=run)
        (found,) = differences([metric], sides, rows, options, task.lower_is_better)
        hits += found.low <= true <= found.high
    assert 0.87 <= hits / runs <= 1


def test_the_interval_of_accuracy_is_that_of_scipy() -> None:
    a, b = _draw(np.random.default_rng(8), 300, [0.7, 0.65])
    found = compare(_side(_table(a)), _side(_table(b)), Intervals(resamples=5000)).differences[0]
    theirs = stats.bootstrap(
        (b.astype(float) - a,), np.mean, n_resamples=5000, method="percentile", rng=1
    ).confidence_interval
    assert found.metric == "accuracy"
    assert found.difference == pytest.approx(b.mean() - a.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.006)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    a, b = np.ones(40, bool), np.ones(40, bool)
    a[:3], b[3:15] = False, False
    found = compare(_side(_table(a)), _side(_table(b)), ONCE).mcnemar
    assert found is not None
    assert (found.first_only, found.second_only) == (12, 3)
    tail = sum(stats.binom.pmf(k, 15, 0.5) for k in range(4))
    assert found.p == pytest.approx(2 * tail)


def test_a_model_is_no_different_from_itself() -> None:
    table = _table(np.arange(50) % 3 > 0)
    found = compare(_side(table), _side(table), ONCE)
    assert {(d.low, d.high, d.p, d.verdict) for d in found.differences} == {(0, 0, 1, EQUAL)}
    assert found.mcnemar is not None
    assert found.mcnemar.p == 1
    other = _table(np.arange(50) % 4 > 0)
    for second in ((table, other), (other, table)):
        told = compare(_side(table, other), _side(*second), ONCE).differences
        assert [d.low < 0 < d.high for d in told] == [second[0] is other] * len(told)
        assert {d.difference for d in told} == {0}


def test_rows_are_matched_by_id_and_others_left_out() -> None:
    a = _table(np.arange(60) % 2 > 0)
    shuffled = a.slice(10).take(np.random.default_rng(1).permutation(50))
    found = compare(_side(a), _side(pa.concat_tables([shuffled, _table([True], 900)])), ONCE)
    assert (found.rows, found.only) == (50, (10, 1))
    assert {d.verdict for d in found.differences} == {EQUAL}


def test_a_difference_as_large_as_that_between_seeds_is_none() -> None:
    """The same rows alone would call it one."""
    random = np.random.default_rng(5)
    good, poor = _draw(random, 1000, [0.72, 0.62])
    assert compare(_side(_table(poor)), _side(_table(good)), ONCE).differences[0].verdict == BETTER
    both = [_table(good), _table(poor)]
    (first, *_) = compare(_side(*both), _side(*both[::-1]), ONCE).differences
    assert first.difference == pytest.approx(0)
    assert first.verdict == EQUAL
    assert first.low < -0.05 < 0.05 < first.high


def test_less_is_better_where_the_task_says_so() -> None:
    task = TASKS["text-regression"].model_validate({"type": "text-regression"})
    gold = np.linspace(0, 1, 80)
    tables = [
        pa.table({"id": [str(i) for i in range(80)], "gold": gold, "prediction": gold + error})
        for error in (np.sin(np.arange(80)) * 0.1, np.sin(np.arange(80)) * 0.3)
    ]
    one, other = (Side("x", task, ["mae", "r2"], [table]) for table in tables)
    found = {d.metric: d.verdict for d in compare(one, other, Intervals(resamples=100)).differences}
    assert found["mae"] == found["r2"] == WORSE


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two compiled specs with predictions written by hand: `worse` has a third of them wrong."""
    project = Project.create(tmp_path_factory.mktemp("compare") / "project")
    project.write_spec(SPEC | {"name": "worse"}, "worse.json")
    columns = {"text": "review", "label": {"column": "verdict", "number": True}}
    other = {"task": {"type": "text-regression"}, "evaluation": {"metrics": ["mae"]}}
    other["data"] = SPEC["data"] | {"name": "numbers", "columns": columns}
    project.write_spec(SPEC | {"name": "other"} | other, "other.json")
    project.compile()
    rows = np.arange(120)
    splits = pa.array(["test"] * 100 + ["train"] * 20)
    for name, right in (("tiny", rows % 20 > 0), ("worse", rows % 3 > 0), ("other", rows % 2 > 0)):
        folder = project.root / "models" / name / "evaluation"
        folder.mkdir(parents=True)
        table = _table(right).append_column("split", splits)
        write_parquet(table, folder / "predictions.parquet")
    return project


def _json(project: Project, *arguments: str, code: int = 0) -> Any:
    return json.loads(project.call("compare", *arguments, "--format", "json", code=code).stdout)


def test_only_test_rows_count(project: Project) -> None:
    found = _json(project, "tiny", "worse")
    (accuracy, f1, *_) = found["differences"]
    assert found["rows"] == 100
    assert (accuracy["metric"], accuracy["first"], accuracy["second"]) == ("accuracy", 0.95, 0.66)
    assert accuracy["difference"] == pytest.approx(-0.29)
    assert accuracy["verdict"] == f1["verdict"] == WORSE
    assert (found["models"], found["seeds"]) == (["tiny", "worse"], [1, 1])
    assert found == _json(project, "tiny", "worse"), "draws are seeded"


@pytest.mark.parametrize(
    ("first", "second", "require", "code"),
    [
        ("tiny", "worse", ("no-worse",), 1),
        ("worse", "tiny", ("no-worse",), 0),
        ("worse", "tiny", ("better",), 0),
        ("tiny", "tiny", ("better",), 1),
        ("tiny", "tiny", ("no-worse", "--margin", "0.01"), 0),
        ("tiny", "worse", ("no-worse", "--margin", "0.5"), 0),
        ("tiny", "worse", ("no-worse", "--margin", "0.1"), 1),
    ],
)
def test_what_is_required_decides_the_exit_code(
    project: Project, first: str, second: str, require: tuple[str, ...], code: int
) -> None:
    said = project.bertspec("compare", first, second, "--require", *require, code=code)
    assert "100 test rows of both" in said
    assert ("E492" in said) is bool(code)


def test_what_cannot_be_compared_is_told(project: Project) -> None:
    assert "did you mean `tiny`" in project.bertspec("compare", "tinny", "tiny", code=2)
    assert "E491" in project.bertspec("compare", "tiny", "other", code=2)
    assert "E490" in project.bertspec("compare", "tiny@main", "tiny", code=2)
    assert "--margin is of" in project.bertspec("compare", "tiny", "tiny", "--margin", "1", code=2)
    apart = Side("apart", TASK, [], [_table([True], 5000)])
    with pytest.raises(InputError, match="no test row in common"):
        compare(_side(_table([True])), apart, ONCE)
    turned = TASKS["text-classification"].model_validate(SPEC["task"] | {"labels": ["good", "bad"]})
    with pytest.raises(InputError, match="labels of model are bad, good, and those of turned good"):
        compare(_side(_table([True])), Side("turned", turned, [], [_table([True])]), ONCE)
    predictions = project.root / "models/worse/evaluation/predictions.parquet"
    predictions.rename(predictions.with_suffix(".away"))
    assert "E206" in project.bertspec("compare", "tiny", "worse", code=2)
    predictions.with_suffix(".away").rename(predictions)


@pytest.fixture
def inside(project: Project, tmp_path: Path, preloaded: None) -> Project:
    """The project in a folder of a repository, with what DVC takes for an evaluation of `tiny`."""
    top = Project(tmp_path)
    top.init_dvc()
    root = Path(shutil.copytree(project.root, top.root / "models of/mine"))
    evaluate = load_plain((root / "dvc.yaml").read_text())["stages"]["tiny-evaluate"]
    outs = (o for key in ("outs", "metrics", "plots") for o in evaluate[key])
    for path in (*evaluate["deps"], *(o if isinstance(o, str) else min(o) for o in outs)):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.exists() or place.write_text("{}" if place.suffix == ".json" else "x\n1\n")
    inside = Project(root)
    inside.run("dvc", "commit", "--force", "--quiet", "tiny-evaluate")
    inside.commit("build")
    return inside


def _at_revision(project: Project, change: Callable[[dict[str, Any]], Any], code: int = 0) -> str:
    """What `compare` says of `tiny` in a commit whose params.yaml is changed so, and of it here."""
    file = project.root / "params.yaml"
    before = file.read_text()
    params = load_plain(before)
    change(params)
    file.write_text(dump(params))
    project.commit()
    file.write_text(before)
    names = ("tiny@HEAD", "tiny")
    said = project.run("bertspec", "compare", *names, "--format", "json", code=code)
    return said.stdout + said.stderr


def test_a_revision_of_a_project_in_a_folder_is_compared(inside: Project) -> None:
    """Also one that another bertspec compiled, as far as this one can read it."""

    def with_more(params: dict[str, Any]) -> None:
        for record in params["bertspec"]["stages"].values():
            record["novel"] = "key"
        params["bertspec"]["stages"]["tiny-train"].pop("inputs")

    found = json.loads(_at_revision(inside, with_more))
    accuracy = found["differences"][0]
    assert (accuracy["first"], accuracy["second"]) == (0.95, 0.95)
    said = _at_revision(inside, lambda params: params["tiny"]["task"].update(novel=1), code=2)
    assert "E490" in said
    assert "this bertspec cannot read what was compiled at HEAD" in said
    assert "compare with the bertspec of its lock" in said
    assert "E203" not in said
