"""What predict takes as an input, and which sequences it runs at once."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bertspec
from bertspec.runtime.at_once import TOKENS_AT_ONCE, kind_of, runs
from tests.model.models import TASK
from tests.projects import Project


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "text"), ([], "list"), ((), "list"), (["a", ""], "list"), (("a",), "list"),
        (b"", "other"), (bytearray(), "other"), (memoryview(b""), "other"), (range(0), "other"),
        (b"a", "other"), ([7], "other"), (["a", None], "other"), ({}, "other"), (None, "other"),
    ],
)  # fmt: skip
def test_a_list_is_one_of_texts(value: object, kind: str) -> None:
    assert kind_of(value) == kind


numbers_of_tokens = st.lists(st.integers(0, 40) | st.integers(0, 700), max_size=200)


@given(lengths=numbers_of_tokens)
def test_sequences_of_about_equal_length_are_run_together(lengths: list[int]) -> None:
    """As many as 512 tokens allow, with their padding, and none without a token beside others."""
    found = [places.tolist() for places in runs(TASK, np.array(lengths, np.int64), alone=False)]
    order = [place for places in found for place in places]
    assert sorted(order) == list(range(len(lengths)))
    assert all(lengths[a] >= lengths[b] for a, b in itertools.pairwise(order))
    for places, following in itertools.zip_longest(found, found[1:]):
        longest, count = lengths[places[0]], len(places)
        assert count == 1 or count * longest <= TOKENS_AT_ONCE
        assert count <= TASK.rows_at_once
        assert (longest > 0) == (lengths[places[-1]] > 0)
        is_full = count == TASK.rows_at_once or (count + 1) * longest > TOKENS_AT_ONCE
        assert is_full or not following or lengths[following[0]] == 0 < longest


@given(lengths=numbers_of_tokens)
def test_those_of_some_exports_are_run_one_by_one(lengths: list[int]) -> None:
    found = [places.tolist() for places in runs(TASK, np.array(lengths, np.int64), alone=True)]
    assert sorted(found) == [[place] for place in range(len(lengths))]


class Spied:
    """A session that notes the shapes of what it is given."""

    def __init__(self, session: Any) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._session = session

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Any:
        self.shapes.append(inputs["input_ids"].shape)
        return self._session.run(names, inputs)


def test_the_session_is_given_such_batches(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    model = bertspec.load(built.root / "models/tiny/export")
    spied = Spied(model._session)
    monkeypatch.setattr(model, "_session", spied)
    texts = ["film " * (n * 7 % 25) for n in range(150)]
    assert len(list(model.predict(texts))) == len(texts)
    assert sum(rows for rows, _ in spied.shapes) == len(texts)
    widths = [width for _, width in spied.shapes]
    assert widths == sorted(widths, reverse=True)
    tokens = [rows * width for rows, width in spied.shapes]
    assert max(tokens) <= TOKENS_AT_ONCE
    assert min(tokens[:-1]) > TOKENS_AT_ONCE - max(widths)
