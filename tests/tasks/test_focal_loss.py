"""The focal loss is that of Keras and torchvision, written down here as they have it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from bertspec.catalog.batch import IGNORED, Batch
from bertspec.catalog.task import LossOptions, Task
from bertspec.catalog.task_parts.choosing import cross_entropy_among
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.catalog.tasks.multiple_choice import MultipleChoice
from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.compiler.checks import load_checked
from tests.projects import SPEC, Project

LABELS = ("a", "b", "c")
ONE = TextClassification(type="text-classification", labels=LABELS)
SEVERAL = MultiLabelClassification(type="multi-label-classification", labels=LABELS)
TAGS = TokenClassification(type="token-classification", labels=("PER",))
WEIGHTS = [1.0, 3.0, 0.5]


def _logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3)).mul_(2)


def _loss(
    task: Task, logits: torch.Tensor, targets: torch.Tensor, options: LossOptions
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sum, weight, and the gradient of the sum."""
    leaf = logits.clone().requires_grad_()
    total, weight = task.loss(leaf, Batch(np.arange(len(logits)), {}, targets), options)
    total.backward()
    assert leaf.grad is not None
    return total.detach(), weight, leaf.grad


def _categorical(
    logits: torch.Tensor, targets: torch.Tensor, gamma: float, smoothing: float, alpha: list[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """keras.losses.categorical_focal_crossentropy, and its gradient."""
    leaf = logits.clone().requires_grad_()
    true = one_hot(targets, logits.shape[-1]) * (1 - smoothing) + smoothing / logits.shape[-1]
    output = leaf.softmax(dim=-1)
    factors = (1 - output) ** gamma * torch.tensor(alpha)
    total = (factors * -true * output.log()).sum()
    total.backward()
    assert leaf.grad is not None
    return total.detach(), leaf.grad


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_of_one_label_it_is_that_of_keras(
    gamma: float, smoothing: float, weights: list[float] | None
) -> None:
    logits, targets = _logits(20, 3), torch.arange(20) % 3
    total, weight, gradient = _loss(ONE, logits, targets, LossOptions(smoothing, weights, gamma))
    expected = _categorical(logits, targets, gamma, smoothing, weights or [1.0] * 3)
    torch.testing.assert_close((total, gradient), expected)
    assert float(weight) == sum((weights or [1.0] * 3)[i % 3] for i in range(20))


def test_tokens_without_a_tag_count_for_nothing() -> None:
    logits = _logits(4, 6, 3)
    targets = torch.arange(24).reshape(4, 6) % 3
    targets[:, 3:] = IGNORED
    total, weight, gradient = _loss(TAGS, logits, targets, LossOptions(focal_gamma=2.0))
    said = targets != IGNORED
    expected, of_said = _categorical(logits[said], targets[said], 2.0, 0.0, [1.0] * 3)
    torch.testing.assert_close((total, gradient[said]), (expected, of_said))
    assert not gradient[~said].any()
    assert float(weight) == 12


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_of_several_labels_it_is_that_of_torchvision(
    gamma: float, smoothing: float, weights: list[float] | None
) -> None:
    """torchvision.ops.sigmoid_focal_loss; the weights are its cross entropy's, and targets are
    smoothed before, as keras.losses.binary_focal_crossentropy does.
    """
    logits, given = _logits(10, 3), (_logits(10, 3).flip(0) > 0).float()
    total, weight, gradient = _loss(SEVERAL, logits, given, LossOptions(smoothing, weights, gamma))
    leaf, targets = logits.clone().requires_grad_(), given * (1 - smoothing) + smoothing / 2
    p = torch.sigmoid(leaf)
    ce = binary_cross_entropy_with_logits(
        leaf, targets, reduction="none", pos_weight=torch.tensor(weights or [1.0] * 3)
    )
    p_t = p * targets + (1 - p) * (1 - targets)
    expected = (ce * ((1 - p_t) ** gamma)).sum()
    expected.backward()
    torch.testing.assert_close((total, gradient), (expected.detach(), leaf.grad))
    assert float(weight) == 30


def test_of_choices_only_those_of_an_example_count() -> None:
    scores = _logits(3, 4)
    scores[0, 2:] = scores[1, 3:] = -float("inf")
    right, counts = torch.tensor([1, 0, 3]), (2, 3, 4)
    leaf = scores.clone().requires_grad_()
    total, weight = cross_entropy_among(leaf, right, 0.1, 2.0)
    total.backward()
    parts = [
        _categorical(scores[i, None, :n], right[i, None], 2.0, 0.1, [1.0] * n)
        for i, n in enumerate(counts)
    ]
    torch.testing.assert_close(total.detach(), torch.stack([part for part, _ in parts]).sum())
    assert leaf.grad is not None
    for i, n in enumerate(counts):
        torch.testing.assert_close(leaf.grad[i, :n], parts[i][1][0])
        assert not leaf.grad[i, n:].any()
    assert float(weight) == 3


def test_the_task_of_choices_hands_it_on() -> None:
    task = MultipleChoice(type="multiple-choice")
    targets = torch.tensor([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1], [1, 2, 0]])
    logits = _logits(5, 1)
    total, _, _ = _loss(task, logits, targets, LossOptions(focal_gamma=2.0))
    first = _categorical(logits[None, :2, 0], torch.tensor([0]), 2.0, 0.0, [1.0] * 2)[0]
    second = _categorical(logits[None, 2:, 0], torch.tensor([1]), 2.0, 0.0, [1.0] * 3)[0]
    torch.testing.assert_close(total, first + second)


def test_with_an_exponent_of_nothing_it_is_the_cross_entropy() -> None:
    logits, targets = _logits(20, 3), torch.arange(20) % 3
    total, weight, _ = _loss(ONE, logits, targets, LossOptions(0.1, WEIGHTS, 0.0))
    expected = cross_entropy(logits, targets, torch.tensor(WEIGHTS), label_smoothing=0.1)
    torch.testing.assert_close(total / weight, expected)


@pytest.mark.parametrize("gamma", [0.1, 2.0])
@pytest.mark.parametrize("size", [1.0, 30.0, 500.0])
def test_what_is_sure_has_a_gradient_that_is_a_number(gamma: float, size: float) -> None:
    """The slope of a power below 1 is infinite at 0."""
    logits = torch.tensor([[size, -size, 0.0], [-size, size, 0.0]])
    options = LossOptions(0.1, None, gamma)
    for task, targets in ((ONE, torch.tensor([0, 0])), (SEVERAL, torch.eye(3)[:2])):
        total, _, gradient = _loss(task, logits, targets, options)
        assert total.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "task", [{"type": "text-regression"}, {"type": "masked-lm"}, {"type": "question-answering"}]
)
def test_a_loss_without_it_is_refused(project: Project, task: dict[str, str]) -> None:
    training = {"focal_gamma": 2.0}
    project.write_spec(SPEC | {"task": task, "training": training})
    found = load_checked([Path("specs")], project.root).diagnostics
    assert [d.message for d in found if d.code == "E139"] == [
        f"the loss of {task['type']} takes no `focal_gamma`"
    ]
