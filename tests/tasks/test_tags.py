"""Tags: entities and metrics are those of seqeval, and the best legal tags are those of a search
through all of them.
"""

import warnings
from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

from bertspec.catalog.metrics.tags import METRICS, measure_types, measurer
from bertspec.catalog.task_parts.tags import PREFIXES, Scheme, Tagging

LABELS = ("PER", "LOC", "creative-work")
SCHEMES: tuple[Scheme, ...] = ("IOB2", "IOBES", "IO")
STRICT = {"IOB2": IOB2, "IOBES": IOBES, "IO": IOB1}
"""IO is IOB1 without a `B-`."""

TEXTS = {
    scheme: st.lists(
        st.lists(st.sampled_from(Tagging(LABELS, scheme).names), max_size=9), min_size=1, max_size=7
    )
    for scheme in PREFIXES
}


def _numbers(tagging: Tagging, texts: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    flat = [tagging.names.index(tag) for tags in texts for tag in tags]
    return np.array(flat, np.int64), np.cumsum([0, *map(len, texts)])


def _named(tagging: Tagging, numbers: np.ndarray) -> list[str]:
    return [tagging.names[n] for n in numbers.tolist()]


@given(st.data(), st.sampled_from(list(PREFIXES)))
def test_entities_are_read_as_seqeval_reads_them(data: st.DataObject, scheme: Scheme) -> None:
    tagging, texts = Tagging(LABELS, scheme), data.draw(TEXTS[scheme])
    tags, offsets = _numbers(tagging, texts)
    found = tagging.read(tags, offsets)
    mine = list(zip(found.types.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True))
    expected = [
        (LABELS.index(label), int(offset) + start, int(offset) + last + 1)
        for offset, text in zip(offsets, texts, strict=False)
        for label, start, last in get_entities(text)
    ]
    assert mine == expected


@given(st.data(), st.sampled_from(SCHEMES))
def test_strict_entities_are_those_of_seqevals_strict_mode(
    data: st.DataObject, scheme: Scheme
) -> None:
    tagging, texts = Tagging(LABELS, scheme), data.draw(TEXTS[scheme])
    tags, offsets = _numbers(tagging, texts)
    found = tagging.read(tags, offsets)
    strict = tagging.are_strict(found, tags)
    mine = {
        (LABELS[kind], start, end)
        for kind, start, end in zip(
            found.types[strict].tolist(), found.starts[strict].tolist(),
            found.ends[strict].tolist(), strict=True,
        )
    }  # fmt: skip
    expected = {
        (entity.tag, int(offset) + entity.start, int(offset) + entity.end)
        for offset, text in zip(
            offsets, Entities(texts, STRICT[scheme]).entities, strict=False
        )
        for entity in text
    }  # fmt: skip
    assert mine == expected


@given(st.data(), st.sampled_from(["IOB2", "IOBES"]), st.sampled_from(list(PREFIXES)))
def test_entities_that_are_written_and_read_are_the_same(
    data: st.DataObject, scheme: Scheme, given_scheme: Scheme
) -> None:
    given_tagging, tagging = Tagging(LABELS, given_scheme), Tagging(LABELS, scheme)
    tags, offsets = _numbers(given_tagging, data.draw(TEXTS[given_scheme]))
    found = given_tagging.read(tags, offsets)
    written = tagging.write(found, len(tags))
    again = tagging.read(written, offsets)
    for name in ("starts", "ends", "types"):
        assert getattr(again, name).tolist() == getattr(found, name).tolist()
    assert tagging.are_strict(again, written).all()


@pytest.mark.parametrize(
    ("given_scheme", "scheme", "tags", "expected"),
    [
        ("IOB1", "IOB2", "I-PER I-PER B-PER O I-LOC", "B-PER I-PER B-PER O B-LOC"),
        ("IOB2", "IOBES", "B-PER I-PER I-PER B-PER O", "B-PER I-PER E-PER S-PER O"),
        ("IOBES", "IOB2", "S-PER B-LOC E-LOC", "B-PER B-LOC I-LOC"),
        ("IOB2", "IO", "B-PER B-PER I-PER O B-LOC", "I-PER I-PER I-PER O I-LOC"),
        ("IO", "IOB2", "I-PER I-PER I-LOC O I-LOC", "B-PER I-PER B-LOC O B-LOC"),
    ],
)
def test_schemes_are_converted(
    given_scheme: Scheme, scheme: Scheme, tags: str, expected: str
) -> None:
    given_tagging, tagging = Tagging(LABELS, given_scheme), Tagging(LABELS, scheme)
    numbers, offsets = _numbers(given_tagging, [tags.split()])
    found = tagging.write(given_tagging.read(numbers, offsets), len(numbers))
    assert _named(tagging, found) == expected.split()


def _table(gold: list[list[str]], predicted: list[list[str]]) -> pa.Table:
    kind = pa.list_(pa.string())
    return pa.table({"gold": pa.array(gold, kind), "prediction": pa.array(predicted, kind)})


def _reference(scheme: Scheme, gold: Any, predicted: Any) -> dict[str, float]:
    strict = {"mode": "strict", "scheme": STRICT[scheme], "zero_division": 0}
    plain = {"zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no entity at all
        found = {
            "precision": seqeval.precision_score(gold, predicted, **plain),
            "recall": seqeval.recall_score(gold, predicted, **plain),
            "f1": seqeval.f1_score(gold, predicted, **plain),
            "precision_strict": seqeval.precision_score(gold, predicted, **strict),
            "recall_strict": seqeval.recall_score(gold, predicted, **strict),
            "f1_strict": seqeval.f1_score(gold, predicted, **strict),
        }
        has_entities = any(get_entities(gold) + get_entities(predicted))
        # Of no type at all seqeval's mean is NaN.
        macro = seqeval.f1_score(gold, predicted, average="macro", **plain) if has_entities else 0
        found["f1_macro"] = macro
        if any(gold):
            found["accuracy"] = seqeval.accuracy_score(gold, predicted)
    return found


@settings(deadline=None)
@given(st.data(), st.sampled_from(SCHEMES))
def test_metrics_are_those_of_seqeval(data: st.DataObject, scheme: Scheme) -> None:
    tagging, gold = Tagging(LABELS, scheme), data.draw(TEXTS[scheme])
    tag = st.sampled_from(tagging.names)
    # Often right, so that the entities of both sides are often the same.
    predicted = [[data.draw(st.just(g) | st.just(g) | tag) for g in tags] for tags in gold]
    measure = measurer(METRICS, tagging, _table(gold, predicted))
    rows = np.array(data.draw(st.lists(st.integers(0, len(gold) - 1), min_size=1, max_size=9)))
    for places in (range(len(gold)), rows.tolist()):
        sides = [[side[i] for i in places] for side in (gold, predicted)]
        expected = _reference(scheme, *sides)
        assert dict(measure(np.bincount(places, minlength=len(gold)))) == pytest.approx(expected)


@settings(deadline=None)
@given(st.data(), st.sampled_from(SCHEMES))
def test_metrics_of_each_type_are_those_of_seqeval(data: st.DataObject, scheme: Scheme) -> None:
    tagging, gold = Tagging(LABELS, scheme), data.draw(TEXTS[scheme])
    tag = st.sampled_from(tagging.names)
    predicted = [[data.draw(st.just(g) | tag) for g in tags] for tags in gold]
    found = measure_types(tagging, _table(gold, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = seqeval.classification_report(
            gold, predicted, output_dict=True, zero_division=0, suffix=False
        )
    for label in LABELS:
        mine, theirs = found[label], report.get(label, {"support": 0, "f1-score": 0.0})
        assert mine["rows"] == theirs["support"]
        assert mine["f1"] == pytest.approx(theirs["f1-score"])


def test_metrics_where_there_is_nothing() -> None:
    tagging = Tagging(LABELS, "IOB2")
    no_words = measurer(METRICS, tagging, _table([[], []], [[], []]))(np.ones(2, int))
    assert dict(no_words) == dict.fromkeys((m for m in METRICS if m != "accuracy"), 0.0)


def _is_legal(scheme: Scheme, tags: Sequence[str]) -> bool:
    """A scheme's tags are legal if a run through them, tag by tag, never goes wrong."""
    inside = ""
    for tag in tags:
        letter, _, label = tag.partition("-")
        if scheme == "IOBES":
            if (letter in "IE") != (inside == label != "") or (inside and letter in "OBS"):
                return False
            inside = label if letter in "BI" else ""
        elif scheme == "IOB2":
            if letter == "I" and inside != label:
                return False
            inside = label
    return not inside or scheme != "IOBES"


SCORES = st.lists(
    st.lists(st.lists(st.floats(-9, 0), min_size=9, max_size=9), max_size=4),
    min_size=1, max_size=4,
)  # fmt: skip


def _stacked(texts: list[list[list[float]]], tags: int) -> tuple[np.ndarray, np.ndarray]:
    rows = [word[:tags] for text in texts for word in text]
    return np.array(rows).reshape(-1, tags), np.cumsum([0, *map(len, texts)])


@settings(deadline=None, max_examples=60)
@given(SCORES, st.sampled_from(SCHEMES))
def test_the_best_legal_tags_are_the_best_of_all_legal_ones(
    texts: list[list[list[float]]], scheme: Scheme
) -> None:
    tagging = Tagging(("A", "B"), scheme)
    size = len(tagging.names)
    scores, offsets = _stacked(texts, size)
    found = tagging.best(scores, offsets)
    for start, end in pairwise(offsets):
        mine, rows = found[start:end], scores[start:end]
        assert _is_legal(scheme, _named(tagging, mine))
        totals = [
            sum(rows[i, tag] for i, tag in enumerate(tags))
            for tags in product(range(size), repeat=len(rows))
            if _is_legal(scheme, [tagging.names[tag] for tag in tags])
        ]
        assert sum(rows[i, tag] for i, tag in enumerate(mine)) == pytest.approx(max(totals))


@settings(deadline=None)
@given(SCORES, st.sampled_from(SCHEMES))
def test_repaired_tags_are_legal_and_have_the_entities_of_the_likeliest(
    texts: list[list[list[float]]], scheme: Scheme
) -> None:
    tagging = Tagging(("A", "B"), scheme)
    scores, offsets = _stacked(texts, len(tagging.names))
    repaired = tagging.repaired(scores, offsets)
    for start, end in pairwise(offsets):
        mine = _named(tagging, repaired[start:end])
        assert _is_legal(scheme, mine)
        assert get_entities(mine) == get_entities(_named(tagging, scores[start:end].argmax(axis=1)))


@pytest.mark.parametrize(
    ("likeliest", "repaired"),
    [
        ("O I-A I-A", "O B-A I-A"),
        ("B-A I-B I-B", "B-A B-B I-B"),
        ("I-A B-A I-A", "B-A B-A I-A"),
        ("B-A I-A O", "B-A I-A O"),
    ],
)
def test_illegal_tags_are_repaired_as_conlleval_reads_them(likeliest: str, repaired: str) -> None:
    tagging = Tagging(("A", "B"), "IOB2")
    numbers, offsets = _numbers(tagging, [likeliest.split()])
    scores = np.log(np.eye(len(tagging.names))[numbers] * 0.9 + 0.01)
    assert _named(tagging, tagging.repaired(scores, offsets)) == repaired.split()


def test_an_illegal_tag_gives_way_to_what_is_likeliest_together() -> None:
    tagging = Tagging(("A", "B"), "IOB2")
    at = tagging.names.index
    shares = np.full((2, len(tagging.names)), 0.01)
    shares[0, at("O")], shares[0, at("B-A")] = 0.5, 0.47
    shares[1, at("I-A")], shares[1, at("O")] = 0.9, 0.07
    # O I-A is illegal; B-A I-A has 0.42, and O O 0.04.
    found = tagging.best(np.log(shares), np.array([0, 2]))
    assert _named(tagging, found) == ["B-A", "I-A"]
