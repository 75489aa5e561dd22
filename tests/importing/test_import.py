"""`bertspec import`: what other tools are told, as a spec that is valid and says the same."""

import json
import shlex
from pathlib import Path

import pytest
import transformers
from transformers import HfArgumentParser, TrainingArguments

from bertspec.importing import IMPORTERS
from bertspec.importing.run_glue import GLUE
from bertspec.importing.training_arguments import DEFAULTS
from tests.importing.imported import imported
from tests.projects import Project
from tests.tasks.tiny import tiny_base

LUDWIG = """\
input_features:
  - name: review
    type: text
    encoder: {type: distilbert, trainable: true, max_sequence_length: 200}
output_features:
  - {name: verdict, type: category}
combiner: {type: concat}
preprocessing: {split: {type: random, probabilities: [0.8, 0.1, 0.1]}, sample_ratio: 0.5}
trainer:
  epochs: 4
  batch_size: 16
  learning_rate: 3e-5
  optimizer: {type: adamw, weight_decay: 0.02}
  learning_rate_scheduler: {decay: linear, warmup_fraction: 0.2}
  early_stop: 2
"""

SPACY = """\
[paths]
train = "corpus/train.spacy"
dev = "corpus/dev.spacy"

[system]
seed = 7

[nlp]
lang = "en"
pipeline = ["transformer","ner","tagger"]

[components.ner]
factory = "ner"

[components.tagger]
factory = "tagger"

[components.transformer]
factory = "transformer"

[components.transformer.model]
@architectures = "spacy-transformers.TransformerModel.v3"
name = "roberta-base"

[components.transformer.model.get_spans]
@span_getters = "spacy-transformers.strided_spans.v1"
window = 128
stride = 96

[training]
accumulate_gradient = 3
seed = ${system.seed}
dropout = 0.1
patience = 1600
max_epochs = 0
max_steps = 20000
eval_frequency = 200

[training.batcher]
@batchers = "spacy.batch_by_padded.v1"
size = 2000

[training.optimizer]
@optimizers = "Adam.v1"
beta1 = 0.9
beta2 = 0.98
L2 = 0.02
grad_clip = 1.0
eps = 0.00000001

[training.optimizer.learn_rate]
@schedules = "warmup_linear.v1"
warmup_steps = 250
total_steps = 20000
initial_rate = 0.00003

[initialize.components.ner]
labels = ["PER","LOC"]
"""

MRPC = """
--model_name_or_path bert-base-cased --task_name mrpc --do_train --max_seq_length 96
--per_device_train_batch_size 16 --gradient_accumulation_steps 2 --learning_rate 2e-5
--num_train_epochs 4 --weight_decay 0.01 --warmup_ratio 0.06 --lr_scheduler_type cosine
--seed 5 --bf16 --adam_beta2 0.98 --max_grad_norm 0.5 --label_smoothing_factor 0.1
--output_dir out --fp16_full_eval
"""


def test_arguments_of_run_glue(project: Project) -> None:
    """What transformers itself reads of them stands in the spec."""
    spec, comments = imported(project, "run_glue", *shlex.split(MRPC))
    own = ("--model_name_or_path", "--task_name", "--max_seq_length")
    words = shlex.split(MRPC)
    rest = [w for i, w in enumerate(words) if w not in own and (not i or words[i - 1] not in own)]
    parser = HfArgumentParser([TrainingArguments])  # type: ignore[list-item] # it is a dataclass
    (parsed,) = parser.parse_args_into_dataclasses(
        [w for w in rest if w not in ("--bf16", "--fp16_full_eval", "--warmup_ratio", "0.06")]
    )
    training = spec["training"]
    assert training["learning_rate"] == parsed.learning_rate
    assert training["batch"]["accumulate"] == parsed.gradient_accumulation_steps
    assert training["batch"]["examples"] == 2 * parsed.per_device_train_batch_size
    assert training["epochs"] == parsed.num_train_epochs
    assert training["seed"] == parsed.seed
    assert training["max_grad_norm"] == parsed.max_grad_norm
    assert training["label_smoothing"] == parsed.label_smoothing_factor
    assert training["precision"] == "bf16"
    assert training["schedule"] == {"type": "cosine", "warmup_ratio": 0.06}
    assert training["optimizer"] == {
        "beta1": parsed.adam_beta1, "beta2": parsed.adam_beta2,
        "epsilon": parsed.adam_epsilon, "weight_decay": parsed.weight_decay,
    }  # fmt: skip
    assert spec["task"]["labels"] == ["not_equivalent", "equivalent"]
    assert spec["data"]["columns"] == {
        "text": "sentence1", "text_pair": "sentence2", "label": "label"
    }  # fmt: skip
    assert spec["tokenization"] == {"max_length": 96}
    assert "# - fp16_full_eval: bertspec does not know it" in comments


