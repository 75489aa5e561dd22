"""Parts of a step, averaged weights, fewer steps and rates of layers: as PyTorch alone has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    get_scheduler,
)

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task import LossOptions, Task
from bertspec.catalog.tasks.multiple_choice import MultipleChoice
from bertspec.core.errors import InputError
from bertspec.pipeline.params.train import AdamW, Training
from bertspec.runtime.inference import infer, model_runner
from bertspec.runtime.training.batches import Units
from bertspec.runtime.training.checkpoints import Checkpoints, Curves
from bertspec.runtime.training.gradients import backward
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.objective import Objective
from bertspec.runtime.training.optimization import make_optimizer, set_rate
from bertspec.runtime.training.sharding import backward_of_step
from bertspec.runtime.training.team import ALONE
from tests.model.models import TASK
from tests.projects import rows
from tests.tasks.tiny import batch_of, encoder_of, tiny_base, tokens_of

TABLE = pa.table(
    {"text": [text for text, _ in rows(30)], "label": [label for _, label in rows(30)]}
)
CHOICES = pa.table(
    {
        "text": ["we loved it", "a dull film", "great cast", "poor film", "a sharp script"],
        "choices": [["warm", "dull"], ["a film", "cast", "script"], ["we", "a", "poor", "dull"],
                    ["limp", "funny"], ["clumsy", "sharp", "great"]],
        "label": ["0", "2", "3", "1", "1"],
    }
)  # fmt: skip
OPTIONS = LossOptions(label_smoothing=0.1, class_weights=[1.0, 3.0])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without dropout, whose draws would differ with the sizes of batches."""
    texts = TABLE["text"].to_pylist()
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return tiny_base(tmp_path_factory.mktemp("options"), texts, **none)


def _model(base: Path, task: Task = TASK) -> Any:
    torch.manual_seed(0)
    return task.build_model(base, None).train()


