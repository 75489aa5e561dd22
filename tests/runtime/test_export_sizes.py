"""Batch and length of every form are free, up to what models of today read at once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from bertspec.catalog.export import INPUTS, Export, Shared
from bertspec.runtime.export import exported_module
from tests.model.models import TASK, inputs
from tests.tasks.export_forms import FORMS, ONNX_FORMS, form

LONGEST = 512
SIZES = ((1, 1), (64, 1), (1, LONGEST), (64, LONGEST), (3, 7))

EXPORTS: dict[str, Export] = {
    # The folder of transformers has no graph, in which a size could be fixed.
    **{name: form(name) for name in FORMS if name != "transformers"},
    **ONNX_FORMS,
}


@pytest.fixture(scope="module")
def module() -> torch.nn.Module:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=LONGEST, initializer_range=0.5,
    )  # fmt: skip
    return exported_module(BertForSequenceClassification(config), TASK).eval()


@pytest.fixture(scope="module")
def shared() -> Shared:
    """One for all, so that each graph is made once."""
    return Shared(training_batches=lambda _: [inputs(8, LONGEST // 8), inputs(2, LONGEST)])


@pytest.mark.parametrize("name", EXPORTS)
def test_one_row_and_many_of_one_token_and_of_many(
    module: torch.nn.Module, shared: Shared, tmp_path: Path, name: str
) -> None:
    export = EXPORTS[name]
    export.write(module, tmp_path / export.filename, shared)
    run = export.runner(tmp_path / export.filename, 1, TASK)
    for rows, length in SIZES:
        given = inputs(rows, length)
        with torch.no_grad():
            tensors = {name: torch.from_numpy(given[name]) for name in INPUTS}
            expected = TASK.forward(module.model, tensors).numpy()  # type: ignore[arg-type]
        found = run(given)
        assert found.shape == expected.shape
        differences = np.abs(found - expected)
        if export.metric_bound is None:
            assert differences.max() < 1e-4, f"{rows} x {length}"
        else:  # of a model so small single numbers are rounded far
            assert differences.mean() < 0.1 * np.abs(expected).mean(), f"{rows} x {length}"
