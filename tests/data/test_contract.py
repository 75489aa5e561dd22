"""The data contract: a planted fault is found with its rows, and clean rows give nothing."""

import csv
import json
import random
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bertspec.catalog.contract import RULES
from bertspec.catalog.contract.answers_at_offset import nearest
from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.contract.near_duplicates_across_splits import NearDuplicatesAcrossSplits
from bertspec.catalog.contract.normalisation import normalise
from bertspec.catalog.contract.similarity import bands, recall
from bertspec.catalog.rule import Level, Rule
from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.diagnostics import Severity
from bertspec.core.explanations import explanation, known_codes
from bertspec.core.packages import public_version
from bertspec.pipeline.params.contract import Contract, ContractParams
from bertspec.runtime.contract import cheap_findings, check
from bertspec.runtime.contract_report import as_markdown, as_table, as_text
from bertspec.runtime.splitting import split_of
from tests.conftest import REPOSITORY
from tests.stages import run_runner, write_shards

Columns = Mapping[str, list[Any]]
Place = tuple[str, int]
"""Split and row."""

WORDS = (REPOSITORY / "data/movie-reviews/README.md").read_text(encoding="utf-8").split()


def made(**splits: Columns) -> PreparedData:
    """Prepared tables: rows count from 1 in a file of the split's name."""
    tables: dict[SplitName, pa.Table] = {}
    for name in SPLITS:
        if name in splits:
            columns = dict(splits[name])
            size = len(next(iter(columns.values())))
            provenance = {"file": [f"{name}.csv"] * size, "row": list(range(1, size + 1))}
            tables[name] = pa.table(columns | provenance)
    return PreparedData(tables)


def labelled(texts: list[str], labels: str = "") -> Columns:
    """Texts with a label of one letter each."""
    return {"text": texts, "label": list(labels) or ["ab"[i % 2] for i in range(len(texts))]}


def sentences(count: int, start: int = 0) -> list[str]:
    """Texts of which no two are alike."""
    draw = random.Random(start)  # noqa: S311
    return [f"{start + i} {' '.join(draw.sample(WORDS, 12))}" for i in range(count)]


def rule(name: str, **options: Any) -> Rule:
    return RULES[name].model_validate(options)


def broken(name: str, data: PreparedData, **options: Any) -> set[Place]:
    """Places of all rows in all findings of a rule."""
    found = list(rule(name, **options).check(data))
    return {(r["split"], r["row"]) for f in found for r in f.rows.to_pylist()}


CLEAN_TEXT = made(
    train=labelled(sentences(20)), validation=labelled(sentences(6, 100)),
    test=labelled(sentences(8, 200)),
)  # fmt: skip

CLEAN_ENTITIES = made(
    train={
        "tokens": [["John", "lives", "in", "New", "York"], ["Anna", "Bob"]],
        "tags": [["B-per", "O", "O", "B-loc", "I-loc"], ["B-per", "B-per"]],
        "text": ["John lives in New York", "Anna Bob"],
        "spans": [
            [{"start": 0, "end": 4, "label": "per"}, {"start": 14, "end": 22, "label": "loc"}],
            [],
        ],
    },
    test={
        "tokens": [["Über", "alles"]],
        "tags": [["O", "O"]],
        "text": ["Über alles"],
        "spans": [[{"start": 5, "end": 10, "label": "x"}]],
    },
)


def _answers(*found: tuple[str, int]) -> dict[str, list[Any]]:
    return {"text": [text for text, _ in found], "answer_start": [start for _, start in found]}


CLEAN_ANSWERS = made(
    train={
        "question": ["Who?", "When?", "Why?"],
        "context": ["😀 Rollo led them in 911.", "😀 Rollo led them in 911.", "No reason."],
        # An emoji is one character here, two units of UTF-16 and four bytes.
        "answers": [_answers(("Rollo", 2)), _answers(("911", 20), ("in 911", 17)), _answers()],
    },
    test={"question": ["What?"], "context": ["A film"], "answers": [_answers(("film", 2))]},
)

_BASE = "the quick brown fox jumps over the lazy dog and runs far away into the dark wood at night"
_TRAIN, _TEST = sentences(6), sentences(4, 50)

