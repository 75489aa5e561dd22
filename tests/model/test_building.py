"""The model that training starts from: its weights are the base's, or it is refused."""

from pathlib import Path

import pyarrow as pa
import pytest
import torch

from bertspec.catalog.tasks.text_classification import TextClassification
from bertspec.core.errors import InputError
from tests.model.models import TASK, build, copy, edit_weights, scratch


def test_the_encoder_is_the_bases_and_the_head_is_seeded(tiny: Path) -> None:
    from safetensors.torch import load_file

    base = load_file(tiny / "model.safetensors")
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = TASK.build_model(tiny, None)
        state = model.state_dict()
        assert all(torch.equal(state[f"bert.{name}"], value) for name, value in base.items())
        heads.append(state["classifier.weight"].clone())
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert model.config.id2label == {0: "bad", 1: "good"}
    assert model.config.label2id == {"bad": 0, "good": 1}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_base_in_16_bits_is_trained_in_32(dtype: torch.dtype, tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "half")
    edit_weights(folder, lambda weights: {name: t.to(dtype) for name, t in weights.items()})
    model = TASK.build_model(folder, None)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_weights_of_another_model_are_refused(tiny: Path, tmp_path: Path) -> None:
    """Else all of them would be random numbers, and training would start from noise."""
    folder = copy(tiny, tmp_path / "other")
    edit_weights(folder, lambda weights: {f"x.{name}": t for name, t in weights.items()})
    with pytest.raises(InputError, match="tensors of the encoder are missing") as caught:
        TASK.build_model(folder, None)
    assert caught.value.diagnostics[0].code == "E402"


def test_one_missing_layer_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "holed")
    name = "encoder.layer.1.output.dense.weight"
    edit_weights(folder, lambda weights: {n: t for n, t in weights.items() if n != name})
    with pytest.raises(InputError, match=name):
        TASK.build_model(folder, None)


def test_a_masked_language_model_without_a_pooler_is_a_base(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "mlm")
    edit_weights(folder, lambda weights: {n: t for n, t in weights.items() if "pooler" not in n})
    assert TASK.build_model(folder, None).config.num_labels == 2


def test_a_head_for_other_labels_is_refused(tiny: Path, tmp_path: Path) -> None:
    three = TextClassification(type="text-classification", labels=("a", "b", "c"))
    three.build_model(tiny, None).save_pretrained(tmp_path / "three")
    with pytest.raises(InputError, match=r"classifier\.bias is \(3,\)"):
        TASK.build_model(tmp_path / "three", None)


def test_dropout_before_the_head_is_set(tiny: Path) -> None:
    assert TASK.build_model(tiny, 0.37).get_submodule("dropout").p == 0.37
    assert TASK.build_model(tiny, None).get_submodule("dropout").p == 0.1


def test_dropout_that_a_head_does_not_have_is_an_error(prepared: pa.Table, tmp_path: Path) -> None:
    folder = build(scratch(model_type="mpnet"), tmp_path / "base", tmp_path, prepared)
    with pytest.raises(InputError, match="mpnet"):
        TASK.build_model(folder, 0.3)
