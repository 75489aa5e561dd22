"""Frozen layers: what keeps its weights, and outputs that are computed once."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from transformers import AlbertConfig, AlbertForSequenceClassification
from transformers.models.bert.modeling_bert import BertLayer

from bertspec.catalog.task import Task
from bertspec.catalog.tasks.masked_lm import MaskedLm
from bertspec.catalog.tasks.multiple_choice import MultipleChoice
from bertspec.catalog.tasks.sentence_embedding import SentenceEmbedding
from bertspec.core.errors import InputError
from bertspec.pipeline.params.train import Training
from bertspec.runtime.training import (
    first_tokens,
    freezing,
    frozen_outputs,
    frozen_validation,
)
from bertspec.runtime.training.checkpoints import Checkpoints, Curves
from bertspec.runtime.training.freezing import Frozen
from bertspec.runtime.training.frozen_outputs import FrozenOutputs
from bertspec.runtime.training.loop import train
from tests.model.models import TASK
from tests.model.test_families import FAMILIES
from tests.projects import rows
from tests.tasks.tiny import encoder_of, tiny_base, tokens_of

TABLE = pa.table(
    {
        "text": [f"{text} {'and on' * (i % 5)}" for i, (text, _) in enumerate(rows(40))],
        "label": [label for _, label in rows(40)],
    }
)
CHOICES = pa.table(
    {
        "text": ["we loved it", "a dull film", "great cast", "poor film"] * 5,
        "choices": [["warm", "dull"], ["a film", "cast", "script"], ["we", "poor"], ["a", "b"]] * 5,
        "label": ["0", "2", "1", "1"] * 5,
    }
)
EMBEDDINGS = r"bert\.embeddings"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers with dropout."""
    texts = TABLE["text"].to_pylist()
    return tiny_base(tmp_path_factory.mktemp("freezing"), texts, num_hidden_layers=3)


def _train(
    base: Path, folder: Path, task: Task = TASK, table: pa.Table = TABLE, **options: Any
) -> tuple[Any, Curves]:
    torch.manual_seed(0)
    model, tokens = task.build_model(base, None), tokens_of(task, table, encoder_of(base))
    training = Training.model_validate(
        {"learning_rate": 0.001, "batch": {"examples": 8}, "epochs": 2} | options
    )
    checkpoints = Checkpoints(folder, "key", 60)
    return model, train(model, task, training, tokens, tokens, None, 0, checkpoints)


def _weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [
        ("embeddings", EMBEDDINGS),
        (1, rf"{EMBEDDINGS}|bert\.encoder\.layer\.0\."),
        (2, rf"{EMBEDDINGS}|bert\.encoder\.layer\.[01]\."),
        (3, rf"{EMBEDDINGS}|bert\.encoder\.layer\."),
        ("all", rf"{EMBEDDINGS}|bert\.encoder\.layer\."),
    ],
)
def test_what_is_frozen_keeps_the_weights_of_the_base_and_the_rest_learns(
    base: Path, tmp_path: Path, freeze: Any, kept: str
) -> None:
    torch.manual_seed(0)
    before = _weights(TASK.build_model(base, None))
    model, _ = _train(base, tmp_path, freeze=freeze, ema=0.5)
    for name, weight in _weights(model).items():
        assert torch.equal(weight, before[name]) is bool(re.match(kept, name)), name


