"""Parts of a step: their bounds, and where they have the gradients of one padded batch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bertspec.catalog.bases.families import family as family_of
from bertspec.catalog.batch import Tokens
from bertspec.catalog.task import Task
from bertspec.catalog.tasks.multiple_choice import MultipleChoice
from bertspec.pipeline.params.train import Batch as BatchOptions
from bertspec.pipeline.params.train import Training
from bertspec.runtime.torch_setup import quiet
from bertspec.runtime.trained import pad_id_of
from bertspec.runtime.training.batches import ABOUT_EQUAL, Units, collate, in_parts, parts_of
from bertspec.runtime.training.checkpoints import Checkpoints
from bertspec.runtime.training.gradients import backward
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.objective import Objective
from bertspec.runtime.training.packing import IN_PARTS
from tests.model.models import TASK, build, scratch
from tests.model.test_families import FAMILIES as POSITIONS
from tests.projects import rows
from tests.tasks.tiny import DRAW, encoder_of, tokens_of

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
OWN_SIZES: dict[str, dict[str, Any]] = {
    "deberta": {"relative_attention": True, "pos_att_type": "p2c|c2p"},
    "deberta-v2": POSITIONS["deberta-v2"],
    "longformer": {"attention_window": 8},  # less than any text
    "luke": {"entity_vocab_size": 9, "entity_emb_size": 8},
    "modernbert": {"local_attention": 8},
    "roc_bert": {"pronunciation_vocab_size": 99, "shape_vocab_size": 99},
    "squeezebert": {"embedding_size": 32},
    "xmod": {"default_language": "en_XX"},
}
ALWAYS = ("bert", "mpnet", "deberta-v2", "modernbert")
TEXTS = [f"{text} {'and on of it ' * (i % 29)}" for i, (text, _) in enumerate(rows(30))]
TABLE = pa.table({"text": TEXTS, "label": [label for _, label in rows(30)]})


def unpacked(folder: Path, model_type: str, **config: Any) -> tuple[Any, Tokens, int]:
    """A model in which all matrices count, the tokens of texts of 3 to 120, and the padding."""
    known = family_of(model_type)
    assert known
    sizes = {key: size for key, size in SIZES.items() if key in known.keys} | config
    options = {"model_type": model_type, **sizes, "max_position_embeddings": 128}
    quiet()
    made = scratch().model_copy(update={"config": options})
    base = build(made, folder / "base", folder, TABLE)
    torch.manual_seed(0)
    model = TASK.build_model(base, None)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return model, tokens_of(TASK, TABLE, encoder_of(base, 120)), pad_id_of(base)


@pytest.mark.parametrize("family", [
    pytest.param(family, marks=() if family in ALWAYS else pytest.mark.thorough)
    for family in IN_PARTS
])  # fmt: skip
def test_parts_by_length_have_the_gradients_of_one_padded_batch(
    family: str, tmp_path: Path
) -> None:
    """Loss and gradients of the whole batch are those that transformers has; in 64 bits."""
    model, tokens, pad_id = unpacked(tmp_path, family, **OWN_SIZES.get(family, {}))
    every = np.arange(30)
    model.eval().double()  # without dropout
    whole = collate(TASK, tokens, every, pad_id, DRAW)
    logits = TASK.forward(model, whole.inputs)
    expected = torch.nn.functional.cross_entropy(logits, whole.targets)
    expected.backward()
    theirs = [p.grad for p in model.parameters()]
    model.zero_grad()
    parts = in_parts(
        TASK, tokens, Units(TASK, tokens), BatchOptions(), pad_id, DRAW, every,
        padded=True, by_length=True,
    )  # fmt: skip
    loss = backward(model, Objective(TASK), parts)
    sizes = [part.targets.shape[0] * part.inputs["input_ids"].shape[1] for part in parts]
    assert len(parts) > 1
    assert tokens.lengths.sum() <= sum(sizes) < whole.inputs["input_ids"].numel()
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-6)
    largest = max(float(g.abs().max()) for g in theirs if g is not None)
    for parameter, reference in zip(model.parameters(), theirs, strict=True):
        torch.testing.assert_close(parameter.grad, reference, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize(
    ("family", "accumulate", "parts"), [("convbert", 1, 1), ("convbert", 2, 2), ("mpnet", 1, 5)]
)
def test_only_where_padding_is_not_read_a_step_is_divided_unasked(
    family: str, accumulate: int, parts: int, tmp_path: Path
) -> None:
    """ConvBERT's layers read what is beside a text: in parts the step would have another loss."""
    model, tokens, pad_id = unpacked(tmp_path, family)
    whole = collate(TASK, tokens, np.arange(30), pad_id, DRAW)
    expected = float(model.train()(**whole.inputs, labels=whole.targets).loss.detach())
    sizes: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, inputs: sizes.append(len(inputs["input_ids"])), with_kwargs=True
    )
    batch = {"examples": 30, "accumulate": accumulate}
    options = Training.model_validate({"batch": batch, "max_steps": 1})
    none = tokens_of(TASK, TABLE.slice(0, 0), encoder_of(tmp_path / "base"))
    kept = Checkpoints(tmp_path / "kept", "key", 60)
    curves = train(model, TASK, options, tokens, none, None, pad_id, kept)
    assert (len(sizes), sum(sizes)) == (parts, 30)
    is_whole = curves.loss[0]["loss"] == pytest.approx(expected, rel=1e-5)
    assert is_whole == (family in IN_PARTS or parts == 1)


