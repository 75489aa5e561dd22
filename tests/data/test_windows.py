"""Long texts: windows are those of the tokenizers library, and each token is one window's own."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.encoding.parts import head_and_tail, windows
from bertspec.catalog.encoding.ragged import Ragged
from bertspec.catalog.long_documents import HeadTail, Truncate, Windows
from bertspec.core.errors import InputError
from tests.tasks.sequences import WORDS, tokenizer

TOKENIZER = tokenizer()
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join), min_size=1, max_size=6
)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=20), st.integers(1, 60), st.data())
def test_every_token_is_one_windows_own_and_has_most_context_there(
    lengths: list[int], room: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(0, room - 1))
    parts = windows(np.array(lengths), np.full(len(lengths), room), stride)
    spans = list(zip(parts.starts.tolist(), parts.ends.tolist(), strict=True))
    owned = list(zip(parts.own_starts.tolist(), parts.own_ends.tolist(), strict=True))
    for text, length in enumerate(lengths):
        mine = np.flatnonzero(parts.texts == text).tolist()
        assert [t for i in mine for t in range(*owned[i])] == list(range(length))
        for i in mine:
            assert spans[i][1] - spans[i][0] <= room
            for token in range(*owned[i]):
                context = _context(token, spans[i], length)
                assert context == max(
                    _context(token, spans[j], length)
                    for j in mine
                    if spans[j][0] <= token < spans[j][1]
                )


def _context(token: int, window: tuple[int, int], length: int) -> float:
    """Tokens to the nearer border; the text's own ends are none."""
    before = np.inf if window[0] == 0 else token - window[0]
    behind = np.inf if window[1] == length else window[1] - 1 - token
    return float(min(before, behind))


@settings(deadline=None)
@given(TEXTS, st.integers(13, 40), st.integers(0, 5))
def test_windows_of_texts_are_those_of_the_tokenizers_library(
    texts: list[str], longest: int, stride: int
) -> None:
    found = Encoder(TOKENIZER, longest, Windows(type="windows", stride=stride)).encode(
        pa.array(texts)
    )
    theirs = tokenizer()
    theirs.enable_truncation(longest, stride=stride)
    whole = [theirs.encode(text) for text in texts]
    expected = [(i, e) for i, first in enumerate(whole) for e in (first, *first.overflowing)]
    assert found.parts.texts.tolist() == [i for i, _ in expected]
    assert found.input_ids.to_pylist() == [e.ids for _, e in expected]
    assert found.token_type_ids.to_pylist() == [e.type_ids for _, e in expected]


@settings(deadline=None)
@given(TEXTS, st.integers(13, 40), st.integers(0, 4), st.lists(st.sampled_from(WORDS), max_size=4))
def test_windows_of_pairs_go_over_the_second_text(
    texts: list[str], longest: int, stride: int, question: list[str]
) -> None:
    policy = Windows(type="windows", stride=stride)
    asked = pa.array([" ".join(question)] * len(texts))
    found = Encoder(TOKENIZER, longest, policy).encode(asked, pa.array(texts))
    theirs = tokenizer()
    theirs.enable_truncation(longest, stride=stride, strategy="only_second")
    whole = [theirs.encode(" ".join(question), text) for text in texts]
    expected = [e for first in whole for e in (first, *first.overflowing)]
    kept = min(len(question), longest - 3 - 2 * stride - 1)
    if kept == len(question):
        assert found.input_ids.to_pylist() == [e.ids for e in expected]
        assert found.token_type_ids.to_pylist() == [e.type_ids for e in expected]
    for ids in found.input_ids.to_pylist():
        assert len(ids) <= longest
        assert ids[1 : 1 + kept] == [TOKENIZER.token_to_id(word) for word in question[:kept]]


@settings(deadline=None)
@given(TEXTS, st.integers(16, 40), st.integers(0, 5), st.booleans())
def test_windows_are_where_they_say_and_joined_are_the_text(
    texts: list[str], longest: int, stride: int, paired: bool
) -> None:
    encoder = Encoder(TOKENIZER, longest, Windows(type="windows", stride=stride))
    pairs = [pa.array(["w1 w2"] * len(texts))] if paired else []
    found = encoder.encode(*[*pairs, pa.array(texts)])
    joined: list[list[int]] = [[] for _ in texts]
    parts = found.parts
    for i, ids in enumerate(found.input_ids.to_pylist()):
        place = int(found.places[i])
        inside = ids[place : place + int(parts.lengths[i])]
        skipped = int(parts.own_starts[i] - parts.starts[i])
        joined[parts.texts[i]] += inside[skipped:][: int(parts.own_ends[i] - parts.own_starts[i])]
    assert joined == [TOKENIZER.encode(text, add_special_tokens=False).ids for text in texts]
    assert found.lost.tolist() == [0] * len(found.lost)
    first = found.parts.starts == 0
    counts = [len(t.split()) + (5 if paired else 2) for t in texts]
    assert found.lengths[first].tolist() == counts
    assert not found.lengths[~first].any()


@settings(deadline=None)
@given(TEXTS, st.integers(8, 40), st.floats(0.05, 0.95))
def test_head_and_tail_are_the_ends_of_a_text(texts: list[str], longest: int, head: float) -> None:
    policy = HeadTail(type="head-tail", head=head)
    found = Encoder(TOKENIZER, longest, policy).encode(pa.array(texts))
    room = longest - 2
    for text, ids, lost in zip(texts, found.input_ids.to_pylist(), found.lost, strict=True):
        whole = TOKENIZER.encode(text, add_special_tokens=False).ids
        heads = int(np.ceil(min(len(whole), room) * head))
        tail = min(len(whole), room) - heads
        assert ids[1:-1] == whole[:heads] + whole[len(whole) - tail :]
        assert lost == max(len(whole) - room, 0)


def test_head_and_tail_of_a_text_that_fits_is_the_text() -> None:
    text = Ragged.of([[1, 2, 3], []])
    assert head_and_tail(text, np.array([3, 0]), 0.25).row(0).tolist() == [1, 2, 3]


@pytest.mark.parametrize("policy", [Truncate(), Windows(type="windows", stride=3)])
def test_a_texts_sequences_do_not_depend_on_its_neighbours(policy: Truncate | Windows) -> None:
    """So those of training, where a shard is encoded at once, are those of prediction."""
    texts = [" ".join(WORDS[i : i + n]) for i, n in enumerate([0, 1, 9, 40, 59, 12])]
    encoder = Encoder(TOKENIZER, 16, policy)
    together = encoder.encode(pa.array(texts))
    alone = [encoder.encode(pa.array([text])) for text in texts]
    assert together.input_ids.to_pylist() == [i for e in alone for i in e.input_ids.to_pylist()]
    places = [e.parts.own_ends.tolist() for e in alone]
    assert together.parts.own_ends.tolist() == [p for own in places for p in own]


def test_windows_that_leave_no_room_are_an_error() -> None:
    encoder = Encoder(TOKENIZER, 16, Windows(type="windows", stride=7))
    with pytest.raises(InputError) as caught:
        encoder.encode(pa.array(["w1"]))
    assert caught.value.diagnostics[0].code == "E312"
    assert "long_documents.stride" in caught.value.diagnostics[0].help
