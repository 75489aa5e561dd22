"""Every task of the table: from a spec to predictions of the exported model, on a tiny one."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from transformers import AutoConfig, AutoTokenizer

from bertspec.catalog.bases.scratch import longest
from bertspec.catalog.batch import Draw
from bertspec.catalog.export import INPUTS
from bertspec.catalog.source import SPLITS
from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.core.errors import BertspecError
from bertspec.core.manifest import digest_files
from bertspec.runtime.predict import Predictor
from bertspec.runtime.stage import run_stage
from bertspec.runtime.trained import load_trained
from bertspec.runtime.training.batches import collate, read_tokens
from bertspec.runtime.training.gradients import backward
from bertspec.runtime.training.objective import Objective
from bertspec.runtime.training.packing import packing
from tests.browser import Browser
from tests.model.models import inputs as made_inputs
from tests.naughty import NAUGHTY
from tests.projects import SPEC, Project
from tests.release.inputs import described
from tests.serving import serving
from tests.stages import prepared_rows
from tests.tasks.another_process import OWN_GRAPHS, Writes, another_process
from tests.tasks.cases import TRAINING, Case, case_of
from tests.tasks.export_forms import (
    FOLDER,
    FORMS,
    digests,
    form,
    forms_of,
    reduced,
    said_by_others,
    texts_of,
)
from tests.tasks.page import ask, bars, marks
from tests.tasks.tiny import encoder_of

EXECUTION = {"checkpoint_seconds": 1e-9, "gradient_checkpointing": True}
"""A checkpoint after each step, and less memory: neither may change a bit."""

RULES_OFF = dict.fromkeys(
    (
        "duplicates_across_splits", "near_duplicates_across_splits", "duplicates_within_split",
        "contradicting_labels", "label_support", "label_drift",
    ),
    "off",
)  # fmt: skip
"""The splits are the same rows on purpose."""


def make_project(root: Path, case: Case, **changes: Any) -> Project:
    """The case's project, compiled. `changes` replace sections of its spec."""
    project = Project(root)
    (root / "specs").mkdir(parents=True)
    lines = "".join(json.dumps(row) + "\n" for row in case.rows)
    (root / "rows.jsonl").write_text(lines, encoding="utf-8")
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["task"] = case.task
    spec["data"] = {
        "name": "rows",
        "source": {"type": "jsonl", "files": dict.fromkeys(SPLITS, "rows.jsonl")},
        "columns": case.columns,
        "split": {"type": "given"},
        "contract": RULES_OFF,
    }
    spec["tokenization"] = case.tokenization
    spec["model"]["base"]["config"] |= case.config
    spec["training"] = TRAINING | case.training
    spec["evaluation"] = {"metrics": list(case.metrics), "require": case.metrics}
    project.write_spec(spec | changes)
    project.compile()
    return project


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in TASKS],
)
def built_task(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Project]:
    """A project of each task, built to the end: `require` holds on rows learned by heart."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp("task") / kind
    case = case_of(kind)
    forms = forms_of(kind, thorough=request.config.getoption("--thorough"))
    project = make_project(folder, case, export=[FORMS[name] for name in forms])
    for name in project.stages():
        run_stage(name, project.root)
    return kind, project


def test_every_metric_is_written(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    written = project.metrics()
    for split in SPLITS:
        assert {*case_of(kind).metrics, "loss"} <= set(written[split])
    assert written["fit"]["verdict"] == "good fit"


def test_simple_models_are_measured(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    case = case_of(kind)
    wanted = {*case.metrics, TASKS[kind].model_validate(case.task).headline}
    found = project.metrics()["baselines"]
    assert found
    assert all(wanted <= set(measured) for measured in found.values())


def test_metrics_are_those_of_the_predictions_file(built_task: tuple[str, Project]) -> None:
    """They can be computed again from what is written, and from nothing else."""
    kind, project = built_task
    case = case_of(kind)
    task = TASKS[kind].model_validate(case.task)
    table = pq.read_table(project.root / "models/tiny/evaluation/predictions.parquet")
    assert len(table) == len(SPLITS) * len(case.rows)
    for split in SPLITS:
        mine = table.filter([s == split for s in table["split"].to_pylist()])
        assert len(set(mine["id"].to_pylist())) == len(case.rows)
        found = task.measure(list(case.metrics), mine)
        assert found == {name: project.metrics()[split][name] for name in case.metrics}


def test_wrong_rows_are_those_of_the_metrics(built_task: tuple[str, Project]) -> None:
    """And the report has the others, with what is right and what was predicted."""
    kind, project = built_task
    case = case_of(kind)
    task = TASKS[kind].model_validate(case.task)
    table = pq.read_table(project.root / "models/tiny/evaluation/predictions.parquet")
    test = table.filter([s == "test" for s in table["split"].to_pylist()])
    faults = task.faults(test)
    assert faults.shape == (len(test),)
    assert (faults >= 0).all()
    assert not (task.exact and (faults > 0).any()), "learned by heart"
    texts = prepared_rows(project, "test", "rows").to_pylist()
    for row, text in zip(test.to_pylist(), texts, strict=True):
        told = task.told(row | text)
        if task.exact and row.keys() >= {"gold"} and kind != "question-answering":
            assert sorted(label for label, _ in told.gold) == sorted(
                label for label, _ in told.said
            )
        assert told.sure is None or 0 <= told.sure <= 1
    page = (project.root / "models/tiny/report.html").read_text(encoding="utf-8")
    assert ("every test row is predicted right" in page) is task.exact


def test_exports_predict_what_pytorch_predicts(
    built_task: tuple[str, Project], request: pytest.FixtureRequest
) -> None:
    """With --thorough in every form of the table in docs/exports.md."""
    kind, project = built_task
    parity = json.loads((project.root / "models/tiny/parity.json").read_text())
    case = case_of(kind)
    task = TASKS[kind].model_validate(case.task)
    forms = forms_of(kind, thorough=request.config.getoption("--thorough"))
    assert parity.keys() == set(forms)
    for name, result in parity.items():
        assert result["rows"] == len(case.rows)
        assert result["flips"] == 0
        assert result["metric"] == task.headline
        assert result["worse"] == result["pytorch"] - result["exported"]
        if form(name).metric_bound is None:
            assert result["max_difference"] <= result["tolerance"]
        else:
            assert result["max_difference"] > 0
            assert result["worse"] <= result["max_metric_delta"]


@pytest.fixture(scope="session")
def writes_elsewhere() -> Iterator[Writes]:
    with another_process() as write:
        yield write


def test_another_process_exports_the_same_bytes(
    built_task: tuple[str, Project], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Those of text-classification are compared in test_export_forms.py."""
    kind, project = built_task
    thorough = request.config.getoption("--thorough")
    if kind not in OWN_GRAPHS and not thorough:
        return
    names = [name for name in _exported(project) if name != "torchscript"] if thorough else ["onnx"]
    write = request.getfixturevalue("writes_elsewhere")
    write(case_of(kind).task, project.root, [FORMS[name] for name in names], tmp_path)
    assert digest_files(tmp_path) == digests(project.root / "models/tiny/export", names)


