"""`bertspec import trainer`: folders of every task, and what their model cards say."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.importing.imported import imported, refused, told
from tests.projects import Project

NAMES = {"0": "bad", "1": "good"}
FOLDERS: dict[str, tuple[dict[str, Any], Any]] = {
    "text-classification": ({"architectures": ["BertForSequenceClassification"]}, "label"),
    "multi-label-classification": (
        {"architectures": ["BertForSequenceClassification"],
         "problem_type": "multi_label_classification"},
        {"column": "label", "list": True},
    ),
    "text-regression": (
        {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}},
        {"column": "label", "number": True},
    ),
    "token-classification": (
        {"architectures": ["BertForTokenClassification"],
         "id2label": {"1": "B-PER", "0": "O", "2": "I-PER"}},
        None,
    ),
    "question-answering": ({"architectures": ["BertForQuestionAnswering"]}, None),
    "masked-lm": ({"architectures": ["BertForMaskedLM"]}, None),
    "multiple-choice": ({"architectures": ["BertForMultipleChoice"]}, "label"),
}  # fmt: skip
CONFIG = FOLDERS["text-classification"][0]

CARD = """\
---
library_name: transformers
base_model: acme/bert
---

# saved

It achieves the following results on the evaluation set:
- Loss: 0.5

The following hyperparameters were used during training:
- learning_rate: 2e-05
- train_batch_size: 16
- eval_batch_size: 8
- seed: 42
- distributed_type: multi-GPU
- num_devices: 4
- gradient_accumulation_steps: 2
- total_train_batch_size: 128
- optimizer: Use OptimizerNames.ADAMW_TORCH with betas=(0.9,0.98) and epsilon=1e-06 and \
optimizer_args=No additional optimizer arguments
- lr_scheduler_type: SchedulerType.COSINE
- training_steps: 500
- mixed_precision_training: Native AMP
"""


def _saved(project: Project, config: dict[str, Any] | None = None, **files: Any) -> Path:
    """A folder; `files` are README (text) and trainer_state (an object)."""
    folder = project.root / "saved"
    folder.mkdir(exist_ok=True)
    found = {**FOLDERS["text-classification"][0], "id2label": NAMES} if config is None else config
    (folder / "config.json").write_text(json.dumps(found))
    if "README" in files:
        (folder / "README.md").write_text(files["README"])
    if "state" in files:
        (folder / "trainer_state.json").write_text(json.dumps(files["state"]))
    return folder


@pytest.mark.parametrize("task", FOLDERS)
def test_a_folder_of_every_task(project: Project, task: str) -> None:
    config, label = FOLDERS[task]
    _saved(project, {"id2label": NAMES} | config)
    spec, comments = imported(project, "trainer", "saved")
    assert spec["task"]["type"] == task
    assert spec["data"]["columns"].get("label") == label
    assert told(comments, "model.base:"), "which nothing says"
    if task == "token-classification":
        assert spec["task"]["labels"] == ["PER"]


def test_several_targets_and_tags_without_prefixes(project: Project) -> None:
    targets = {"problem_type": "regression", "id2label": {"0": "joy", "1": "fear"}}
    _saved(project, CONFIG | targets)
    assert imported(project, "trainer", "saved")[0]["task"]["targets"] == ["joy", "fear"]
    _saved(project, {"architectures": ["BertForTokenClassification"],
                     "id2label": {"0": "O", "1": "PER", "2": "e-mail"}})  # fmt: skip
    assert imported(project, "trainer", "saved")[0]["task"]["labels"] == ["PER", "e-mail"]


def test_what_a_model_card_says(project: Project) -> None:
    _saved(project, README=CARD)
    spec, comments = imported(project, "trainer", "saved")
    training = spec["training"]
    assert spec["model"]["base"]["id"] == "acme/bert"
    assert training["batch"] == {"examples": 128, "accumulate": 2}
    assert (training["optimizer"]["beta2"], training["optimizer"]["epsilon"]) == (0.98, 1e-6)
    assert training["schedule"]["type"] == "cosine"
    assert (training["max_steps"], training["learning_rate"]) == (500, 2e-5)
    assert "precision" not in training
    assert told(comments, "num_devices 4")
    assert told(comments, "fp16")
    assert not told(comments, "optim")


def test_other_optimizers_of_a_model_card(project: Project) -> None:
    _saved(project, README="- optimizer: Use OptimizerNames.ADAFACTOR and the args are:\n")
    assert told(imported(project, "trainer", "saved")[1], "optim adafactor")
    _saved(project, README="- optimizer: Adam with betas=(0.8,0.999) and epsilon=1e-08\n")
    spec, comments = imported(project, "trainer", "saved")  # as transformers 4 wrote it
    assert spec["training"]["optimizer"]["beta1"] == 0.8
    assert not told(comments, "optim")


@pytest.mark.parametrize(
    ("state", "expected"),
    [({"epoch": 2.0, "global_step": 80, "max_steps": 80, "num_train_epochs": 2}, (2, None)),
     ({"epoch": 1.25, "global_step": 50, "max_steps": 50, "num_train_epochs": 2}, (1000, 50)),
     ({"epoch": 0.5, "global_step": 20, "max_steps": 80, "num_train_epochs": 2}, (2, None)),
     ({"num_train_epochs": "3", "log_history": True}, (3, None)),
     ({"num_train_epochs": 3, "log_history": [1, {"learning_rate": 1e-4}]}, (3, None))],
)  # fmt: skip
def test_what_the_state_says(
    project: Project, state: dict[str, Any], expected: tuple[int, int | None]
) -> None:
    """Steps are those that were asked for, and not those that the epochs came to."""
    _saved(project, state=state)
    training = imported(project, "trainer", "saved")[0]["training"]
    assert (training["epochs"], training.get("max_steps")) == expected


NONE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (CONFIG | {"id2label": ["a", "b"]}, {}),
    (CONFIG | {"id2label": {"x": "a"}}, {}),
    ({"architectures": 5}, {}),
    ({"architectures": [None]}, {}),
    (CONFIG | {"id2label": NAMES}, {"num_train_epochs": "many"}),
    (CONFIG | {"id2label": NAMES}, {"num_train_epochs": [3]}),
]


@pytest.mark.parametrize(("config", "state"), NONE)
def test_what_no_trainer_has_written(
    project: Project, config: dict[str, Any], state: dict[str, Any]
) -> None:
    _saved(project, config, state=state)
    refused(project, "trainer", "saved")
