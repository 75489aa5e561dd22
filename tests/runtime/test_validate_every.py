"""`validate_every`: when, and of which weights, the model is measured, told with PyTorch alone."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from bertspec.catalog.batch import Tokens
from bertspec.pipeline.params.train import Training
from bertspec.runtime.inference import infer
from bertspec.runtime.training import measurements
from bertspec.runtime.training.checkpoints import Checkpoints, Curves
from bertspec.runtime.training.loop import train
from tests.model.models import TASK
from tests.projects import rows
from tests.tasks.tiny import batch_of, encoder_of, tiny_base, tokens_of

TABLE = pa.table(
    {"text": [text for text, _ in rows(30)], "label": [label for _, label in rows(30)]}
)
RIGHT = [["bad", "good"].index(label) for label in TABLE["label"].to_pylist()]
DOUBTFUL = [1 - label if i < 9 else label for i, label in enumerate(RIGHT)]
"""Some labels are wrong, and the rate is high, so that the last weights are not the best."""

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("every"), TABLE["text"].to_pylist())


@pytest.fixture(scope="module")
def doubtful(base: Path) -> Tokens:
    labels = pa.array([["bad", "good"][label] for label in DOUBTFUL])
    return tokens_of(TASK, TABLE.set_column(1, "label", labels), encoder_of(base))


def _train(
    base: Path, folder: Path, validation: Tokens | None, observe: Any = None, **options: Any
) -> tuple[Weights, Curves, list[Weights]]:
    """The weights at the end, the curves, and the weights after each step that was taken."""
    torch.manual_seed(0)
    model, real, after = TASK.build_model(base, None), torch.optim.AdamW.step, list[Weights]()
    tokens = tokens_of(TASK, TABLE, encoder_of(base))
    shown = validation or tokens_of(TASK, TABLE.slice(0, 0), encoder_of(base))
    given = {"learning_rate": 0.02, "batch": {"examples": 8}} | options
    training = Training.model_validate(given)

    def watched(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        result = real(self, *args, **kwargs)
        after.append(_copy(model))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", watched)
        seen = {"observe": observe} if observe else {}
        kept = Checkpoints(folder, "key", 1e-9)
        curves = train(model, TASK, training, tokens, shown, None, 0, kept, **seen)
    return _copy(model), curves, after


def _copy(model: Any) -> Weights:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _loss(base: Path, weights: Weights, tokens: Tokens) -> float:
    """Cross-entropy of a padded batch through transformers and PyTorch."""
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2).eval()
    plain.load_state_dict(weights)
    with torch.no_grad():
        logits = plain(**batch_of(TASK, tokens).inputs).logits
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(DOUBTFUL)))


def _equal(found: Weights, expected: Weights) -> bool:
    return all(torch.equal(found[name], value) for name, value in expected.items())


CASES: list[tuple[dict[str, Any], list[int]]] = [
    ({"validate_every": 3}, [3, 6, 9, 12]),
    ({"validate_every": 3, "max_steps": 10, "batch": {"examples": 8, "accumulate": 2}},
     [3, 6, 9, 10]),
    ({"validate_every": 5, "freeze": 1}, [5, 10, 12]),
    ({"validate_every": 5, "ema": 0.5}, [5, 10, 12]),
    ({"validate_every": 99}, [12]),
]  # fmt: skip


@pytest.mark.parametrize(("options", "at"), CASES, ids=str)
def test_the_weights_at_each_of_its_steps_are_measured_and_the_best_are_kept(
    base: Path, tmp_path: Path, doubtful: Tokens, options: dict[str, Any], at: list[int]
) -> None:
    told = []
    model, curves, after = _train(
        base, tmp_path, doubtful, lambda *args: told.append(args), **options
    )
    assert [row["step"] for row in curves.validation] == at
    if decay := options.get("ema"):
        for i in range(1, len(after)):
            after[i] = {n: decay * after[i - 1][n] + (1 - decay) * w for n, w in after[i].items()}
    expected = [_loss(base, after[step - 1], doubtful) for step in at]
    found = [row["validation_loss"] for row in curves.validation]
    assert found == pytest.approx(expected, rel=1e-4)
    losses = [row["loss"] for row in curves.loss]
    means = [sum(losses[a:b]) / (b - a) for a, b in pairwise([0, *at])]
    assert [row["train_loss"] for row in curves.validation] == means
    best = after[at[found.index(min(found))] - 1]
    for name, value in best.items():
        torch.testing.assert_close(model[name], value)
    measured = [args for args in told if args[0] != "steps"]
    assert [(axis, number) for axis, number, _ in measured] == [("measurements", s) for s in at]


def test_the_kept_model_may_be_one_within_an_epoch(
    base: Path, tmp_path: Path, doubtful: Tokens
) -> None:
    model, curves, after = _train(base, tmp_path, doubtful, validate_every=1)
    losses = [row["validation_loss"] for row in curves.validation]
    best = losses.index(min(losses)) + 1
    assert best % 4, "an epoch has four steps"
    assert _equal(model, after[best - 1])


def test_measuring_changes_no_step(base: Path, tmp_path: Path, doubtful: Tokens) -> None:
    _, plain, _ = _train(base, tmp_path / "a", doubtful)
    _, often, _ = _train(base, tmp_path / "b", doubtful, validate_every=1)
    assert often.loss == plain.loss
    by_step = {row["step"]: row["validation_loss"] for row in often.validation}
    assert [by_step[4 * row["epoch"]] for row in plain.validation] == [
        row["validation_loss"] for row in plain.validation
    ]


@pytest.mark.parametrize("patience", [1, 2, 3])
@pytest.mark.parametrize("every", [1, 2])
def test_patience_counts_measurements(
    base: Path, tmp_path: Path, doubtful: Tokens, every: int, patience: int
) -> None:
    """What a training that never stops measures tells where this one does."""
    _, whole, _ = _train(base, tmp_path / "a", doubtful, epochs=6, validate_every=every)
    losses = [row["validation_loss"] for row in whole.validation]
    until = next(
        n for n in range(patience + 1, len(losses) + 1)
        if min(losses[n - patience : n]) >= min(losses[: n - patience])
    )  # fmt: skip
    stopping = {"patience": patience}
    model, curves, after = _train(
        base, tmp_path / "b", doubtful, epochs=6, validate_every=every, early_stopping=stopping
    )
    assert curves.validation == whole.validation[:until]
    assert len(curves.loss) == until * every < len(whole.loss)
    best = losses.index(min(losses[:until])) + 1
    assert _equal(model, after[best * every - 1])


def _stop_in_step(number: int) -> tuple[Any, str, Any]:
    real, taken = torch.optim.AdamW.zero_grad, [0]

    def stopping(*args: Any, **kwargs: Any) -> Any:
        taken[0] += 1
        if taken[0] == number:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    return torch.optim.AdamW, "zero_grad", stopping


def _stop_in_measurement(number: int) -> tuple[Any, str, Any]:
    taken = [0]

    def stopping(*args: Any, **kwargs: Any) -> Any:
        taken[0] += 1
        if taken[0] == number:
            raise KeyboardInterrupt
        return infer(*args, **kwargs)

    return measurements, "infer", stopping


@pytest.mark.parametrize(
    "options",
    [
        {"validate_every": 3, "max_steps": 7, "ema": 0.5},
        {"validate_every": 2, "freeze": 1, "early_stopping": {"patience": 3}, "epochs": 5},
    ],
    ids=str,
)
def test_an_interrupted_training_ends_with_the_same_bits(
    base: Path, tmp_path: Path, doubtful: Tokens, options: dict[str, Any]
) -> None:
    """Stopped in each step, and in each measurement."""
    model, expected, after = _train(base, tmp_path / "whole", doubtful, **options)
    places = [_stop_in_step(n + 1) for n in range(len(after))]
    places += [_stop_in_measurement(n + 1) for n in range(len(expected.validation))]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*place)
            with pytest.raises(KeyboardInterrupt):
                _train(base, folder, doubtful, **options)
        found, curves, left = _train(base, folder, doubtful, **options)
        assert curves == expected
        assert _equal(found, model)
        assert len(left) < len(after) or not number, "it went on from a checkpoint"
