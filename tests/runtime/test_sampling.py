"""Which rows an epoch sees: how many of each label, drawn how, and the same ones each time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertspec.pipeline.params.train import Training
from bertspec.runtime.training.batches import training_order
from bertspec.runtime.training.sampling import epoch_size, sample

_TARGETS = st.lists(st.integers(0, 3), min_size=1, max_size=60).map(np.array)
_SEED = st.integers(0, 2**32 - 1)


def _sampling(**options: Any) -> Any:
    return Training.model_validate({"sampling": options}).sampling


ALL, BALANCED = _sampling(type="all"), _sampling(type="balanced")


@given(_TARGETS, _SEED, st.integers(0, 5))
def test_balanced_labels_are_equally_often_and_rows_as_evenly_as_can_be(
    targets: np.ndarray, seed: int, epoch: int
) -> None:
    rows = sample(BALANCED, targets, seed, epoch)
    assert rows is not None
    assert len(rows) == len(targets) == epoch_size(BALANCED, targets, targets)
    labels = np.unique(targets)
    counts = [int((targets[rows] == label).sum()) for label in labels]
    assert max(counts) - min(counts) <= 1
    times = np.bincount(rows, minlength=len(targets))
    for label in labels:
        mine = times[targets == label]
        assert mine.max() - mine.min() <= 1, "no row is left out while another is there twice"


@given(_TARGETS, _SEED, st.integers(1, 20))
def test_a_cap_takes_rows_of_each_label_once(
    targets: np.ndarray, seed: int, per_label: int
) -> None:
    cap = _sampling(type="cap", per_label=per_label)
    rows = sample(cap, targets, seed, 0)
    assert rows is not None
    assert len(set(rows.tolist())) == len(rows) == epoch_size(cap, targets, targets)
    for label in np.unique(targets):
        there = int((targets == label).sum())
        assert int((targets[rows] == label).sum()) == min(there, per_label)


@pytest.mark.parametrize("sampling", [BALANCED, _sampling(type="cap", per_label=20)])
def test_rows_are_a_function_of_seed_epoch_and_targets(sampling: Any) -> None:
    targets = np.array([0] * 90 + [1] * 10)
    first = sample(sampling, targets, 13, 0)
    assert first is not None
    again = sample(sampling, targets, 13, 0)
    assert again is not None
    assert np.array_equal(first, again)
    for seed, epoch in ((13, 1), (14, 0)):
        other = sample(sampling, targets, seed, epoch)
        assert other is not None
        assert len(other) == len(first)
        assert not np.array_equal(np.sort(other), np.sort(first)), "they are drawn anew"


@given(st.lists(st.integers(1, 30), min_size=1, max_size=90).map(np.array), _SEED)
def test_every_row_once_is_the_order_of_before(lengths: np.ndarray, seed: int) -> None:
    rows = sample(ALL, lengths % 2, seed, 0)
    assert rows is None
    assert epoch_size(ALL, lengths, lengths % 2) == len(lengths)
    assert epoch_size(ALL, lengths, None) == len(lengths), "a task without labels"
    plain = training_order(len(lengths), seed, 0, 4)
    drawn = training_order(len(lengths), seed, 0, 4, np.arange(len(lengths)))
    assert [batch.tolist() for batch in plain] == [batch.tolist() for batch in drawn]
    assert sorted(np.concatenate(plain).tolist()) == list(range(len(lengths)))


def test_the_order_of_before_is_the_one_that_it_was() -> None:
    # A change here changes every model that there is.
    order = training_order(10, 13, 2, 4)
    assert [batch.tolist() for batch in order] == [[0, 7, 9, 1], [6, 5, 4, 2], [8, 3]]


def test_batches_hold_the_drawn_rows_in_steps_that_can_be_counted() -> None:
    targets = np.array([0] * 50 + [1] * 7)
    cap = _sampling(type="cap", per_label=10)
    rows = sample(cap, targets, 1, 0)
    assert rows is not None
    batches = training_order(57, 1, 0, 4, rows)
    assert sorted(np.concatenate(batches).tolist()) == sorted(rows.tolist())
    assert len(batches) == -(-epoch_size(cap, targets, targets) // 4) == 5


def test_no_rows_are_none() -> None:
    none = np.zeros(0, np.int64)
    for sampling in (BALANCED, _sampling(type="cap", per_label=3)):
        assert epoch_size(sampling, none, none) == 0


def test_params_have_it_only_when_it_is_chosen() -> None:
    assert "sampling" not in Training().model_dump()
    assert "sampling" not in Training(sampling=ALL).model_dump()
    chosen = Training(sampling=BALANCED).model_dump(mode="json")
    assert chosen["sampling"] == {"type": "balanced"}
    assert Training.model_validate(chosen) == Training(sampling=BALANCED)