CHOOSE = MultipleChoice(type="multiple-choice")


def units_of(task: Task, examples: Sequence[Sequence[int]]) -> Units:
    """Of examples that have sequences of these lengths."""
    numbers = np.repeat(np.arange(len(examples)), [len(lengths) for lengths in examples])
    lengths = np.concatenate(examples).astype(np.int64)
    none, offsets = np.zeros(0, np.int32), np.append(0, np.cumsum(lengths))
    return Units(task, Tokens(numbers, none, none, offsets, pa.table({})))


@given(
    st.lists(st.lists(st.integers(1, 512), min_size=1, max_size=5), min_size=1, max_size=40),
    st.integers(1, 9),
    st.none() | st.integers(1, 2000),
    st.sampled_from([(False, False), (True, False), (True, True)]),
    st.sampled_from([TASK, CHOOSE]),
)
def test_parts_hold_each_example_once_and_keep_their_bounds(
    examples: list[list[int]],
    accumulate: int,
    tokens: int | None,
    kind: tuple[bool, bool],
    task: Task,
) -> None:
    padded, by_length = kind
    if not task.together:
        examples = [[length] for lengths in examples for length in lengths]
    step = np.arange(len(examples))[::-1]
    options = BatchOptions(accumulate=accumulate, tokens=tokens)
    parts = parts_of(step, units_of(task, examples), options, padded=padded, by_length=by_length)
    assert sorted(np.concatenate(parts).tolist()) == sorted(step.tolist())
    for part in parts:
        own = [length for unit in part for length in examples[unit]]
        assert len(part) <= -(-len(examples) // accumulate)
        if tokens is not None and len(part) > 1:
            assert (max(own) * len(own) if padded else sum(own)) <= tokens
        if by_length:
            longest = [max(examples[unit]) for unit in part]
            assert min(longest) >= ABOUT_EQUAL * max(longest)


@pytest.mark.parametrize("padded", [False, True], ids=["packed", "padded"])
def test_all_choices_of_an_example_count_as_its_tokens(padded: bool) -> None:
    units, step = units_of(CHOOSE, [[100] * 4] * 3), np.arange(3)
    for tokens, examples in ((400, [1, 1, 1]), (799, [1, 1, 1]), (800, [2, 1]), (1200, [3])):
        parts = parts_of(step, units, BatchOptions(tokens=tokens), padded=padded, by_length=padded)
        assert [len(part) for part in parts] == examples


@pytest.mark.parametrize(("padded", "expected"), [(False, [2, 1]), (True, [1, 1, 1])])
def test_padding_counts_where_there_is_some(padded: bool, expected: list[int]) -> None:
    units = units_of(CHOOSE, [[100, 10, 10], [100, 10, 10], [90, 10, 10]])
    parts = parts_of(np.arange(3), units, BatchOptions(tokens=300), padded=padded, by_length=padded)
    assert [len(part) for part in parts] == expected
