"""`bertspec import run_glue`: the best model, and arguments of other types."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainingArguments

from tests.importing.imported import imported, refused, told
from tests.projects import Project

MODEL = ("--model_name_or_path", "b")
BEST = ("--load_best_model_at_end", "--metric_for_best_model")


@pytest.mark.parametrize("metric", ["accuracy", "eval_loss", "combined_score"])
def test_the_best_model_is_not_chosen_by_the_test(project: Project, metric: str) -> None:
    """GLUE's validation split is the test, so there is nothing to choose it by."""
    spec, comments = imported(project, "run_glue", *MODEL, "--task_name", "mrpc", *BEST, metric)
    assert "metric_for_best_model" not in spec["training"]
    assert told(comments, "load_best_model_at_end")


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("accuracy", "accuracy"), ("eval_f1", "f1"), ("matthews_correlation", "matthews"),
     ("loss", "loss"), ("combined_score", "loss")],
)  # fmt: skip
def test_the_metric_of_the_best_model(project: Project, metric: str, expected: str) -> None:
    text = (project.root / "data/reviews.csv").read_text()
    (project.root / "data/train.csv").write_text(text.replace("review,verdict", "review,label"))
    files = ("--train_file", "data/train.csv", "--validation_file", "data/train.csv",
             "--test_file", "data/train.csv")  # fmt: skip
    spec, comments = imported(project, "run_glue", *MODEL, *files, *BEST, metric)
    assert spec["training"]["metric_for_best_model"] == expected
    assert told(comments, "metric_for_best_model") == (metric == "combined_score")


WRONG = [
    "--task_name --do_train", "--task_name cola --num_train_epochs --do_train",
    "--task_name cola --max_steps inf", "--task_name cola --learning_rate nan",
    "--task_name cola --learning_rate 0 --lr_scheduler_type polynomial",
    "--task_name cola --learning_rate 1e-8 --lr_scheduler_type polynomial",
    "--task_name cola --seed 1.5", "--task_name cola --bf16 perhaps",
    "--task_name cola --output_dir --do_train",
    {"task_name": 5}, {"task_name": "cola", "max_steps": None},
    {"task_name": "cola", "seed": True}, {"task_name": "cola", "learning_rate": "fast"},
    {"task_name": "cola", "learning_rate": 10**400}, {"task_name": "cola", "max_seq_length": [1]},
    {"task_name": "cola", "bf16": 2}, {"task_name": "cola", "lr_scheduler_type": {}},
    {"task_name": "cola", "model_name_or_path": "\ud800"},
]  # fmt: skip


@pytest.mark.parametrize("arguments", WRONG)
def test_values_of_another_type(project: Project, arguments: str | dict[str, Any]) -> None:
    if isinstance(arguments, str):
        refused(project, "run_glue", *MODEL, *arguments.split())
        return
    (project.root / "a.json").write_text(json.dumps({"model_name_or_path": "b", **arguments}))
    refused(project, "run_glue", "a.json")


def test_text_in_json_is_read_as_on_a_command_line(project: Project) -> None:
    arguments = {"model_name_or_path": "b", "task_name": "cola", "num_train_epochs": "3",
                 "learning_rate": "2e-5", "lr_scheduler_type": "polynomial"}  # fmt: skip
    (project.root / "a.json").write_text(json.dumps(arguments))
    training = imported(project, "run_glue", "a.json")[0]["training"]
    assert (training["epochs"], training["learning_rate"]) == (3, 2e-5)
    assert training["schedule"]["final_ratio"] == pytest.approx(1e-7 / 2e-5)


def test_all_that_training_arguments_have(project: Project, tmp_path: Path) -> None:
    """Of what nobody has changed there is nothing to tell."""
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True).to_dict()
    arguments |= {"model_name_or_path": "b", "task_name": "cola", "neftune_noise_alpha": 5.0}
    (project.root / "a.json").write_text(json.dumps(arguments | {"use_cpu": False}))
    _, comments = imported(project, "run_glue", "a.json")
    assert [line for line in comments if "does not know it" in line] == []
    assert told(comments, "neftune_noise_alpha")
    assert len(comments) == len(("title", "title", "neftune", "load_best_model_at_end"))


def test_a_line_break_ends_no_comment(project: Project) -> None:
    arguments = {"model_name_or_path": "b", "task_name": "cola", "x\ntraining: {}\ny": 1}
    (project.root / "a.json").write_text(json.dumps(arguments))
    spec, comments = imported(project, "run_glue", "a.json")
    assert spec["training"]
    assert told(comments, "x training: {} y: bertspec does not know it")


def test_a_spec_is_printed_in_utf_8(project: Project) -> None:
    arguments = ("run_glue", *MODEL, "--task_name", "cola", "--größe", "1")
    said = project.run("bertspec", "import", *arguments, PYTHONIOENCODING="latin-1")
    assert "größe" in said.stdout
