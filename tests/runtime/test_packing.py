"""Batches without padding: the losses and gradients of padded batches."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoConfig,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from bertspec.runtime.training import first_tokens
from bertspec.runtime.training.batches import training_order
from bertspec.runtime.training.dropout import FastDropout, dropped, fast_dropout
from bertspec.runtime.training.gradients import recompute_activations
from bertspec.runtime.training.layers import layer_lists
from bertspec.runtime.training.packing import FAMILIES, packing

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 64, "vocab_size": 99, **NO_DROPOUT,
}  # fmt: skip
OWN_SIZES = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 99,
                   "dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0},
    "albert": SIZES | {"embedding_size": 16, "classifier_dropout_prob": 0.0},
    "electra": SIZES | {"embedding_size": 16},
}  # fmt: skip


def tiny_model(family: str, auto: Any = AutoModelForSequenceClassification, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **OWN_SIZES.get(family, SIZES) | changes)
    return auto.from_config(config).train()


def inputs_of(lengths: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.full((len(lengths), max(lengths)), 1)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, 99, (length,))
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def gradients(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[Any, list[Any]]:
    model.zero_grad()
    logits = model(**inputs).logits
    (logits.exp().sum() / len(logits)).backward()
    return logits, [None if p.grad is None else p.grad.clone() for p in model.parameters()]


def attention_dropout(family: str, share: float) -> dict[str, float]:
    return {
        "attention_dropout" if family == "distilbert" else "attention_probs_dropout_prob": share
    }


NEXT_TO_NONE = 1e-6
"""A share of dropout that is rounded to none, and for which attention is written out."""


@pytest.mark.parametrize("lengths", [[3, 9, 2, 21, 20, 9], [7, 7, 7], [1, 4, 1], [1, 1]], ids=str)
@pytest.mark.parametrize("dropout", [0.0, NEXT_TO_NONE])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_gradients_are_those_of_transformers_on_padded_rows(
    family: str, dropout: float, lengths: list[int]
) -> None:
    model, inputs = tiny_model(family, **attention_dropout(family, dropout)), inputs_of(lengths)
    expected, theirs = gradients(model, inputs)
    seen, given = [], []
    layers = layer_lists(model)[0]
    layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:2].numel()))
    layers[-1].register_forward_hook(lambda *args: given.append(args[-1].shape[:2].numel()))
    with packing(model) as packed:
        found, mine = gradients(model, inputs)
    assert packed
    assert set(seen) == {sum(lengths)}, "no padding"
    firsts = len(lengths) if family in first_tokens.FAMILIES else sum(lengths)
    assert set(given) == {firsts}, "the head reads no other tokens"
    torch.testing.assert_close(found, expected)
    for gradient, reference in zip(mine, theirs, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-4, atol=1e-5)
    again, _ = gradients(model, inputs)
    assert torch.equal(again, expected), "afterwards the model is as before"


@pytest.mark.parametrize("dropout", [0.0, NEXT_TO_NONE])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_in_bf16_are_as_near_as_those_of_padded_rows(family: str, dropout: float) -> None:
    """To those in 32 bits; and rows have sizes that come again, as products are compiled for each.

    What queries, keys and values are computed from is rounded once.
    """
    model, inputs = (
        tiny_model(family, **attention_dropout(family, dropout)),
        inputs_of([3, 9, 2, 21, 20, 9, 33]),
    )
    _, exact = gradients(model, inputs)
    seen, read = [], []
    layer_lists(model)[0][0].register_forward_pre_hook(
        lambda _, args: seen.append(args[0].shape[:2].numel())
    )
    names = (".query", ".key", ".value", ".q_lin", ".k_lin", ".v_lin")
    projections = [m for n, m in model.named_modules() if n.endswith(names)]
    with torch.autocast("cpu", torch.bfloat16):
        _, theirs = gradients(model, inputs)
        seen.clear()
        with packing(model):
            for module in projections:
                module.register_forward_pre_hook(lambda _, args: read.append(args[0]))
            _, mine = gradients(model, inputs)
    assert set(seen) == {128}
    if family != "albert":  # it adds what attention reads to what it gives
        first, last = read[:3], read[3:]
        assert {tensor.dtype for tensor in first} == {torch.bfloat16}
        assert len({tensor.data_ptr() for tensor in first}) == 1
        assert [tensor.dtype for tensor in last[1:]] == [torch.bfloat16] * 2
        assert last[1] is last[2]

    def far(found: list[Any]) -> list[float]:
        both = [(f, e) for f, e in zip(found, exact, strict=True) if e is not None]
        return [float((f - e).norm() / e.norm()) for f, e in both if e.norm() > 1e-6]

    assert 0 < sum(far(mine)) < 1.1 * sum(far(theirs))
    assert max(far(mine)) < 1.5 * max(far(theirs))


@pytest.mark.parametrize(
    ("auto", "changes"),
    [
        (AutoModelForMultipleChoice, {}),
        (AutoModelForMultipleChoice, {"summary_type": "mean"}),
        (AutoModelForTokenClassification, {}),
    ],
    ids=["choices", "choices by a mean", "tokens"],
)
def test_a_head_of_all_tokens_has_them(auto: Any, changes: dict[str, Any]) -> None:
    lengths = [3, 9, 2]
    model, inputs = (
        tiny_model("electra", auto, summary_last_dropout=0.0, **changes),
        inputs_of(lengths),
    )
    given: list[int] = []
    layers = layer_lists(model)[0]
    layers[-1].register_forward_hook(lambda *args: given.append(args[-1].shape[:2].numel()))
    if auto is AutoModelForMultipleChoice:
        inputs = {name: part.unsqueeze(1) for name, part in inputs.items()}
    expected = model(**inputs).logits
    given.clear()
    with packing(model):
        found = model(**inputs).logits
    reads_all = auto is AutoModelForTokenClassification or bool(changes)
    assert given == [sum(lengths) if reads_all else len(lengths)]
    if (
        "summary_type" not in changes
    ):  # a mean counts what stands at padding, as transformers has it
        real = inputs["attention_mask"].bool()
        found, expected = (o[real] if o.dim() > 2 else o for o in (found, expected))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("lengths", [[0, 3, 5], [3, 0, 2], [3, 2, 0]], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_of_no_token_has_no_part_in_the_others(family: str, lengths: list[int]) -> None:
    model, inputs = tiny_model(family).eval(), inputs_of(lengths)
    real = torch.tensor(lengths) > 0
    with packing(model):
        found = model(**inputs).logits
        found.sum().backward()
        others = model(**{name: part[real] for name, part in inputs.items()}).logits
    torch.testing.assert_close(found[real], others)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_family_that_cannot_be_packed_runs_as_it_did() -> None:
    model = tiny_model("mpnet")
    with packing(model) as packed:
        assert not packed
        assert model(**inputs_of([4, 9])).logits.shape == (2, 2)


def test_with_dropout_recomputed_activations_are_the_same_to_the_bit() -> None:
    inputs, found = inputs_of([3, 9, 2, 21]), []
    for recomputed in (False, True):
        model = tiny_model("bert", hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3)
        if recomputed:
            recompute_activations(model)
        with fast_dropout(model), packing(model):
            torch.manual_seed(3)
            found.append(gradients(model, inputs)[1])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@given(st.floats(0.0, 1.0), st.integers(0, 2**32), st.integers(0, 70))
def test_dropout_keeps_a_share_and_the_mean(p: float, seed: int, size: int) -> None:
    torch.manual_seed(seed)
    ones = torch.ones(size, 100)
    found = dropped(ones, p)
    values = found.unique().tolist()
    assert len(values) <= 2
    assert all(v == 0 or v == pytest.approx(1 / (1 - p), rel=1e-4 / (1 - p)) for v in values)
    count = size * 100
    allowed = 5 * (p * (1 - p) * count) ** 0.5 + count / 65536 + 1
    assert abs(int((found == 0).sum()) - p * count) <= allowed
    torch.manual_seed(seed)
    assert torch.equal(dropped(ones, p), found)


def test_neighbours_are_dropped_independently() -> None:
    """Four draws come of one 64-bit word, in two dimensions as in one."""
    torch.manual_seed(0)
    kept = (dropped(torch.ones(400, 1000), 0.5) > 0).float()
    for other in (kept.roll(1, 0), *(kept.roll(n, 1) for n in (1, 2, 3, 4, 1000 // 2))):
        assert float(((kept - 0.5) * (other - 0.5)).mean()) == pytest.approx(0, abs=0.002)


def test_only_training_drops_and_the_model_gets_its_modules_back() -> None:
    module = torch.nn.Sequential(torch.nn.Dropout(0.5))
    with fast_dropout(module):
        assert isinstance(module[0], FastDropout)
        assert module.eval()(torch.ones(9)).tolist() == [1] * 9
        assert 0 in module.train()(torch.ones(99)).tolist()
    assert type(module[0]) is torch.nn.Dropout


@given(st.integers(1, 90), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_an_epoch_has_each_row_once_in_another_order(units: int, seed: int, size: int) -> None:
    steps = training_order(units, seed, 0, size)
    assert sorted(np.concatenate(steps).tolist()) == list(range(units))
    assert {len(step) for step in steps[:-1]} <= {size}
    if units > 20:
        other = np.concatenate(training_order(units, seed, 1, size))
        assert not np.array_equal(np.concatenate(steps), other)