def test_defaults_are_those_of_transformers(tmp_path: Path) -> None:
    arguments = TrainingArguments(output_dir=str(tmp_path), use_cpu=True).to_dict()
    of_version_4 = {"warmup_ratio": None}  # since 5, `warmup_steps` takes a share as well
    assert dict(DEFAULTS) == {name: arguments.get(name) for name in DEFAULTS} | of_version_4


@pytest.mark.parametrize("task", GLUE)
def test_every_task_of_glue(project: Project, task: str) -> None:
    arguments = ("--model_name_or_path", "google-bert/bert-base-uncased", "--task_name", task)
    spec, _ = imported(project, "run_glue", *arguments)
    assert spec["training"]["optimizer"]["weight_decay"] == 0, "which has another default here"
    assert spec["training"]["schedule"]["warmup_ratio"] == 0
    assert spec["training"]["batch"]["examples"] == 8


def test_files_of_run_glue_are_looked_into(project: Project) -> None:
    """The same columns and labels as run_glue.py guesses, from a JSON file of arguments."""
    text = (project.root / "data/reviews.csv").read_text()
    (project.root / "data/train.csv").write_text(text.replace("review,verdict", "review,label"))
    arguments = {
        "model_name_or_path": "bert-base-cased", "train_file": "data/train.csv",
        "validation_file": "data/train.csv", "learning_rate": 1e-4, "max_steps": 50,
    }  # fmt: skip
    (project.root / "arguments.json").write_text(json.dumps(arguments))
    spec, _ = imported(project, "run_glue", "arguments.json")
    assert spec["task"] == {"type": "text-classification", "labels": ["bad", "good"]}
    assert spec["data"]["columns"] == {"text": "review", "label": "label"}
    assert spec["data"]["source"]["files"] == dict.fromkeys(("train", "test"), "data/train.csv")
    assert spec["training"]["max_steps"] == 50


def test_a_configuration_of_ludwig(project: Project) -> None:
    (project.root / "ludwig.yaml").write_text(LUDWIG)
    spec, comments = imported(project, "ludwig", "ludwig.yaml", "data/reviews.csv")
    assert spec["task"] == {"type": "text-classification", "labels": ["bad", "good"]}
    assert spec["model"]["base"]["id"] == "distilbert-base-uncased"
    assert spec["tokenization"]["max_length"] == 200
    assert spec["data"]["split"] == {"type": "hash", "validation": 0.1, "test": 0.1}
    training = spec["training"]
    assert "freeze" not in training
    assert training["early_stopping"] == {"patience": 2}
    assert training["schedule"] == {"type": "linear", "warmup_ratio": 0.2}
    assert (training["learning_rate"], training["epochs"]) == (3e-5, 4)
    assert any("sample_ratio" in line for line in comments)
    assert any("combiner" in line for line in comments)


def test_ludwig_freezes_what_it_is_not_told_to_train(project: Project) -> None:
    (project.root / "ludwig.yaml").write_text(LUDWIG.replace("trainable: true, ", ""))
    spec, _ = imported(project, "ludwig", "ludwig.yaml", "data/reviews.csv")
    assert spec["training"]["freeze"] == "all"