@pytest.fixture
def computing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No output is kept, but of the families that are named later."""
    monkeypatch.setattr(freezing, "FAMILIES", ())
    return monkeypatch


@pytest.mark.parametrize(
    ("task", "table", "options"),
    [
        (TASK, TABLE, {"freeze": 1}),
        (TASK, TABLE, {"freeze": "all"}),
        (TASK, TABLE, {"freeze": 2, "ema": 0.5, "layer_decay": 0.8,
                       "batch": {"examples": 8, "accumulate": 3}}),
        (TASK, TABLE, {"freeze": 2, "precision": "bf16"}),
        (MultipleChoice(type="multiple-choice"), CHOICES, {"freeze": 2}),
    ],
)  # fmt: skip
def test_kept_outputs_train_what_computed_ones_do(
    base: Path, tmp_path: Path, computing: pytest.MonkeyPatch, task: Task, table: pa.Table,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """In batches of other sizes and padding, with dropout above the frozen layers."""
    ran: list[int] = []
    real = FrozenOutputs.standing_in

    def noted(self: FrozenOutputs, batch: Any) -> Any:
        ran.append(len(batch.rows))
        return real(self, batch)

    computing.setattr(FrozenOutputs, "standing_in", noted)
    computed, losses = _train(base, tmp_path / "a", task, table, **options)
    assert not ran
    computing.undo()
    computing.setattr(FrozenOutputs, "standing_in", noted)
    kept, same = _train(base, tmp_path / "b", task, table, **options)
    assert sum(ran) == 2 * len(tokens_of(task, table, encoder_of(base)))
    loose = options.get("precision") == "bf16"
    expected = [row["loss"] for row in losses.loss]
    assert [row["loss"] for row in same.loss] == pytest.approx(
        expected, rel=0.02 if loose else 1e-5
    )
    if not loose:
        for name, weight in _weights(kept).items():
            if not name.endswith("key.bias"):  # its gradient is 0, but for rounding
                torch.testing.assert_close(weight, _weights(computed)[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", frozen_outputs.FAMILIES)
def test_every_family_whose_outputs_are_kept_trains_the_same(
    tmp_path: Path, computing: pytest.MonkeyPatch, family: str
) -> None:
    few = TABLE.slice(0, 16)
    config = {"model_type": family} | FAMILIES.get(family, {})
    if family == "distilbert":
        config["without"] = "intermediate_size"
    base = tiny_base(tmp_path, few["text"].to_pylist(), **config)
    _, expected = _train(base, tmp_path / "a", TASK, few, freeze=1)
    computing.undo()
    _, found = _train(base, tmp_path / "b", TASK, few, freeze=1)
    losses = [[row["loss"] for row in curves.loss] for curves in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_outputs_in_a_file_are_those_in_memory(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the file is left."""
    first, _ = _train(base, tmp_path / "a", freeze=2)
    monkeypatch.setattr(frozen_outputs, "IN_MEMORY", 0)
    second, _ = _train(base, tmp_path / "b", freeze=2)
    assert not list((tmp_path / "b").iterdir())
    for name, weight in _weights(first).items():
        assert torch.equal(weight, _weights(second)[name]), name


def test_what_is_seen_once_or_changes_is_not_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("kept")

    monkeypatch.setattr(FrozenOutputs, "__init__", refused)
    _train(base, tmp_path / "a", freeze=2, epochs=1)
    _train(base, tmp_path / "b", MaskedLm(type="masked-lm"), TABLE.select(["text"]), freeze=2)
    _train(base, tmp_path / "c", freeze="embeddings")
    with pytest.raises(AssertionError, match="kept"):
        _train(base, tmp_path / "d", freeze=2)


def _albert() -> Any:
    config = AlbertConfig(
        embedding_size=16, hidden_size=32, num_attention_heads=2, num_hidden_layers=2
    )
    return AlbertForSequenceClassification(config)


def _refused(model: Any, freeze: Any, task: Task = TASK) -> str:
    with pytest.raises(InputError) as caught:
        Frozen(model, task, Training(freeze=freeze))
    assert caught.value.diagnostics[0].code == "E403"
    return str(caught.value.diagnostics[0].message)


def test_layers_that_are_not_there_are_an_error(base: Path) -> None:
    assert "has 3 layers" in _refused(TASK.build_model(base, None), 4)
    assert "share their weights" in _refused(_albert(), 1)
    embedding = SentenceEmbedding(type="sentence-embedding")
    assert "nothing to learn" in _refused(embedding.build_model(base, None), "all", embedding)


def test_layers_that_share_their_weights_are_frozen_together() -> None:
    albert = _albert()
    Frozen(albert, TASK, Training(freeze="all"))
    learning = [name for name, p in albert.named_parameters() if p.requires_grad]
    assert all(re.match(r"classifier|albert\.pooler", name) for name in learning)


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_validation_measures_the_same_bits_whatever_is_kept(
    base: Path, tmp_path: Path, computing: pytest.MonkeyPatch, kept: int
) -> None:
    """Three epochs of eleven steps, and three batches of validation, of which two layers run."""
    options: dict[str, Any] = {"freeze": 2, "epochs": 3, "max_steps": 11, "ema": 0.5}
    computing.setattr(type(TASK), "rows_at_once", 16)
    computing.setattr(type(TASK), "constant_inputs", False)
    _, expected = _train(base, tmp_path / "a", **options)
    computing.setattr(freezing, "FAMILIES", frozen_outputs.FAMILIES)
    longest = int(tokens_of(TASK, TABLE, encoder_of(base)).lengths.max())
    room = {0: 0, 1: 16 * longest * 32 * 4, 3: 2**30}[kept]
    computing.setattr(frozen_validation, "IN_MEMORY", room)
    ran: list[int] = []

    def noted(real: Any) -> Any:
        def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
            ran.append(0)
            return real(self, *args, **kwargs)

        return forward

    for layer in (BertLayer, first_tokens.FAMILIES["bert"]):  # what the last one is in training
        computing.setattr(layer, "forward", noted(layer.forward))
    _, found = _train(base, tmp_path / "b", **options)
    assert found == expected
    assert len(ran) == 3 * (11 + 3 * 3) - 2 * 2 * kept