def _train(
    base: Path, folder: Path, validation: Tokens | None = None, **options: Any
) -> tuple[Any, Curves]:
    """A model after training on the thirty rows, and its curves."""
    model, tokens = _model(base), tokens_of(TASK, TABLE, encoder_of(base))
    shown = validation or tokens_of(TASK, TABLE.slice(0, 0), encoder_of(base))
    training = Training.model_validate({"learning_rate": 0.003, "batch": {"examples": 8}} | options)
    kept = Checkpoints(folder, "key", 60)
    return model, train(model, TASK, training, tokens, shown, None, 0, kept)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[list[torch.Tensor]]:
    """The weights after each step, in the optimizer's order."""
    real, found = torch.optim.AdamW.step, list[list[torch.Tensor]]()

    def watched(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        result = real(self, *args, **kwargs)
        found.append([p.detach().clone() for g in self.param_groups for p in g["params"]])
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    return found


@pytest.mark.parametrize("parts", [2, 3, 4, 30, 50])
def test_parts_have_the_gradients_of_the_whole(base: Path, parts: int) -> None:
    """The reference is PyTorch's own mean over all rows; rows weigh differently."""
    tokens = tokens_of(TASK, TABLE, encoder_of(base))
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    model = _model(base)
    plain.load_state_dict(model.state_dict())
    batch = batch_of(TASK, tokens)
    targets = torch.tensor([["bad", "good"].index(label) for label in TABLE["label"].to_pylist()])
    criterion = torch.nn.CrossEntropyLoss(torch.tensor([1.0, 3.0]), label_smoothing=0.1)
    expected = criterion(plain(**batch.inputs).logits, targets)
    expected.backward()
    batches = [
        batch_of(TASK, tokens, list(p)) for p in np.array_split(np.arange(30), parts) if len(p)
    ]
    assert len(batches) == min(parts, 30)
    loss = backward(model, Objective(TASK, OPTIONS), batches)
    assert loss == pytest.approx(float(expected.detach()))
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


class FarAway:
    """The objective of a model on torch's device `meta`: no number of it can be read."""

    def loss(self, model: Any, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        losses = model(batch)
        return losses.sum(), losses.new_full((), len(losses))


@pytest.mark.parametrize("shards", [1, 2])
def test_no_part_is_waited_for(shards: int) -> None:
    """Else a GPU has nothing to do after each, until it is handed the next one."""
    model: Any = torch.nn.Linear(3, 1, device="meta")
    model.device = torch.device("meta")
    objective: Any = FarAway()
    collated: Any = lambda _: [torch.ones(2, 3, device="meta")] * 3  # noqa: E731
    options = Training.model_validate({"batch": {"shards": shards}})
    loss = backward_of_step(
        model, objective, options, 0, np.arange(12), np.full(12, 3), collated, ALONE
    )
    assert loss.device == model.weight.grad.device == model.device


def test_sequences_of_an_example_stay_in_one_part(base: Path) -> None:
    task = MultipleChoice(type="multiple-choice")
    tokens = tokens_of(task, CHOICES, encoder_of(base))
    units = Units(task, tokens)
    parts = [units.sequences(part) for part in np.array_split(np.arange(5), 3)]
    assert [len(part) for part in parts] == [5, 6, 3]
    one, several = _model(base, task), _model(base, task)
    batches = [batch_of(task, tokens, list(part)) for part in parts]
    loss = backward(several, Objective(task), batches)
    assert loss == pytest.approx(backward(one, Objective(task), [batch_of(task, tokens)]))
    for mine, theirs in zip(several.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_steps_in_parts_train_as_whole_ones(base: Path, tmp_path: Path) -> None:
    """As many steps, of the same rates; and 30 rows leave six for the last step of four parts."""
    batch = {"examples": 8, "accumulate": 4}
    _, whole = _train(base, tmp_path / "whole", epochs=2)
    _, parts = _train(base, tmp_path / "parts", epochs=2, batch=batch)
    assert parts.learning_rate == whole.learning_rate
    losses = [[row["loss"] for row in curves.loss] for curves in (whole, parts)]
    assert len(losses[0]) == 8
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_averaged_weights_are_measured_and_kept(
    base: Path, tmp_path: Path, steps: list[list[torch.Tensor]]
) -> None:
    """The last epoch is the best one here, so that its average is the model."""
    validation = tokens_of(TASK, TABLE, encoder_of(base))
    model, curves = _train(base, tmp_path, validation, ema=0.8)
    measured = [row["validation_loss"] for row in curves.validation]
    assert min(measured) == measured[-1]
    average = steps[0]
    for weights in steps[1:]:
        average = [0.8 * a + 0.2 * w for a, w in zip(average, weights, strict=True)]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    for mine, theirs in zip([*matrices, *vectors], average, strict=True):
        torch.testing.assert_close(mine.detach(), theirs)
    _, loss = infer(model_runner(model, TASK), TASK, validation, 0)
    assert loss == measured[-1]


def test_averaged_weights_are_kept_without_validation(base: Path, tmp_path: Path) -> None:
    with_it, _ = _train(base, tmp_path / "a", ema=0.8)
    same, _ = _train(base, tmp_path / "b", tokens_of(TASK, TABLE, encoder_of(base)), ema=0.8)
    plain, _ = _train(base, tmp_path / "c")
    weights = dict(with_it.named_parameters())
    assert all(torch.equal(weights[name], value) for name, value in same.named_parameters())
    assert not all(torch.equal(weights[name], value) for name, value in plain.named_parameters())


def test_the_average_changes_no_step(base: Path, tmp_path: Path) -> None:
    _, plain = _train(base, tmp_path / "a")
    _, averaged = _train(base, tmp_path / "b", ema=0.9)
    assert averaged.loss == plain.loss


@pytest.mark.parametrize(
    ("bound", "taken", "epochs"), [(1, 1, 1), (4, 4, 1), (6, 6, 2), (99, 12, 3)]
)
def test_the_schedule_runs_over_the_steps_that_are_taken(
    base: Path, tmp_path: Path, bound: int, taken: int, epochs: int
) -> None:
    """Four steps are an epoch. The rest of the last one is left out, and it is measured."""
    validation = tokens_of(TASK, TABLE, encoder_of(base))
    schedule = {"type": "linear", "warmup_steps": 2}
    _, curves = _train(base, tmp_path, validation, max_steps=bound, schedule=schedule)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.003)
    reference = get_scheduler("linear", optimizer, 2, taken)
    expected = []
    for _ in range(taken):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()
    assert [row["learning_rate"] for row in curves.learning_rate] == pytest.approx(expected)
    assert [row["epoch"] for row in curves.validation] == [*range(1, epochs + 1)]


def test_rates_of_layers_are_those_of_the_steps(
    base: Path, tmp_path: Path, steps: list[list[torch.Tensor]]
) -> None:
    """Adam's first step is as long as its rate, where there is a gradient."""
    options: dict[str, Any] = {
        "optimizer": {"weight_decay": 0.0, "epsilon": 1e-12},
        "schedule": {"type": "constant", "warmup_steps": 0},
        "max_grad_norm": None,
    }
    _train(base, tmp_path, epochs=1, max_steps=1, layer_decay=0.5, **options)
    before = _model(base)
    optimizer = make_optimizer(before, AdamW(), 0.003, 0.5)
    set_rate(optimizer, 0.003)
    rates = [group["lr"] for group in optimizer.param_groups for _ in group["params"]]
    weights = [p.detach() for group in optimizer.param_groups for p in group["params"]]
    assert set(rates) == {0.003, 0.0015, 0.00075, 0.000375}
    moved: dict[float, float] = {}
    for old, new, rate in zip(weights, steps[0], rates, strict=True):
        moved[rate] = max(moved.get(rate, 0.0), float((new - old).abs().max()))
    for rate, by in moved.items():
        assert by == pytest.approx(rate, rel=1e-3)


def test_a_base_without_layers_has_no_rates_of_layers() -> None:
    config = BertConfig(hidden_size=32, num_attention_heads=2, num_hidden_layers=0)
    model = BertForSequenceClassification(config)
    with pytest.raises(InputError, match="no layers") as caught:
        make_optimizer(model, AdamW(), 0.1, 0.5)
    assert caught.value.diagnostics[0].code == "E403"


def test_defaults_stand_in_no_params() -> None:
    """Otherwise an upgrade would train everything again."""
    dumped: Mapping[str, Any] = Training().model_dump()
    assert not {"max_steps", "layer_decay", "ema"} & set(dumped)
    assert dumped["batch"] == {"examples": 32}
    assert set(dumped["schedule"]) == {"type", "warmup_ratio"}