PLANTED: dict[str, tuple[PreparedData, set[Place]]] = {
    "duplicates_across_splits": (
        made(
            train=labelled([*_TRAIN, "A Film, at last!", "once more"]),
            validation=labelled(["of its own", "once  MORE…"]),
            test=labelled([*_TEST, "a film at last", "\uff2fnce more"]),
        ),
        {("train", 7), ("test", 5), ("train", 8), ("validation", 2), ("test", 6)},
    ),
    "near_duplicates_across_splits": (
        made(
            train=labelled([*_TRAIN, _BASE]),
            test=labelled([*_TEST, _BASE.replace("night", "eight"), "the quick brown fox sleeps"]),
        ),
        {("train", 7), ("test", 5)},
    ),
    "contradicting_labels": (
        made(
            train=labelled(["so so", "fine", "So, so.", "fine"], "abba"),
            test=labelled(["fine", "bad"], "ba"),
        ),
        {("train", 1), ("train", 3), ("train", 2), ("train", 4), ("test", 1)},
    ),
    "duplicates_within_split": (
        made(
            train=labelled(["one", "two", "One!", "one "]),
            test=labelled(["two", "three", "Two", "four"]),
        ),
        {("train", 3), ("train", 4), ("test", 3)},
    ),
    "label_support": (
        made(
            train=labelled(sentences(4), "aabb"),
            validation=labelled(sentences(2, 10), "aa"),
            test=labelled(sentences(3, 20), "abc"),
        ),
        {("test", 3)},
    ),
    "label_drift": (
        made(
            train=labelled(sentences(20), "ab" * 10),
            validation=labelled(sentences(10, 20), "aaaaaabbbb"),
            test=labelled(sentences(20, 40), "a" * 19 + "b"),
        ),
        set(),
    ),
    "empty_text": (
        made(
            train=labelled(["", "x", " \t\u00a0\u200b"]),
            test=labelled(["...", "y", "\u3000"]),
        ),
        {("train", 1), ("train", 3), ("test", 3)},
    ),
    "long_text": (
        made(train=labelled(["é" * 20_000, "é" * 20_001]), test=labelled(["x", "y"])),
        {("train", 2)},
    ),
    "entity_spans": (
        made(
            train={
                "tokens": [["a", "b"], ["a", "b"], ["a", ""], ["a", "b"], ["a", "b"], ["a"]],
                "tags": [["O"], ["O", "I-x"], ["O", "O"], ["B-y", "I-x"], ["B-x", "I-x"], ["Q"]],
                "text": ["a b"] * 6,
                "spans": [[{"start": 0, "end": 1, "label": "x"}]] * 6,
            },
            test={
                "tokens": [["a", "b"]] * 6,
                "tags": [["I-x", "O"], *[["B-x", "I-x"]] * 5],
                "text": ["a b"] * 6,
                "spans": [
                    [],
                    [{"start": 0, "end": 4, "label": "x"}],
                    [{"start": 1, "end": 3, "label": "x"}],
                    [{"start": 2, "end": 2, "label": "x"}],
                    [{"start": -1, "end": 1, "label": "x"}],
                    [{"start": 0, "end": 3, "label": "x"}],
                ],
            },
        ),
        {
            *(("train", row) for row in (1, 2, 3, 4, 6)),
            *(("test", row) for row in (1, 2, 3, 4, 5)),
        },
    ),
    "answers_at_offset": (
        made(
            train={
                "question": ["a", "b", "c"],
                "context": ["😀 Rollo, then Rollo", "some text", "some text"],
                "answers": [_answers(("Rollo", 3)), _answers(("none", 0)), _answers(("text", 5))],
            },
            test={
                "question": ["d", "e"],
                "context": ["some text", "some text"],
                "answers": [{"text": ["some"], "answer_start": []}, _answers(("text", -4))],
            },
        ),
        {("train", 1), ("train", 2), ("test", 1), ("test", 2)},
    ),
}
"""For each rule, data with a fault, and all rows that break it."""

CLEAN = {"entity_spans": CLEAN_ENTITIES, "answers_at_offset": CLEAN_ANSWERS}


# Over the table of rules.