def test_a_config_of_spacy(project: Project) -> None:
    (project.root / "config.cfg").write_text(SPACY)
    spec, comments = imported(project, "spacy", "config.cfg")
    assert spec["task"]["labels"] == ["PER", "LOC"]
    assert spec["model"]["base"]["id"] == "roberta-base"
    assert spec["tokenization"] == {
        "max_length": 128, "long_documents": {"type": "windows", "stride": 32}
    }  # fmt: skip
    training = spec["training"]
    assert training["schedule"] == {"type": "linear", "warmup_steps": 250}
    assert training["optimizer"]["weight_decay"] == 0.02
    assert (training["seed"], training["max_steps"], training["validate_every"]) == (7, 20_000, 200)
    assert training["early_stopping"] == {"patience": 8}
    assert any("component `tagger`" in line for line in comments)
    assert any("corpus/train.spacy" in line for line in comments)


def test_what_trainer_has_saved(project: Project) -> None:
    """A folder that the real Trainer writes, with its model card."""
    base = tiny_base(project.root / "made", ["a warm film", "a dull film"])
    names = {0: "bad", 1: "good"}
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, id2label=names, label2id={name: i for i, name in names.items()}
    )
    arguments = TrainingArguments(
        output_dir=str(project.root / "saved"), use_cpu=True, learning_rate=7e-4,
        per_device_train_batch_size=2, num_train_epochs=2, seed=9, logging_steps=1,
        warmup_steps=3, adam_beta2=0.98, report_to=[], disable_tqdm=True, save_strategy="no",
    )  # fmt: skip
    rows = [{"input_ids": [1, 2, 3], "labels": i % 2} for i in range(8)]
    trainer = transformers.Trainer(model, arguments, train_dataset=rows)
    trainer.train()
    trainer.save_model()
    trainer.save_state()
    trainer.create_model_card(finetuned_from="acme/tiny-bert")  # as of a model of the hub
    spec, comments = imported(project, "trainer", "saved")
    assert spec["task"] == {"type": "text-classification", "labels": ["bad", "good"]}
    assert spec["model"]["base"] == {"type": "hub", "id": "acme/tiny-bert", "revision": "main"}
    training = spec["training"]
    assert training["learning_rate"] == 7e-4
    assert training["optimizer"]["beta2"] == 0.98
    assert training["batch"] == {"examples": 2}
    assert (training["epochs"], training["seed"]) == (2, 9)
    assert training["schedule"] == {"type": "linear", "warmup_steps": 3}
    assert any("training_args.bin" in line for line in comments)


WRONG = {
    "run_glue": ["--task_name mrpc", "--model_name_or_path b --task_name nothing", "nothing.json",
                 "--model_name_or_path b",
                 "--model_name_or_path b --train_file data/reviews.csv", "b",
                 "--model_name_or_path b --task_name sst2 --learning_rate high"],
    "trainer": ["nothing", "a b", "data", "specs"],
    "ludwig": ["nothing.yaml", "data/reviews.csv", "a b c", "broken"],
    "spacy": ["nothing.cfg", "data/reviews.csv", "a b", "broken"],
}  # fmt: skip


@pytest.mark.parametrize("kind", IMPORTERS)
def test_what_cannot_be_translated_is_told(project: Project, kind: str) -> None:
    (project.root / "broken").write_bytes(b"\xff[: {")
    for arguments in WRONG[kind]:
        said = project.bertspec("import", kind, *shlex.split(arguments), code=2)
        assert "error[E242]" in said, arguments


def test_nothing_of_the_users_is_overwritten(project: Project) -> None:
    before = (project.root / "specs/tiny.json").read_bytes()
    arguments = ("run_glue", "--model_name_or_path", "b", "--task_name", "sst2")
    said = project.bertspec("import", *arguments, "--output", "specs/tiny.json", code=2)
    assert "error[E243]" in said
    assert (project.root / "specs/tiny.json").read_bytes() == before


def test_the_command_knows_every_importer() -> None:
    from bertspec.cli import cli

    command = cli.get_command(None, "import")  # type: ignore[arg-type] # it is not looked at
    assert command is not None
    (kind, *_) = command.params
    assert list(kind.type.choices) == list(IMPORTERS)  # type: ignore[attr-defined]
