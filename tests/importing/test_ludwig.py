"""`bertspec import ludwig`: every output, what of a configuration is carried over, and the rest."""

from typing import Any

import pytest

from bertspec.core.yaml import dump, load_plain
from tests.importing.imported import imported, refused, told
from tests.importing.test_import import LUDWIG
from tests.projects import Project

ROWS = [f"film {n},{'joy fear' if n % 2 else 'joy'},{n / 4},{n % 2}" for n in range(8)]


def _changed(text: str = "", output: str = "", **sections: str) -> dict[str, Any]:
    """LUDWIG with keys of the text, of the output and of sections changed, each as YAML."""
    config = load_plain(LUDWIG)
    config["input_features"][0] |= load_plain(text) or {}
    config["output_features"][0] |= load_plain(output) or {}
    for name, section in sections.items():
        new, old = load_plain(section), config.get(name, {})
        are_keys = isinstance(new, dict) and isinstance(old, dict)
        config[name] = {**old, **new} if are_keys else new
    return config


def _write(project: Project, config: dict[Any, Any]) -> tuple[str, ...]:
    (project.root / "ludwig.yaml").write_text(dump(config))
    return "ludwig", "ludwig.yaml", "data/reviews.csv"


def _training(project: Project, config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    spec, comments = imported(project, *_write(project, config))
    return spec["training"], comments


@pytest.mark.parametrize("data", [(), ("data/rows.csv",)], ids=["config", "data"])
@pytest.mark.parametrize(
    ("kind", "column", "task", "label"),
    [("category", "feeling", {"type": "text-classification", "labels": ["joy", "joy fear"]},
      "feeling"),
     ("binary", "flag", {"type": "text-classification", "labels": ["0", "1"]}, "flag"),
     ("set", "feeling", {"type": "multi-label-classification", "labels": ["fear", "joy"]},
      {"column": "feeling", "separator": " "}),
     ("number", "score", {"type": "text-regression"}, {"column": "score", "number": True})],
)  # fmt: skip
def test_every_output(
    project: Project, kind: str, column: str, task: dict[str, Any], label: Any, data: tuple[str]
) -> None:
    (project.root / "data/rows.csv").write_text("review,feeling,score,flag\n" + "\n".join(ROWS))
    config = _changed(output=f"{{name: {column}, type: {kind}}}")
    spec, comments = imported(project, *_write(project, config)[:2], *data)
    assert spec["data"]["columns"] == {"text": "review", "label": label}
    assert not told(comments, "data.columns")
    assert spec["task"]["type"] == task["type"]
    if data:
        assert spec["task"] == task


def test_columns_that_the_data_has_not(project: Project) -> None:
    assert "`review2`" in refused(project, *_write(project, _changed(text="name: review2")))
    assert "`kind`" in refused(project, *_write(project, _changed(output="column: kind")))


def test_steps_are_carried_over(project: Project) -> None:
    config = _changed(trainer="{train_steps: 700, steps_per_checkpoint: 50, batch_size: 8}",
                      random_seed="0")  # fmt: skip
    training, comments = _training(project, config)
    assert (training["max_steps"], training["validate_every"]) == (700, 50)
    assert training["seed"] == 0
    assert not told(comments, "trainer")
    training, _ = _training(project, _changed())
    assert (training["seed"], training["epochs"]) == (42, 4), "Ludwig's own default"


def test_what_ludwig_finds_by_itself_is_open(project: Project) -> None:
    config = _changed(trainer="{gradient_accumulation_steps: auto, batch_size: auto, "
                              "learning_rate: auto, effective_batch_size: auto}")  # fmt: skip
    training, comments = _training(project, config)
    assert training["batch"] == {"examples": 32}
    assert told(comments, "training.batch: gradient_accumulation_steps")
    assert told(comments, "training.batch: batch_size")
    assert told(comments, "training.learning_rate")
    training, _ = _training(project, _changed(trainer="gradient_accumulation_steps: 4"))
    assert training["batch"] == {"examples": 64, "accumulate": 4}


def test_lora_is_that_of_peft(project: Project) -> None:
    encoder = "encoder: {{type: {}, adapter: {{type: lora{}}}}}"
    training, comments = _training(project, _changed(text=encoder.format("bert", "")))
    lora = training["lora"]
    assert lora == {"rank": 8, "alpha": 16.0, "dropout": 0.05, "target_modules": ["query", "value"]}
    assert "freeze" not in training
    assert not told(comments, "input.encoder.adapter")
    given = ", r: 4, alpha: 4, dropout: 0.2, use_rslora: true"
    training, comments = _training(project, _changed(text=encoder.format("distilbert", given)))
    assert training["lora"] == {
        "rank": 4, "alpha": 4.0, "dropout": 0.2, "target_modules": ["q_lin", "v_lin"],
    }  # fmt: skip
    assert told(comments, "input.encoder.adapter.use_rslora")
    _, comments = _training(project, _changed(text=encoder.format("bert", ", bias_type: all")))
    assert told(comments, "input.encoder.adapter.bias_type all")


@pytest.mark.parametrize(
    ("split", "expected"),
    [("{type: hash, column: film}", {"group": "film"}),
     ("{type: stratify, column: verdict}", {"stratify": "label"}),
     ("{type: stratify, column: film}", {})],
)  # fmt: skip
def test_the_column_of_a_split(project: Project, split: str, expected: dict[str, str]) -> None:
    spec, comments = imported(project, *_write(project, _changed(preprocessing=f"split: {split}")))
    assert {"group", "stratify"} & spec["data"]["split"].keys() == expected.keys()
    assert spec["data"]["split"] | expected == spec["data"]["split"]
    assert told(comments, "split.column `film`") == (not expected)


def test_without_validation_nothing_stops_early(project: Project) -> None:
    config = _changed(preprocessing="split: {probabilities: [0.9, 0, 0.1]}",
                      trainer="{early_stop: 5, steps_per_checkpoint: 10}")  # fmt: skip
    training, comments = _training(project, config)
    assert not {"early_stopping", "validate_every"} & training.keys()
    assert told(comments, "early_stop")


def test_calibration_is_carried_over(project: Project) -> None:
    spec, _ = imported(project, *_write(project, _changed(output="calibration: true")))
    assert spec["task"]["calibration"] == "temperature"


LEFT: dict[str, dict[Any, Any]] = {
    "output.loss": _changed(output="loss: {class_weights: [1, 2]}"),
    "output.decoder": _changed(output="decoder: {num_fc_layers: 1}"),
    "input.preprocessing.lowercase": _changed(text="preprocessing: {lowercase: true}"),
    "input.encoder.reduce_output": _changed(text="encoder: {type: bert, reduce_output: sum}"),
    "trainer.optimizer.amsgrad": _changed(trainer="optimizer: {amsgrad: true}"),
    "trainer.gradient_clipping.clipnorm": _changed(trainer="gradient_clipping: {clipnorm: 1}"),
    "trainer.learning_rate_scheduler.warmup_evaluations":
        _changed(trainer="learning_rate_scheduler: {warmup_evaluations: 2}"),
    "trainer.random_seed": _changed(trainer="random_seed: 3"),
    "preprocessing.sample_ratio": _changed(),
    "defaults.category": _changed(defaults="category: {loss: {type: softmax_cross_entropy}}"),
    "1": {**_changed(), 1: 2},
}  # fmt: skip


def test_what_nothing_reads_is_told(project: Project) -> None:
    for key, config in LEFT.items():
        _, comments = imported(project, *_write(project, config))
        assert told(comments, f"{key}: "), key


def test_empty_sections_are_as_if_they_were_not_there(project: Project) -> None:
    config = _changed(trainer="~", preprocessing="~", combiner="~", defaults="~")
    training, _ = _training(project, config)
    assert (training["epochs"], training["early_stopping"]) == (100, {"patience": 5})


BROKEN: dict[str, dict[str, Any]] = {
    "no inputs": _changed(input_features="~"),
    "inputs of another type": _changed(input_features="{}"),
    "an input that is text": _changed(input_features="[text]"),
    "no outputs": _changed(output_features="~"),
    "encoder: text": _changed(text="encoder: bert"),
    "encoder: list": _changed(text="encoder: [bert]"),
    "random weights": _changed(text="encoder: {type: bert, use_pretrained: false}"),
    "two shares": _changed(preprocessing="split: {probabilities: [0.8, 0.2]}"),
    "no shares": _changed(preprocessing="split: {probabilities: [0, 0, 0]}"),
    "betas": _changed(trainer="optimizer: {betas: [0.9]}"),
    "betas of text": _changed(trainer="optimizer: {betas: [a, b]}"),
    "a list of types": _changed(output="type: [category]"),
    "text for a number": _changed(trainer='early_stop: "5"'),
    "half an epoch": _changed(trainer="epochs: 0.5"),
    "infinity": _changed(trainer="learning_rate: .inf"),
    "trainer: list": _changed(trainer="[1]"),
    "accumulation": _changed(trainer="gradient_accumulation_steps: some"),
    "gbm": _changed(model_type="gbm"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_of_another_type_is_refused(project: Project, case: str) -> None:
    refused(project, *_write(project, BROKEN[case]))