def test_every_rule_is_tried_here_and_is_a_field_of_the_contract() -> None:
    assert list(PLANTED) == sorted(PLANTED, key=list(RULES).index)
    assert set(PLANTED) == set(RULES)
    assert list(Contract.model_fields) == list(RULES)
    assert {name: type(r) for name, r in Contract().rules()} == dict(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_explains_itself(name: str) -> None:
    kind = RULES[name]
    assert kind.__module__ == f"bertspec.catalog.contract.{name}"
    assert kind.__doc__
    assert all(f.description for f in kind.model_fields.values())
    assert kind.code in known_codes()
    assert explanation(kind.code).startswith("# ")
    assert f"({kind.code})" in str(Contract.model_fields[name].description)
    assert kind.code in str(sys.modules[kind.__module__].__doc__)
    for package in kind.packages:
        assert public_version(package)


def test_every_rule_has_a_code_of_its_own() -> None:
    assert len({kind.code for kind in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_a_severity_that_can_be_off(name: str) -> None:
    assert rule(name).severity in ("error", "warn")
    for severity in get_args(Level):
        assert rule(name, severity=severity).severity == severity
    planted, _ = PLANTED[name]
    off = Contract.model_validate({name: {"severity": "off"}})
    (checked,) = [c for c in check(planted, off) if c.name == name]
    assert (checked.status, checked.findings) == ("off", ())


@pytest.mark.parametrize("name", RULES)
def test_a_planted_fault_is_found_with_all_its_rows(name: str) -> None:
    data, expected = PLANTED[name]
    assert rule(name).applies(data)
    found = list(rule(name).check(data))
    assert found
    assert broken(name, data) == expected
    for finding in found:
        assert finding.rows.column_names == ["split", "file", "row", "note"]
        assert all(r["file"] == f"{r['split']}.csv" and r["note"] for r in finding.rows.to_pylist())
        assert finding.message
        assert finding.help
        assert not finding.message.endswith(".")
    assert name in {c.name for c in check(data, Contract()) if c.status == "failed"}


@pytest.mark.parametrize("name", RULES)
def test_clean_rows_give_nothing(name: str) -> None:
    data = CLEAN.get(name, CLEAN_TEXT)
    assert rule(name).applies(data)
    assert list(rule(name).check(data)) == []


@pytest.mark.parametrize("name", RULES)
def test_the_same_rows_give_the_same_findings(name: str) -> None:
    data, _ = PLANTED[name]
    again = PreparedData(data.tables)
    tables = [as_table(check(d, Contract())).to_pylist() for d in (data, again)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", RULES)
def test_rows_that_a_rule_is_not_about_and_no_rows_are_no_fault(name: str) -> None:
    empty = CLEAN_TEXT.tables["train"].slice(0, 0)
    assert not rule(name).applies(PreparedData({}))
    assert not rule(name).applies(PreparedData({"train": empty, "test": empty}))
    for data in (CLEAN_TEXT, CLEAN_ENTITIES, CLEAN_ANSWERS):
        tables: dict[SplitName, pa.Table] = dict(data.tables)
        with_empty = PreparedData(tables | {"validation": tables["train"].slice(0, 0)})
        if rule(name).applies(with_empty):
            assert list(rule(name).check(with_empty)) == []


# Texts.


def _normalised_by_hand(text: str) -> str:
    """`normalise` by its definition, character by character."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = [
        " " if unicodedata.category(c)[0] in "PZ" or unicodedata.category(c) in ("Sk", "Cc") else c
        for c in folded
        if unicodedata.category(c) != "Cf" and not 0xFE00 <= ord(c) <= 0xFE0F
    ]
    return " ".join(filter(None, "".join(kept).split(" ")))


_TEXTS = st.text(st.characters(max_codepoint=0x1FFFF, exclude_categories=["Cs", "Cn", "Co"]))


@settings(deadline=None)
@given(_TEXTS | st.text(st.characters(max_codepoint=127)))
def test_normalisation_is_what_it_says(text: str) -> None:
    expected = _normalised_by_hand(text)
    if expected:
        assert normalise(text) == expected
        assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Straße", "STRASSE", True),
        ("don't—stop", "Don\u2019t stop!", True),
        ("ﬁlm①", "film1", True),
        ("soft\u00adhyphen", "softhyphen", True),
        ("`` quoted ''", '"quoted"', True),
        ("!!!", "???", False),
        ("कि", "का", False),  # vowel signs are marks, no punctuation
        ("great 😀", "great 😢", False),
        ("c++", "c", False),
    ],
)
def test_texts_that_are_the_same(first: str, second: str, same: bool) -> None:
    assert (normalise(first) == normalise(second)) is same


def test_a_pair_is_the_same_only_where_both_texts_are() -> None:
    data = made(
        train={"text": ["a b", "a"], "text_pair": ["c", "b c"], "label": ["x", "y"]},
        test={"text": ["A b!", "a b"], "text_pair": ["C", "d"], "label": ["y", "x"]},
    )
    assert broken("duplicates_across_splits", data) == {("train", 1), ("test", 1)}
    assert broken("contradicting_labels", data) == {("train", 1), ("test", 1)}


def test_questions_about_one_context_are_not_near_duplicates() -> None:
    context = " ".join(sentences(8))
    questions = ["Who wrote this review?", "Which film is meant?", "When was it first shown?"]
    data = made(
        train={"question": questions[:2], "context": [context] * 2},
        test={"question": [*questions[2:], "Who wrote the review?"], "context": [context] * 2},
    )
    assert broken("near_duplicates_across_splits", data, threshold=0.6) == set()
    found = broken("near_duplicates_across_splits", data, threshold=0.5)
    assert found == {("train", 1), ("test", 2)}


def test_letters_can_be_asked_for() -> None:
    data, found = PLANTED["empty_text"]
    assert broken("empty_text", data, letters=True) == found | {("test", 1)}


def test_long_text_counts_characters() -> None:
    data = made(train=labelled(["😀" * 5, "😀" * 6]))
    assert broken("long_text", data, characters=5) == {("train", 2)}


# Near-duplicates beside brute force.


def _jaccard(first: str, second: str) -> float:
    def grams(text: str) -> set[str]:
        text = normalise(text)
        return {text[i : i + 5] for i in range(len(text) - 4)} or {text}

    return len(grams(first) & grams(second)) / len(grams(first) | grams(second))


def _edited(text: str, share: float, draw: random.Random) -> str:
    words = text.split()
    for place in draw.sample(range(len(words)), round(share * len(words))):
        words[place] = draw.choice(WORDS)
    return " ".join(words)


def _leaky(seed: int) -> PreparedData:
    draw = random.Random(seed)  # noqa: S311
    originals = [" ".join(draw.sample(WORDS, draw.randint(3, 25))) for _ in range(120)]
    copies = [_edited(t, draw.choice([0, 0.05, 0.1, 0.2, 0.4]), draw) for t in originals]
    # Two sizes of a family that is alike, as from a template.
    family = [f"{_BASE} number {i}" for i in range(30)]
    return made(
        train=labelled(originals[:90] + family[:20]),
        validation=labelled(originals[90:] + copies[:40] + family[20:23]),
        test=labelled(copies[40:] + family[23:]),
    )


@pytest.mark.parametrize("threshold", [0.5, 0.65, 0.8, 0.95])
@pytest.mark.parametrize("seed", [1, 2])
def test_near_duplicates_are_those_of_brute_force(seed: int, threshold: float) -> None:
    data = _leaky(seed)
    rows = [(s, i + 1, t) for s in SPLITS for i, t in enumerate(data.tables[s]["text"].to_pylist())]
    expected: dict[Place, set[tuple[Place, float]]] = defaultdict(set)
    for (s1, r1, t1), (s2, r2, t2) in combinations(rows, 2):
        if s1 != s2 and normalise(t1) != normalise(t2):
            share = _jaccard(t1, t2)
            if share >= threshold:
                expected[s1, r1].add(((s2, r2), share))
                expected[s2, r2].add(((s1, r1), share))
    (finding,) = NearDuplicatesAcrossSplits(threshold=threshold).check(data)
    found = {(r["split"], r["row"]): r["note"] for r in finding.rows.to_pylist()}
    assert set(found) == set(expected), "none missed among these, and no false alarm"
    for place, note in found.items():
        notes = {
            f"{int(share * 100)}% like {split}.csv row {row} ({split})"
            for (split, row), share in expected[place]
        }
        assert note in notes


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_a_pair_at_the_threshold_shares_a_bucket_nearly_always(threshold: float) -> None:
    count, rows = bands(threshold)
    assert count * rows <= 128
    assert recall(threshold, count, rows) >= 0.999


def test_rensa_signatures_agree_as_often_as_sets_are_similar() -> None:
    from rensa import RMinHash

    draw = np.random.default_rng(3)
    hashes, offsets = [], [0]
    for _ in range(500):
        pool = draw.integers(0, 2**63, 100).astype(np.uint64)
        hashes += [pool[:90], pool[10:]]  # 80 of 100 in common
        offsets += [offsets[-1] + 90, offsets[-1] + 180]
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(hashes), np.array(offsets, dtype=np.uint64), 128, 1
    )
    numbers = np.array(matrix.to_rows())
    assert abs((numbers[::2] == numbers[1::2]).mean() - 0.8) < 0.01


def test_too_many_similar_texts_are_given_up_on_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from bertspec.catalog.contract import similarity

    monkeypatch.setattr(similarity, "MOST_COMPARED", 10)
    monkeypatch.setattr(similarity, "_PAIRS", 5)
    draw = random.Random(5)  # noqa: S311
    texts = [f"{' '.join(draw.sample(WORDS, 3))} {_BASE}" for _ in range(60)]
    data = made(train=labelled(texts[:40]), test=labelled(texts[40:]))
    (finding,) = NearDuplicatesAcrossSplits(threshold=0.9).check(data)
    assert "too many similar texts" in finding.message


# Labels.


def test_drift_is_that_of_counters() -> None:
    draw = random.Random(7)  # noqa: S311
    train, test = draw.choices("abcd", [4, 3, 2, 1], k=400), draw.choices("abcd", k=100)
    first, second = Counter(train), Counter(test)
    expected = sum(abs(first[x] / 400 - second[x] / 100) for x in "abcd") / 2
    data = made(
        train=labelled(sentences(400), "".join(train)), test=labelled(sentences(100), "".join(test))
    )
    (finding,) = rule("label_drift", bound=0).check(data)
    assert f"total variation {expected:.3f}" in finding.message
    assert not list(rule("label_drift", bound=expected + 1e-9).check(data))


def test_labels_are_counted_in_every_split() -> None:
    data, _ = PLANTED["label_support"]
    unseen, few = rule("label_support").check(data)
    assert unseen.message == "label `c` is in no row of train but in test.csv row 3 (test)"
    assert few.message == "labels with fewer than 1 row in a split: `b` has 0 in validation"
    assert broken("label_support", data, minimum=2) == {("test", 1), ("test", 2), ("test", 3)}


def test_a_row_may_have_several_labels() -> None:
    data = made(
        train={"text": ["x", "y", "z"], "label": [["a", "b"], ["a"], []]},
        test={"text": ["X", "u"], "label": [["b", "a"], ["c"]]},
    )
    assert broken("contradicting_labels", data) == set()
    assert broken("label_support", data) == {("test", 2)}
    changed = made(
        train={"text": ["x"], "label": [["a", "b"]]},
        test={"text": ["X"], "label": [["a"]]},
    )
    assert broken("contradicting_labels", changed) == {("train", 1), ("test", 1)}


def test_numbers_to_be_predicted_are_no_labels() -> None:
    data = made(train={"text": ["x"], "label": [0.5]}, test={"text": ["x"], "label": [0.7]})
    for name in ("contradicting_labels", "label_support", "label_drift"):
        assert not rule(name).applies(data)


# Entities and answers.


def test_a_broken_tag_is_named_with_what_is_before_it() -> None:
    found = list(rule("entity_spans").check(PLANTED["entity_spans"][0]))
    notes = {(r["split"], r["row"]): r["note"] for f in found for r in f.rows.to_pylist()}
    assert notes["train", 1] == "2 tokens and 1 tags"
    assert notes["train", 2] == "token 2: `I-x` after `O`"
    assert notes["train", 4] == "token 2: `I-x` after `B-y`"
    assert notes["train", 6] == "token 1: `Q`"
    assert notes["test", 1] == "token 1: `I-x` at the beginning"
    assert notes["test", 3] == "`x` 1 to 3 begins or ends with whitespace: ` b`"


_TAGS = st.lists(
    st.lists(st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"]), max_size=6), min_size=1
)


@given(_TAGS)
def test_loose_tags_are_those_of_a_loop(rows: list[list[str]]) -> None:
    loose = set()
    for number, tags in enumerate(rows, 1):
        for before, tag in zip(["O", *tags], tags, strict=False):
            if tag[0] == "I" and (before == "O" or before[2:] != tag[2:]):
                loose.add(("train", number))
    tokens = [["t"] * len(tags) for tags in rows]
    table = pa.table(
        {
            "tokens": pa.array(tokens, pa.list_(pa.string())),
            "tags": pa.array(rows, pa.list_(pa.string())),
            "file": ["f"] * len(rows),
            "row": list(range(1, len(rows) + 1)),
        }
    )
    assert broken("entity_spans", PreparedData({"train": table})) == loose


def test_the_nearest_occurrence_is_proposed() -> None:
    (finding,) = rule("answers_at_offset").check(PLANTED["answers_at_offset"][0])
    notes = finding.rows["note"].to_pylist()
    assert notes[0] == "`Rollo` at 3, where `ollo,` stands: the nearest is at 2"
    assert notes[1].endswith("it is nowhere in the context")
    assert notes[2] == "1 texts and 0 offsets"


@given(st.text("ab", max_size=12), st.text("ab", min_size=1, max_size=2), st.integers(0, 14))
def test_the_nearest_is_that_of_a_loop(context: str, text: str, start: int) -> None:
    found = [i for i in range(len(context)) if context.startswith(text, i)]
    expected = min(found, key=lambda i: (abs(i - start), i)) if found else None
    assert nearest(context, text, start) == expected


# The contract in a spec, and its stage.


def test_a_severity_alone_is_the_same_as_in_options() -> None:
    short = Contract.model_validate({"label_drift": "error", "long_text": "off"})
    long = Contract.model_validate(
        {"label_drift": {"severity": "error"}, "long_text": {"severity": "off"}}
    )
    assert short == long
    assert short.model_dump(mode="json") == long.model_dump(mode="json")
    assert Contract.model_validate(short.model_dump(mode="json")) == short


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({"label_drift": "warn"}, True),
        ({"label_drift": {"severity": "error", "bound": 0.05}}, True),
        ({"near_duplicates_across_splits": {"threshold": 0.9}}, True),
        ({"label_drift": "warning"}, False),
        ({"label_drift": False}, False),
        ({"label_drift": {"bond": 0.1}}, False),
        ({"near_duplicates_across_splits": {"threshold": 0.2}}, False),
        ({"label_shift": "warn"}, False),
    ],
)
def test_the_schema_and_the_model_agree(value: Any, valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(Contract.model_json_schema())
    assert validator.is_valid(value) is valid
    if valid:
        Contract.model_validate(value)
    else:
        with pytest.raises(ValidationError):
            Contract.model_validate(value)


def test_the_quick_rules_leave_out_the_slow_one() -> None:
    data, _ = PLANTED["near_duplicates_across_splits"]
    names = {c.name for c in cheap_findings(data, Contract())}
    assert names == {name for name, kind in RULES.items() if kind.cheap}
    assert set(RULES) - names == {"near_duplicates_across_splits"}


def test_findings_are_shown_in_a_terminal() -> None:
    data, _ = PLANTED["contradicting_labels"]
    text = as_text(cheap_findings(data, Contract()))
    assert text.startswith("error[E601]: ")
    assert "error[E603]: 2 texts have different labels, in 5 rows: " in text
    assert "\n  help: read them and keep one label" in text
    assert "\n    train.csv row 1 (train): `a`, but train.csv row 3 (train) `b`" in text
    assert as_text(cheap_findings(CLEAN_TEXT, Contract())) == ""


def _shards(table: pa.Table) -> list[pa.Table]:
    """Prepared rows as they are on disk: in two shards, the rows of each counted from 0."""
    half = (len(table) + 1) // 2
    parts = [part for part in (table.slice(0, half), table.slice(half)) if len(part)] or [table]
    return [
        part.drop_columns(["file", "row"]).append_column("row", pa.array(range(len(part)), "int32"))
        for part in parts
    ]


Stage = Callable[[PreparedData, Contract], tuple[Path, list[Any]]]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Run the stage on tables; its outputs' folder and what it returns."""

    def runs(data: PreparedData, contract: Contract) -> tuple[Path, list[Any]]:
        empty = data.tables["train"].slice(0, 0)
        shards = {split: _shards(data.tables.get(split, empty)) for split in SPLITS}
        files: dict[SplitName, str] = {split: f"{split}.csv" for split in SPLITS}
        prepared = write_shards(tmp_path / "prepared", shards, files)
        outputs = {"contract": tmp_path / "contract", "verdict": tmp_path / "verdict.txt"}
        params = ContractParams(contract=contract)
        return tmp_path, list(
            run_runner("contract", params, tmp_path, {"prepared": prepared}, outputs)
        )

    return runs


def test_the_stage_writes_what_it_found_and_a_verdict(stage: Stage) -> None:
    data, expected = PLANTED["contradicting_labels"]
    folder, failures = stage(data, Contract())
    assert {d.code for d in failures} == {"E601", "E603"}
    assert all(d.severity == Severity.ERROR for d in failures)
    assert (folder / "verdict.txt").read_text(encoding="utf-8") == "failed\n"
    findings = json.loads((folder / "contract/findings.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in findings] == list(RULES)
    entry = next(e for e in findings if e["code"] == "E603")
    assert (entry["severity"], entry["status"], entry["count"]) == ("error", "failed", 5)
    assert entry["findings"][0]["rows"][0]["file"] == "train.csv"
    table = pq.read_table(folder / "contract/rows.parquet")
    assert table.column_names == ["code", "split", "file", "row", "note"]
    places = {(r["split"], r["row"]) for r in table.to_pylist() if r["code"] == "E603"}
    assert places == expected
    page = (folder / "contract/report.md").read_text(encoding="utf-8")
    assert "| E603 | contradicting_labels | error | failed | 5 |" in page
    assert "| E609 | entity_spans | error | does not apply | 0 |" in page


def test_a_warning_is_in_the_report_and_the_verdict_is_passed(stage: Stage) -> None:
    data, _ = PLANTED["contradicting_labels"]
    contract = Contract.model_validate(
        {"contradicting_labels": "warn", "duplicates_across_splits": "off"}
    )
    folder, failures = stage(data, contract)
    assert failures == []
    assert (folder / "verdict.txt").read_text(encoding="utf-8") == "passed\n"
    assert "## E603 contradicting_labels (warn)" in (folder / "contract/report.md").read_text()


def test_the_stage_writes_the_same_bytes_again(stage: Stage) -> None:
    data, _ = PLANTED["near_duplicates_across_splits"]
    written = []
    for _ in range(2):
        folder, _ = stage(PreparedData(data.tables), Contract())
        written.append({p.name: p.read_bytes() for p in (folder / "contract").iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) == 3


def test_texts_cannot_break_the_page() -> None:
    data = made(train=labelled(["a | <b>x</b>\n| c"]), test=labelled(["A | <b>x</b>\n| c"]))
    page = as_markdown(list(check(data, Contract())), data)
    assert "\\<b>" in page
    assert "a \\| " in page


# Real data.


def _shown(data: PreparedData) -> dict[str, tuple[str, int]]:
    """Status and rows of every rule that the data has something for."""
    return {
        c.name: (c.status, c.count) for c in check(data, Contract()) if c.status != "does not apply"
    }


def _split(rows: Iterable[tuple[str, str, str, int]], keys: Mapping[int, str]) -> PreparedData:
    """(text, label, file, row) divided by the project's own hash of a key for each."""
    parts: dict[SplitName, list[tuple[str, str, str, int]]] = {name: [] for name in SPLITS}
    for number, row in enumerate(rows):
        parts[split_of((keys[number],), 0.1, 0.2, "")].append(row)
    names = ("text", "label", "file", "row")
    return PreparedData(
        {
            split: pa.table(dict(zip(names, map(list, zip(*part, strict=True)), strict=True)))
            for split, part in parts.items()
        }
    )


def test_the_shipped_reviews_keep_the_contract() -> None:
    path = REPOSITORY / "data/movie-reviews/reviews.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    data = _split(
        [(r["review"], r["sentiment"], "reviews.csv", i) for i, r in enumerate(rows, 1)],
        {i: r["film"] for i, r in enumerate(rows)},
    )
    assert {status for status, _ in _shown(data).values()} == {"passed"}


def test_mr_has_two_texts_on_two_sides_that_differ_in_punctuation(shared: Path) -> None:
    rows = [
        (line, label, name, number)
        for label, name in (("1", "rt-polarity.pos"), ("0", "rt-polarity.neg"))
        for number, line in enumerate(
            (shared / "movie-reviews" / name).read_text(encoding="utf-8").split("\n"), 1
        )
        if line.strip()
    ]
    found = _shown(_split(rows, {i: r[0] for i, r in enumerate(rows)}))
    # `stock up on silver bullets ...` with other quotes, and `a pretentious mess` with other dots:
    # the hash keeps texts together that are equal to the character, and these are not.
    assert found.pop("duplicates_across_splits") == ("failed", 4)
    assert {status for status, _ in found.values()} == {"passed"}


def test_sst2_has_short_sentences_twice(shared: Path) -> None:
    tables: dict[SplitName, pa.Table] = {}
    for split, name in zip(SPLITS, ("train", "dev", "test"), strict=True):
        text = (shared / "sst2" / f"{name}.tsv").read_text(encoding="utf-8")
        lines = [line.split("\t") for line in text.split("\n") if line]
        tables[split] = pa.table(
            {
                "text": [text for _, text in lines],
                "label": [label for label, _ in lines],
                "file": [f"{name}.tsv"] * len(lines),
                "row": list(range(1, len(lines) + 1)),
            }
        )
    data = PreparedData(tables)
    found = _shown(data)
    # `no. .`, `what 's next ?` (twice in train) and `cool .`, each on two sides.
    assert found.pop("duplicates_across_splits") == ("failed", 7)
    # `too bad .`, `see it .` and other whole sentences that several critics wrote.
    assert found.pop("duplicates_within_split") == ("failed", 9)
    assert {status for status, _ in found.values()} == {"passed"}


def _conll(path: Path) -> pa.Table:
    """CoNLL: token, tab, tag; a sentence's row is the line of its first token."""
    found: list[tuple[list[str], list[str], int]] = []
    inside = False
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            if not inside:
                found.append(([], [], number))
            token, tag = line.split("\t")
            found[-1][0].append(token)
            found[-1][1].append(tag)
        inside = bool(line.strip())
    tokens, tags, rows = zip(*found, strict=True)
    names = [path.name] * len(rows)
    return pa.table({"tokens": list(tokens), "tags": list(tags), "file": names, "row": list(rows)})


def test_wnut17_is_well_tagged_and_repeats_itself(shared: Path) -> None:
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    parts = zip(SPLITS, names, strict=True)
    data = PreparedData({split: _conll(shared / "wnut17" / name) for split, name in parts})
    found = _shown(data)
    assert found["entity_spans"] == ("passed", 0)
    # `Wow . Just wow .` is in validation and in test; posts that were sent twice are within splits.
    assert found.pop("duplicates_across_splits") == ("failed", 2)
    assert found.pop("duplicates_within_split") == ("failed", 125)
    assert {status for status, _ in found.values()} == {"passed"}


def _squad(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph, qas in ((p, p["qas"]) for p in article["paragraphs"]):
            for qa in qas:
                found = [(a["text"], a["answer_start"]) for a in qa["answers"]]
                rows.append(
                    {
                        "title": article["title"], "question": qa["question"],
                        "context": paragraph["context"], "answers": _answers(*found),
                        "file": path.name, "row": len(rows) + 1,
                    }
                )  # fmt: skip
    return rows


def test_squad_has_every_answer_at_its_offset_until_one_is_moved(shared: Path) -> None:
    rows = _squad(shared / "squad/squad-v2-dev-5-articles.json")
    last = rows[-1]["title"]
    tables: dict[SplitName, pa.Table] = {
        "train": pa.Table.from_pylist([r for r in rows if r["title"] != last]),
        "test": pa.Table.from_pylist([r for r in rows if r["title"] == last]),
    }
    found = _shown(PreparedData(tables))
    assert found["answers_at_offset"] == ("passed", 0)
    assert {status for status, _ in found.values()} == {"passed"}
    row = next(r for r in rows if r["answers"]["text"])
    row["answers"]["answer_start"][0] += 1
    data = PreparedData({"train": pa.Table.from_pylist(rows)})
    assert broken("answers_at_offset", data) == {("train", row["row"])}


def test_every_pair_of_severities_gives_the_verdict_of_the_errors(stage: Stage) -> None:
    data, _ = PLANTED["duplicates_within_split"]
    levels = get_args(Level)
    for within, across in product(levels, levels):
        contract = Contract.model_validate(
            {"duplicates_within_split": within, "duplicates_across_splits": across,
             "near_duplicates_across_splits": "off", "contradicting_labels": "off",
             "label_support": "off"}
        )  # fmt: skip
        folder, failures = stage(data, contract)
        expected = {"E604"} if within == "error" else set()
        expected |= {"E601"} if across == "error" else set()
        assert {d.code for d in failures} == expected
        verdict = (folder / "verdict.txt").read_text(encoding="utf-8")
        assert verdict == ("failed\n" if expected else "passed\n")
