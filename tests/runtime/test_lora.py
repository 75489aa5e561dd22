"""LoRA: what learns, and weights that are those of a normal model at the end."""

import copy
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from peft import LoraConfig, get_peft_model

from bertspec.catalog.tasks import TASKS
from bertspec.core.errors import InputError
from bertspec.pipeline.params.train import Lora, Training
from bertspec.runtime.training.checkpoints import Checkpoints
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.lora import adapted
from tests.model.models import TASK, inputs
from tests.projects import rows
from tests.tasks.cases import case_of
from tests.tasks.tiny import encoder_of, tiny_base, tokens_of

TABLE = pa.table(
    {"text": [text for text, _ in rows(40)], "label": [label for _, label in rows(40)]}
)
MATRICES = r"bert\.encoder\.layer\.\d\..*(query|key|value|dense)\.weight"
HEAD = r"bert\.pooler|classifier"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("lora"), TABLE["text"].to_pylist())


def _model(base: Path) -> Any:
    torch.manual_seed(0)
    return TASK.build_model(base, None)


def _train(base: Path, folder: Path, **options: Any) -> Any:
    model, tokens = _model(base), tokens_of(TASK, TABLE, encoder_of(base))
    training = Training.model_validate(
        {"learning_rate": 0.01, "batch": {"examples": 8}, "epochs": 2, "lora": {"rank": 4}}
        | options
    )
    with adapted(model, training.lora):
        train(model, TASK, training, tokens, tokens, None, 0, Checkpoints(folder, "key", 60))
    return model


def _weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize("options", [{}, {"ema": 0.5, "layer_decay": 0.9}])
def test_matrices_of_the_base_change_by_a_low_rank_and_the_head_in_full(
    base: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    before, after = _weights(_model(base)), _weights(_train(base, tmp_path, **options))
    assert list(after) == list(before)
    for name, weight in after.items():
        change = weight - before[name]
        if re.match(MATRICES, name):
            assert torch.linalg.matrix_rank(change, atol=1e-5) == 4, name
        else:
            assert bool(change.any()) is bool(re.match(HEAD, name)), name


def test_a_seed_gives_the_same_bits(base: Path, tmp_path: Path) -> None:
    first, second = (_weights(_train(base, tmp_path / n, lora={"dropout": 0.1})) for n in "ab")
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_what_learns_is_what_peft_alone_has(base: Path) -> None:
    names = ["query", "value"]
    config = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=names)
    reference = get_peft_model(_model(base), config)
    expected = {
        name.removeprefix("base_model.model.").replace("modules_to_save.default.", "")
        for name, p in reference.named_parameters()
        if p.requires_grad
    }
    model = _model(base)
    with adapted(model, Lora(rank=4, alpha=8, target_modules=("query", "value"))):
        found = {name for name, p in model.named_parameters() if p.requires_grad}
    assert found - expected == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert expected <= found


@pytest.mark.parametrize("kind", TASKS)
def test_every_task_learns_changes_and_its_head(base: Path, kind: str) -> None:
    """At first the model computes what it did."""
    task = TASKS[kind].model_validate(case_of(kind).task)
    model = task.build_model(base, None).eval()
    arrays = {name: torch.from_numpy(array) for name, array in inputs(4, 9).items()}
    expected = task.forward(model, arrays)
    whole = copy.deepcopy(model.state_dict())
    with adapted(model, Lora(rank=2)):
        learning = [name for name, p in model.named_parameters() if p.requires_grad]
        heads = [name for name in learning if "lora_" not in name]
        torch.testing.assert_close(task.forward(model, arrays), expected)
        task.forward(model, arrays).sum().backward()
        assert all(p.grad is not None for n, p in model.named_parameters() if "lora_B" in n)
    assert len(learning) - len(heads) == 2 * 2 * 6
    assert bool(heads) is task.adds_head
    assert not any("embeddings" in name for name in learning)
    assert list(model.state_dict()) == list(whole)


def test_a_layer_that_is_not_there_is_an_error(base: Path) -> None:
    with (
        pytest.raises(InputError, match="no linear layer `quary`") as caught,
        adapted(_model(base), Lora(target_modules=("value", "quary"))),
    ):
        pass
    assert caught.value.diagnostics[0].code == "E403"
    assert caught.value.diagnostics[0].help == "did you mean `query`?"
