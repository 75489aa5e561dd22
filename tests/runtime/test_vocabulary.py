"""Training with the embeddings in use alone: what training with all of them gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from bertspec.pipeline.params.train import Training
from bertspec.runtime.training import vocabulary
from bertspec.runtime.training.checkpoints import Checkpoints
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.vocabulary import known_tokens_only
from tests.model.models import TASK
from tests.projects import rows
from tests.tasks.tiny import encoder_of, tiny_base, tokens_of

TABLE = pa.table(
    {"text": [text for text, _ in rows(30)], "label": [label for _, label in rows(30)]}
)
FEW = TABLE.slice(0, 6)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return tiny_base(tmp_path_factory.mktemp("vocabulary"), TABLE["text"].to_pylist(), **none)


def _weight(model: Any) -> torch.Tensor:
    weight: torch.Tensor = model.get_input_embeddings().weight.detach()
    return weight


def _trained(base: Path, folder: Path, **options: Any) -> Any:
    encoder = encoder_of(base)
    tokens, validation = (tokens_of(TASK, t, encoder) for t in (FEW, TABLE.slice(6, 4)))
    torch.manual_seed(0)
    model = TASK.build_model(base, None)
    size = _weight(model).shape
    training = Training.model_validate(
        {"learning_rate": 0.01, "batch": {"examples": 2}, "epochs": 3,
         "optimizer": {"weight_decay": 20.0}} | options
    )  # fmt: skip
    kept = Checkpoints(folder, "key", 60)
    with known_tokens_only(model, tokens, validation, 0):
        inside = len(_weight(model))
        train(model, TASK, training, tokens, validation, None, 0, kept)
    assert _weight(model).shape == size
    return model, inside


@pytest.mark.parametrize(
    "options",
    [{}, {"ema": 0.5}, {"layer_decay": 0.7}, {"freeze": "embeddings"}, {"max_grad_norm": 0.1}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_all_rows_are_as_if_all_had_learned(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Also those that no text has: a strong decay makes them smaller by half and more."""
    mine, inside = _trained(base, tmp_path / "few", **options)
    before = _weight(TASK.build_model(base, None))
    monkeypatch.setattr(vocabulary, "WORTH_IT", 0.0)
    theirs, everything = _trained(base, tmp_path / "all", **options)
    assert inside < 0.75 * everything == 0.75 * len(before)
    for found, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    unread = np.setdiff1d(np.arange(len(before)), tokens_of(TASK, FEW, encoder_of(base)).ids)
    share = float((_weight(mine)[unread[1]] / before[unread[1]]).mean())
    assert share == pytest.approx(1.0) if "freeze" in options else share < 0.9


def test_gradients_are_those_of_transformers(base: Path) -> None:
    model: Any = AutoModelForSequenceClassification.from_pretrained(base)
    tokens = tokens_of(TASK, FEW, encoder_of(base))
    inputs = {"input_ids": torch.from_numpy(tokens.ids[None].astype(np.int64))}
    expected = model(**inputs).logits
    expected.sum().backward()
    reference = model.get_input_embeddings().weight.grad
    with known_tokens_only(model, tokens, tokens, 0):
        found = model(**inputs).logits
        found.sum().backward()
        mine = model.get_input_embeddings().weight.grad
    assert torch.equal(found, expected)
    used = np.unique([*tokens.ids, 0])
    assert torch.equal(mine[:-1], reference[used])
    assert not mine[-1].any()


def test_a_head_with_the_same_weights_keeps_them_all(base: Path) -> None:
    model: Any = AutoModelForMaskedLM.from_pretrained(base)
    tokens = tokens_of(TASK, FEW, encoder_of(base))
    before = model.get_input_embeddings().weight
    with known_tokens_only(model, tokens, tokens, 0):
        assert model.get_input_embeddings().weight is before