@pytest.mark.thorough
def test_two_new_processes_write_the_same_torchscript(
    built_task: tuple[str, Project], tmp_path: Path
) -> None:
    """A second one of a process has other bytes."""
    kind, project = built_task
    folders = [tmp_path / "1", tmp_path / "2"]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        with another_process(seed) as write:
            write(case_of(kind).task, project.root, [FORMS["torchscript"]], folder)
    first, second = (digests(folder, ["torchscript"]) for folder in folders)
    assert first == second


def test_an_export_gives_what_pytorch_gives_at_any_size(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    task, model = TASKS[kind].model_validate(case_of(kind).task), _trained(project)
    for name in _exported(project):
        export = form(name)
        run = export.runner(project.root / "models/tiny/export" / export.filename, 1, task)
        for rows, length in ((1, 1), (64, 1), (1, longest(model)), (63, longest(model))):
            inputs = made_inputs(rows, length)
            inputs["input_ids"] %= model.config.vocab_size
            tensors = {n: torch.from_numpy(inputs[n]) for n in INPUTS}
            with torch.no_grad():
                expected = task.forward(model, tensors).numpy()
            found = run(inputs)
            assert found.shape == expected.shape, name
            if expected.ndim == 3:  # of tokens: what is said of padding is nothing
                real = inputs["attention_mask"] == 1
                found, expected = found[real], expected[real]
            exact = export.metric_bound is None
            # Random tokens are unlike the rows that the ranges of static quantization are of.
            share = 0.8 if name.endswith("static") else 0.3
            close = 1e-4 if exact else share * abs(expected).max()
            np.testing.assert_allclose(found, expected, atol=close, rtol=1e-4, err_msg=name)


def _trained(project: Project) -> Any:
    return load_trained(project.root / "models/tiny/trained")


def _exported(project: Project) -> list[str]:
    """Names of the exports that the project has."""
    return list(json.loads((project.root / "models/tiny/parity.json").read_text()))


def test_transformers_takes_the_folder_for_what_it_is(built_task: tuple[str, Project]) -> None:
    """The labels, and the tokens that we make ourselves; `runner` holds that weights are whole."""
    kind, project = built_task
    task, export = TASKS[kind].model_validate(case_of(kind).task), project.root / FOLDER
    config = AutoConfig.from_pretrained(export)
    if names := task.output_names():
        assert config.id2label == dict(enumerate(names))
        assert config.label2id == {name: i for i, name in enumerate(names)}
    columns = texts_of(case_of(kind).inputs)
    mine = encoder_of(export.parent, 64).encode(*map(pa.array, columns))
    theirs = AutoTokenizer.from_pretrained(export)(*columns)
    end = -1 if kind == "causal-lm" else None  # what is behind a text is for the model to say
    assert [ids[:end] for ids in mine.input_ids.to_pylist()] == theirs["input_ids"]
    assert [ids[:end] for ids in mine.token_type_ids.to_pylist()] == theirs["token_type_ids"]


def test_others_say_of_the_folder_what_predict_says(built_task: tuple[str, Project]) -> None:
    """The pipeline of transformers, or sentence-transformers; where there is none, the classes."""
    kind, project = built_task
    inputs = case_of(kind).inputs
    if kind == "question-answering":  # of one window
        inputs = [value | {"context": value["context"][:40]} for value in inputs]
    if kind == "multi-label-classification":  # of which some are read in windows
        inputs = inputs[: len(inputs) // 2]
    answers = Predictor(project.root / "models/tiny/export").predict(inputs)
    said = said_by_others(kind, project.root / FOLDER, inputs)
    assert said == _near([reduced(kind, answer) for answer in answers])
    assert len({str(each) for each in said}) > 1


def test_the_exported_model_answers(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    case = case_of(kind)
    for export in (name for name in _exported(project) if FORMS[name]["type"] == "onnx"):
        found = list(Predictor(project.root / "models/tiny/export", export).predict(case.inputs))
        assert len(found) == len(case.inputs)
        for answer, expected in zip(found, case.answers, strict=True):
            assert {name: answer[name] for name in expected} == expected, export
            json.dumps(answer)


def test_an_answer_does_not_depend_on_its_neighbours(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    inputs = case_of(kind).inputs
    predictor = Predictor(project.root / "models/tiny/export")
    together = list(predictor.predict([*inputs, *reversed(inputs)]))
    first, again = together[: len(inputs)], together[len(inputs) :]
    assert first == _near(again[::-1])
    alone = [answer for value in inputs for answer in predictor.predict([value])]
    assert first == _near(alone)


def _near(value: Any) -> Any:
    """What is equal to it but for the order in which a padded batch adds numbers."""
    if isinstance(value, float):
        return pytest.approx(value, abs=5e-4)
    if isinstance(value, dict):
        return {key: _near(item) for key, item in value.items()}
    return [_near(item) for item in value] if isinstance(value, list) else value


def _odd_inputs(task: Task, good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inputs that nobody means to give, each with one strange field, or all of them strange."""
    texts = ["", " ", "\x00", "\ud800", "a b " * 4_000, "x" * 100_000, "\x7fELF\x02\xff"]
    lists: list[list[str]] = [[], [""], ["", "\x00"], [" ", "\ud800"], ["x" * 9999, "a b"], texts]
    for place in range(7):
        odd = {
            name: lists[place % 6] if task.column_kind(name) == "list" else texts[place]
            for name in good
        }
        yield odd
        yield from (good | {name: value} for name, value in odd.items())


def test_any_input_has_an_answer_or_an_error_of_its_own(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    good = case_of(kind).inputs[0]
    predictor = Predictor(project.root / "models/tiny/export")
    (alone,) = predictor.predict([good])
    odd = list(_odd_inputs(predictor.task, good))
    mixed = [value for each in odd for value in (each, good)]
    found = list(predictor.outcomes(mixed))
    assert found[1::2] == _near([alone] * len(odd))
    keys = list(predictor.task.answer_types())
    for outcome in found[::2]:
        if isinstance(outcome, BertspecError):
            assert outcome.diagnostics[0].code == "E453"
        else:
            assert list(outcome) == keys
            json.dumps(outcome, allow_nan=False)
    answered = [outcome for outcome in found[::2] if isinstance(outcome, dict)]
    can_refuse = kind in ("causal-lm", "masked-lm", "multiple-choice")
    assert bool(len(answered) < len(odd)) is can_refuse


def _naughty_inputs(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of each string one of it alone, and a good one that ends with it."""
    for text in NAUGHTY:
        yield {n: [text, text[::-1]] if isinstance(v, list) else text for n, v in good.items()}
        yield {n: [*v, text] if isinstance(v, list) else f"{v} {text}" for n, v in good.items()}


def test_every_naughty_string_has_an_answer_or_an_error_of_its_own(
    built_task: tuple[str, Project],
) -> None:
    kind, project = built_task
    good = case_of(kind).inputs[0]
    predictor = Predictor(project.root / "models/tiny/export")
    first, *found, last = predictor.outcomes([good, *_naughty_inputs(good), good])
    (alone,) = predictor.predict([good])
    assert [first, last] == _near([alone] * 2)
    for outcome in found:
        if isinstance(outcome, BertspecError):
            assert [each.code for each in outcome.diagnostics] == ["E453"]
        else:
            assert list(outcome) == list(predictor.task.answer_types())
            json.dumps(outcome, allow_nan=False)
    refused = {n % 2 for n, outcome in enumerate(found) if isinstance(outcome, BertspecError)}
    # A text without a mask, and one behind which the model reads no token.
    assert refused == {"masked-lm": {0}, "causal-lm": {0, 1}}.get(kind, set())


def test_the_model_card_says_what_was_measured_and_how_to_predict(
    built_task: tuple[str, Project], capsys: pytest.CaptureFixture[str]
) -> None:
    kind, project = built_task
    folder = project.root / "models/tiny/export"
    card = ModelCard.load(folder / "README.md")
    data = card.data
    assert isinstance(data, ModelCardData)
    assert data.pipeline_tag == TASKS[kind].hub_task
    measured = {result.metric_type: result.metric_value for result in data.eval_results or ()}
    assert measured == project.metrics()["test"]
    (program,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
    exec(program.replace("path/to/this/folder", str(folder)))  # noqa: S102
    answer = capsys.readouterr().out
    assert all(repr(key) in answer for key in Predictor(folder).task.answer_types())


def test_files_of_every_kind_have_the_answers(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    inputs = case_of(kind).inputs
    (project.root / "in.jsonl").write_text("".join(json.dumps(i) + "\n" for i in inputs))
    predictor = Predictor(project.root / "models/tiny/export")
    expected = list(predictor.predict(inputs))
    source = "in.jsonl"
    for ending in ("csv", "parquet", "jsonl"):  # each is read again for the next
        project.bertspec("predict", "tiny", "--input", source, "--output", f"out.{ending}")
        source = f"out.{ending}"
    table = pq.ParquetFile(project.root / "out.parquet").read()
    lines = [json.loads(line) for line in (project.root / "out.jsonl").read_text().splitlines()]
    for found in (table.to_pylist(), lines):
        assert [{name: row[name] for name in predictor.fields} for row in found] == inputs
        answers = [{name: row[name] for name in predictor.task.answer_types()} for row in found]
        assert answers == _near(expected)


def test_predict_on_the_command_line(built_task: tuple[str, Project]) -> None:
    kind, project = built_task
    inputs = case_of(kind).inputs
    (project.root / "in.jsonl").write_text("".join(json.dumps(i) + "\n" for i in inputs))
    for fmt in ("json", "text"):
        said = project.bertspec("predict", "tiny", "--file", "in.jsonl", "--format", fmt)
        assert len(said.splitlines()) == len(inputs)


def test_the_page_shows_the_answer(built_task: tuple[str, Project], browser: Browser) -> None:
    kind, project = built_task
    predictor = Predictor(project.root / "models/tiny/export")
    given = case_of(kind).inputs[0]
    with serving(predictor) as client:
        answer = ask(browser, str(client.base_url), given)
    (expected,) = predictor.predict([given])
    assert answer == _near(expected)
    assert browser.texts("mark") == marks(answer)
    names = browser.texts(".bars li > :first-child")
    shown = zip(names, browser.texts(".bars .number"), strict=True)
    assert set(shown) == bars(answer, given)


def test_a_second_build_that_is_interrupted_is_the_same_to_the_bit(
    built_task: tuple[str, Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder, stopped in the middle of training and begun again."""
    kind, project = built_task
    training = TRAINING | case_of(kind).training | {"execution": EXECUTION}
    exports = [FORMS[name] for name in _exported(project)]
    other = make_project(tmp_path / kind, case_of(kind), training=training, export=exports)
    stages = [s for s in other.stages() if not s.endswith(("-export", "-report"))]
    *before, _, _ = stages
    for name in before:
        run_stage(name, other.root)
    curve = (project.root / "models/tiny/curves/loss.csv").read_text().splitlines()
    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", _stops_at(len(curve) // 2))
        with pytest.raises(Stopped):
            run_stage("tiny-train", other.root)
    assert list((other.root / ".bertspec/checkpoints/tiny-train").iterdir())
    for name in ("tiny-train", "tiny-evaluate"):
        run_stage(name, other.root)
    for folder in ("data", "models/tiny/trained", "models/tiny/evaluation"):
        assert digest_files(project.root / folder) == digest_files(other.root / folder)
    described(other, project.root / "models/tiny/export", tmp_path / "export")
    assert digest_files(tmp_path / "export") == digest_files(project.root / "models/tiny/export")


class Stopped(BaseException):
    """As an interrupt is: nothing catches it."""


def _stops_at(step: int) -> Callable[..., Any]:
    real, left = torch.optim.AdamW.step, step

    def stops(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped
        return real(self, *args, **kwargs)

    return stops


def test_inputs_are_the_same_in_every_epoch_where_the_task_says_so(
    built_task: tuple[str, Project],
) -> None:
    """Only then can outputs of frozen layers be kept."""
    kind, project = built_task
    task = TASKS[kind].model_validate(case_of(kind).task)
    (folder,) = [p for p in (project.root / "data/rows/tokenized").iterdir() if p.is_dir()]
    tokens = read_tokens(folder, "train")
    every = np.arange(len(tokens))
    first, second = (collate(task, tokens, every, 0, Draw(1, epoch)).inputs for epoch in (0, 1))
    same = all(torch.equal(values, second[name]) for name, values in first.items())
    assert same is task.constant_inputs


def test_it_learns_the_same_from_packed_rows(built_task: tuple[str, Project]) -> None:
    """Loss and gradients of all sixteen rows, beside those of the padded batch."""
    kind, project = built_task
    task = TASKS[kind].model_validate(case_of(kind).task)
    (folder,) = [p for p in (project.root / "data/rows/tokenized").iterdir() if p.is_dir()]
    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    tokens = read_tokens(folder, "train")
    model, objective = task.build_model(base, None).train(), Objective(task)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    batch = collate(task, tokens, np.arange(len(tokens)), 0, Draw(1, 0))
    expected = backward(model, objective, [batch])
    theirs = [p.grad for p in model.parameters()]
    model.zero_grad()
    with packing(model) as packed:
        assert packed
        assert backward(model, objective, [batch]) == pytest.approx(expected, rel=1e-5)
    for parameter, reference in zip(model.parameters(), theirs, strict=True):
        torch.testing.assert_close(parameter.grad, reference, rtol=1e-3, atol=1e-5)
