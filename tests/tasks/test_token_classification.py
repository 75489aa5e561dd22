"""Entities of words and of texts: tokens and labels are those of transformers, offsets those of the
text, and every word of a long text is read in the window with most of its neighbours.
"""

import json
import re
import unicodedata
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from bertspec.catalog.batch import IGNORED, Tokens, tokens_of_new
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import LongDocuments, Truncate, Windows
from bertspec.catalog.task import LossOptions
from bertspec.catalog.task_parts.tagged_rows import log_probabilities
from bertspec.catalog.task_parts.text_words import words_of
from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.core.errors import InputError
from bertspec.pipeline.params.columns import Columns
from bertspec.runtime.mapping import map_columns
from bertspec.runtime.predict import Predictor
from bertspec.runtime.row_keys import row_digests
from bertspec.runtime.stage import run_stage
from tests.data.test_encoding import CONTROL, LETTERS, MARKS, made
from tests.projects import SPEC, Project
from tests.stages import run_kinds
from tests.tasks.cases import Case
from tests.tasks.cases.token_classification import ROWS
from tests.tasks.test_conformance import RULES_OFF, make_project
from tests.tasks.tiny import batch_of, kept_of, tiny_base

LABELS = ("PER", "LOC")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TASK = TokenClassification(type="token-classification", labels=LABELS)
FREE = TokenClassification(type="token-classification", labels=LABELS, decoding="free")
WIDEN = TokenClassification(type="token-classification", labels=LABELS, misaligned="widen")

TOKENIZERS = ("uncased", "cased", "template", "bare", "roberta", "roberta-prefix", "unigram")
PIECES = st.sampled_from([*LETTERS, *MARKS, *CONTROL[:4], "\r\n", " ", " ", "\t"])
TEXT = st.lists(PIECES, max_size=25).map("".join)
WORD = st.sampled_from(["Ann", "Rome", "unbelievably", "x", "", "\x00", "\u200b", "é", "😀", "3km"])


def encoder(name: str, long_documents: LongDocuments | None = None, size: int = 512) -> Encoder:
    return Encoder(Tokenizer.from_str(made(name)), size, long_documents)


def fast(name: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(made(name)))


def word_rows(words: list[list[str]], tags: list[list[str]] | None = None) -> pa.Table:
    kind = pa.list_(pa.string())
    columns = {"tokens": pa.array(words, kind)}
    if tags is not None:
        columns["tags"] = pa.array(tags, kind)
    return pa.table(columns | places(len(words)))


def text_rows(texts: list[str], spans: list[list[tuple[int, int, str]]] | None = None) -> pa.Table:
    columns: dict[str, Any] = {"text": pa.array(texts, pa.string())}
    if spans is not None:
        kind = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())])
        values = [[{"start": s, "end": e, "label": x} for s, e, x in row] for row in spans]
        columns["spans"] = pa.array(values, pa.list_(kind))
    return pa.table(columns | places(len(texts)))


def places(count: int) -> dict[str, Any]:
    return {"file": ["a.jsonl"] * count, "row": pa.array(range(1, count + 1), pa.int64())}


def sequences(task: TokenClassification, rows: pa.Table, made_by: Encoder) -> Tokens:
    return tokens_of_new(task.encode(rows, made_by), made_by.aggregate)


def sure(tokens: Tokens, task: TokenClassification) -> list[np.ndarray]:
    """Logits that say each token's label, and nothing where it has none."""
    labels = tokens.items("labels")
    logits = np.zeros((len(labels), len(task._tagging.names)), np.float32)
    labelled = np.flatnonzero(labels != IGNORED)
    logits[labelled, labels[labelled]] = 9.0
    return np.split(logits, tokens.offsets[1:-1])


# Words.


@settings(deadline=None)
@given(st.lists(st.lists(WORD, max_size=9), min_size=1, max_size=4), st.data())
@pytest.mark.parametrize("name", ["uncased", "roberta-prefix", "unigram"])
def test_tokens_and_labels_are_those_of_transformers(
    name: str, words: list[list[str]], data: st.DataObject
) -> None:
    tags = [[data.draw(st.sampled_from(["O", "B-PER", "B-LOC"])) for _ in row] for row in words]
    found = sequences(TASK, word_rows(words, tags), encoder(name, size=12))
    tokenizer = fast(name)
    for i, (row, row_tags) in enumerate(zip(words, tags, strict=True)):
        theirs = tokenizer(row, is_split_into_words=True, truncation=True, max_length=12)
        borders = slice(found.offsets[i], found.offsets[i + 1])
        assert found.ids[borders].tolist() == theirs["input_ids"]
        # As in transformers' examples/pytorch/token-classification/run_ner.py.
        label_ids, previous = [], None
        for word in theirs.word_ids():
            is_first = word is not None and word != previous
            label_ids.append(TAGS.index(row_tags[word]) if is_first else IGNORED)
            previous = word
        assert found.items("labels")[borders].tolist() == label_ids


def test_words_that_no_sequence_has_are_outside() -> None:
    words = [["Ann", "", "Rome", "\x00"], [], ["x"] * 20]
    tags = [["B-PER", "I-PER", "B-LOC", "O"], [], ["B-PER", *["I-PER"] * 19]]
    rows = word_rows(words, tags)
    for task in (TASK, FREE):
        found = sequences(task, rows, encoder("uncased", size=8))
        table = task.predictions(rows, found, sure(found, task), {})
        said, scores = table["prediction"].to_pylist(), table["scores"].to_pylist()
        assert said[:2] == [["B-PER", "O", "B-LOC", "O"], []]
        assert said[2] == ["B-PER", *["I-PER"] * 5, *["O"] * 14]
        assert [score > 0 for score in scores[0]] == [True, False, True, False]
        assert scores[2][6:] == [0.0] * 14
        gold = pa.table({"gold": task.gold(rows)["gold"], "prediction": table["prediction"]})
        # Entities that have such a word are not found; words that were cut off count.
        assert task.measure(["recall", "accuracy"], gold) == {"recall": 1 / 3, "accuracy": 9 / 24}


def test_an_answer_has_entities_in_words() -> None:
    words = [["Ann", "Lee", "saw", "New", "York", "."]]
    tags = [["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]]
    found = sequences(TASK, word_rows(words, tags), encoder("uncased"))
    answer = TASK.answer(
        TASK.predictions(word_rows(words), found, sure(found, TASK), {}).to_pylist()[0]
    )
    assert answer["tags"] == tags[0]
    each = [(e["label"], e["start"], e["end"], e["text"]) for e in answer["entities"]]
    assert each == [("PER", 0, 2, "Ann Lee"), ("LOC", 3, 5, "New York")]
    sharp = 1 / (1 + 4 * np.exp(-9))
    assert all(e["score"] == pytest.approx(sharp) for e in answer["entities"])
    assert TASK.answer_line(answer) == "PER Ann Lee 100.0%, LOC New York 100.0%"
    assert TASK.answer_line({"entities": []}) == "no entities"


def test_given_tags_become_those_of_the_scheme() -> None:
    task = TokenClassification(
        type="token-classification", labels=LABELS, scheme="IOBES", given_scheme="IOB1"
    )
    rows = word_rows([["a", "b", "c", "d"]], [["I-PER", "I-PER", "B-PER", "O"]])
    expected = ["B-PER", "E-PER", "S-PER", "O"]
    assert task.gold(rows)["gold"].to_pylist() == [expected]
    labels = sequences(task, rows, encoder("uncased")).items("labels")
    assert [task._tagging.names[n] for n in labels[labels != IGNORED]] == expected


# Windows.


def _context(token: int, start: int, end: int, count: int) -> float:
    """Tokens to the nearer border of a window; the ends of the text are none."""
    before = token - start if start else np.inf
    return min(before, end - 1 - token if end < count else np.inf)


@settings(deadline=None)
@given(
    st.lists(st.lists(WORD, max_size=40), min_size=1, max_size=3),
    st.integers(6, 20), st.integers(0, 8),
)  # fmt: skip
def test_a_word_is_read_in_the_window_with_most_context(
    words: list[list[str]], size: int, stride: int
) -> None:
    stride = min(stride, (size - 3) // 2)
    made_by = encoder("uncased", Windows(type="windows", stride=stride), size)
    found, tokenizer = sequences(TASK, word_rows(words), made_by), fast("uncased")
    numbers = found.items("words")
    for i, row in enumerate(words):
        whole = tokenizer(row, is_split_into_words=True, add_special_tokens=False).word_ids()
        firsts = {word: whole.index(word) for word in whole}
        starts = range(0, max(len(whole) - stride, 1), size - 2 - stride)
        borders = [(start, min(start + size - 2, len(whole))) for start in starts]
        theirs = tokenizer(
            row, is_split_into_words=True, truncation=True, max_length=size, stride=stride,
            return_overflowing_tokens=True,
        )  # fmt: skip
        mine = np.flatnonzero(found.examples == i).tolist()
        lists = np.split(found.ids, found.offsets[1:-1])
        assert [lists[s].tolist() for s in mine] == theirs["input_ids"]
        assert len(mine) == len(borders)
        expected = {}
        for word, token in firsts.items():
            held = [k for k, (start, end) in enumerate(borders) if start <= token < end]
            best = max(held, key=lambda k: (_context(token, *borders[k], len(whole)), -k))
            expected[word] = (best, 1 + token - borders[best][0])
        owned = [
            (int(numbers[at]), (window, int(at - found.offsets[s])))
            for window, s in enumerate(mine)
            for at in range(found.offsets[s], found.offsets[s + 1])
            if numbers[at] >= 0
        ]
        assert len(owned) == len(dict(owned)), "a word has one owner"
        assert dict(owned) == expected


def test_a_words_scores_are_those_of_the_window_that_owns_it(tmp_path: Path) -> None:
    """What the model says of other windows, and of other texts, changes nothing."""
    words = [[f"{name}{i}" for i in range(30) for name in ("ann", "rome")], ["ann1", "left"]]
    base = tiny_base(tmp_path, [" ".join(row) for row in words])
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    made_by = Encoder(tokenizer, 16, Windows(type="windows", stride=4))
    tokens = sequences(TASK, word_rows(words, [["O"] * len(row) for row in words]), made_by)
    assert len(tokens) > 5
    kept, numbers = kept_of(TASK, base, tokens), tokens.items("words")
    offsets = np.array([0, len(words[0]), len(words[0]) + 2])
    scores, seen = log_probabilities(tokens, kept, offsets, len(TAGS))
    assert seen.all()
    for s in range(len(tokens)):
        noise = [k if i == s else 1e3 * np.ones_like(k) * k for i, k in enumerate(kept)]
        alone, _ = log_probabilities(tokens, noise, offsets, len(TAGS))
        own = numbers[tokens.offsets[s] : tokens.offsets[s + 1]]
        places_of = offsets[tokens.examples[s]] + own[own >= 0]
        assert (alone[places_of] == scores[places_of]).all()
        assert len(places_of)


# Texts.


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=4))
@pytest.mark.parametrize("name", TOKENIZERS)
def test_words_of_texts_are_the_tokenizers_without_white_space(name: str, texts: list[str]) -> None:
    tokens = encoder(name).tokens(texts, as_words=False)
    found = words_of(tokens, texts)
    tokenizer = Tokenizer.from_str(made(name))
    at = 0
    for i, text in enumerate(texts):
        theirs = tokenizer.encode(text, add_special_tokens=False)
        sides: dict[int | None, list[tuple[int, int]]] = {}
        for word, offsets in zip(theirs.word_ids, theirs.offsets, strict=True):
            sides.setdefault(word, []).append(offsets)
        expected: list[tuple[int, int]] = []
        numbers = {}
        for word, each in sides.items():
            start, end = min(s for s, _ in each), max(e for _, e in each)
            kept = text[start:end].strip()
            if kept:
                start += text[start:end].index(kept)
                numbers[word] = len(expected)
                expected.append((start, start + len(kept)))
        if _in_order(expected):
            mine = list(zip(found.starts.row(i).tolist(), found.ends.row(i).tolist(), strict=True))
            assert mine == _with_marks(text, expected)
        own = found.numbers[at : at + len(theirs.ids)]
        assert own[own >= 0].tolist() == [numbers[word] for word in sides if word in numbers]
        at += len(theirs.ids)


def _in_order(words: list[tuple[int, int]]) -> bool:
    """Whether no word has a character of one before it, as those of `ﷺ` in NFKC have."""
    return all(end <= start for (_, end), (start, _) in pairwise(words))


def _with_marks(text: str, words: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The words with accents behind them that the tokenizer has no token for."""
    found = []
    for (start, end), (border, _) in pairwise([*words, (len(text), 0)]):
        behind = takewhile(lambda c: unicodedata.category(c)[0] == "M", text[end:border])
        found.append((start, end + len(list(behind))))
    return found


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=3), st.data())
@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("scheme", ["IOB2", "IOBES"])
def test_spans_that_become_tags_become_the_same_spans(
    scheme: str, name: str, texts: list[str], data: st.DataObject
) -> None:
    made_by = encoder(name)
    words = words_of(made_by.tokens(texts, as_words=False), texts)
    spans = []
    for i in range(len(texts)):
        row, at, count = [], 0, int(words.starts.lengths[i])
        sides = words.starts.row(i).tolist(), words.ends.row(i).tolist()
        while at < count:
            last = data.draw(st.integers(at, min(at + 2, count - 1)))
            start, end = sides[0][at], sides[1][last]
            # Words that have one character in common cannot be told apart by it.
            is_apart = (at == 0 or sides[1][at - 1] <= start) and (
                last + 1 == count or sides[0][last + 1] >= end
            )
            if is_apart and data.draw(st.booleans()):
                row.append((start, end, data.draw(st.sampled_from(LABELS))))
            at = last + 1
        spans.append(row)
    task = TokenClassification.model_validate(
        {"type": "token-classification", "labels": LABELS, "scheme": scheme}
    )
    rows = text_rows(texts, spans)
    task.check_targets(rows)
    tokens = sequences(task, rows, made_by)
    table = task.predictions(rows, tokens, sure(tokens, task), {})
    for text, row, said in zip(texts, spans, table.to_pylist(), strict=True):
        assert said["gold"] == said["prediction"]
        assert [(e["start"], e["end"], e["label"]) for e in said["entities"]] == row
        assert [e["text"] for e in said["entities"]] == [text[s:e] for s, e, _ in row]


def test_offsets_are_characters_of_the_text_as_it_is() -> None:
    text = "👩\u200d💻 Zoe\u0308\r\n\r\nlebt in 東京,\tCafe\u0301 😀!"
    words = {"Zoe\u0308": "PER", "東京": "LOC", "Cafe\u0301": "LOC"}
    places_of = [(text.index(w), text.index(w) + len(w), label) for w, label in words.items()]
    rows = text_rows([text, ""], [places_of, []])
    tokens = sequences(TASK, rows, encoder("uncased"))
    found = TASK.predictions(rows, tokens, sure(tokens, TASK), {}).to_pylist()
    assert [(e["start"], e["end"], e["label"]) for e in found[0]["entities"]] == places_of
    assert [e["text"] for e in found[0]["entities"]] == list(words)
    assert found[1]["entities"] == []


def test_words_of_texts_that_were_cut_off_are_outside_and_count() -> None:
    text = "Ann saw Bo and Cy and Rome"
    spans = [(0, 3, "PER"), (8, 10, "PER"), (22, 26, "LOC")]
    rows = text_rows([text], [spans])
    tokens = sequences(TASK, rows, encoder("minilm", Truncate(), 6))
    table = TASK.predictions(rows, tokens, sure(tokens, TASK), {})
    assert table["gold"].to_pylist()[0][-1] == "B-LOC"
    assert table["prediction"].to_pylist()[0][-1] == "O"
    assert TASK.measure(["recall", "precision"], table) == {"recall": 2 / 3, "precision": 1.0}


# What is wrong with data.


def wrong(task: TokenClassification, rows: pa.Table) -> list[tuple[str, str]]:
    def read() -> None:
        task.check_targets(rows)
        task.encode(rows, encoder("uncased"))

    with pytest.raises(InputError) as caught:
        read()
    return [(d.code, f"{d.message} | {d.help}") for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("tags", "code", "parts"),
    [
        (["O", "B-PRE"], "E340", ["a.jsonl, row 2, word 2", "`B-PRE`", "task.labels", "PER"]),
        (["E-PER", "O"], "E340", ["row 2, word 1", "no tag of IOB2", "task.given_scheme"]),
        (["O", "PER"], "E340", ["row 2, word 2", "`PER`"]),
        (["o", "O"], "E340", ["row 2, word 1", "`o`"]),
        (["O"], "E341", ["a.jsonl, row 2: 2 tokens and 1 tags"]),
    ],
)
def test_tags_that_the_task_does_not_have(tags: list[str], code: str, parts: list[str]) -> None:
    found = wrong(TASK, word_rows([["a"], ["b", "c"], ["d"]], [["O"], tags, ["B-LOC"]]))
    assert [c for c, _ in found] == [code]
    assert all(part in found[0][1] for part in parts), found


def test_many_wrong_tags_are_counted() -> None:
    tags = [[f"B-{i}" for i in range(15)], ["B-0"] * 15]
    found = wrong(TASK, word_rows([["a"] * 15] * 2, tags))
    assert len(found) == 11
    assert "(and 15 more words)" in found[0][1]
    assert "5 more are wrong" in found[-1][1]


@pytest.mark.parametrize(
    ("spans", "code", "parts"),
    [
        ([(0, 3, "PRE")], "E313", ["a.jsonl, row 2", "`PRE`"]),
        ([(0, 9, "PER")], "E343", ["a.jsonl, row 2", "0 to 9", "8 characters"]),
        ([(-1, 3, "PER")], "E343", ["-1 to 3"]),
        ([(3, 3, "PER")], "E343", ["3 to 3"]),
        ([(0, 2, "PER")], "E343", ["row 2", "(`An`)", "whole words", "misaligned"]),
        ([(0, 4, "PER")], "E343", ["row 2", "(`Ann `)", "whole words"]),
        ([(3, 4, "PER")], "E343", ["row 2", "whole words"]),
        ([(4, 8, "PER"), (0, 6, "LOC")], "E343", ["4 to 8", "the span before it"]),
    ],
)
def test_spans_that_are_no_words_of_their_text(
    spans: list[tuple[int, int, str]], code: str, parts: list[str]
) -> None:
    found = wrong(TASK, text_rows(["x", "Ann left"], [[], spans]))
    assert found[0][0] == code
    assert all(part in found[0][1] for part in parts), found


def test_spans_can_be_widened_to_whole_words() -> None:
    rows = text_rows(
        ["in Romes, 3km"], [[(4, 7, "LOC"), (8, 9, "PER"), (9, 10, "PER"), (10, 11, "LOC")]]
    )
    found = WIDEN.encode(rows, encoder("uncased"))
    assert [TAGS[n] for n in found["word_tags"].to_pylist()[0]] == ["O", "B-LOC", "B-PER", "B-LOC"]
    shared = text_rows(["3km"], [[(0, 1, "PER"), (1, 3, "LOC")]])
    assert wrong(WIDEN, shared)[0][0] == "E343", "one word cannot be two entities"


def _mapped(values: Any) -> Any:
    table = pa.table({"text": ["Ann left"] * len(values), "entities": values})
    columns = Columns.model_validate({"text": "text", "spans": "entities"})
    return map_columns(table, columns, [], table.column_names, lambda row: f"x.csv row {row + 1}")


def test_spans_are_read_from_lists_and_from_json() -> None:
    given_spans = [[{"start": 0, "end": 3, "label": "PER", "id": 7}], []]
    lists = _mapped(given_spans)
    texts = _mapped([json.dumps(row) for row in given_spans])
    expected = [[{"start": 0, "end": 3, "label": "PER"}], []]
    assert lists["spans"].to_pylist() == texts["spans"].to_pylist() == expected
    assert lists.schema == texts.schema
    ids = row_digests(lists).to_pylist()
    assert ids == row_digests(texts).to_pylist()
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("[", "E342"), ("{}", "E342"), ("[1]", "E342"), ('[{"start": 0, "end": 3}]', "E342"),
        ('[{"start": 0.5, "end": 3, "label": "PER"}]', "E342"), ("[" * 10**5, "E342"),
        ('[{"start": true, "end": 3, "label": "PER"}]', "E342"),
        ('[{"start": 0, "end": 99999999999, "label": "PER"}]', "E342"),
        ('[{"start": 0, "end": 3, "label": "\\ud800"}]', "E342"),
        ("", "E310"), (None, "E310"),
    ],
)  # fmt: skip
def test_malformed_spans_are_told_with_their_place(value: Any, code: str) -> None:
    with pytest.raises(InputError) as caught:
        _mapped(["[]", value])
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert "x.csv row 2" in caught.value.diagnostics[0].message


def test_spans_that_are_a_constant_are_no_spans() -> None:
    rows = text_rows(["a"]).append_column("spans", pa.array(["x"]))
    assert wrong(TASK, rows)[0][0] == "E342"


@pytest.mark.parametrize(
    ("options", "columns", "count"),
    [
        ({}, ("tokens", "tags"), 0), ({}, ("text", "spans", "slice"), 0), ({}, (), 1),
        ({}, ("tokens",), 1), ({}, ("tokens", "tags", "text"), 1), ({}, ("text", "tags"), 1),
        ({"labels": ("A", "A")}, ("tokens", "tags"), 1),
    ],
)  # fmt: skip
def test_data_has_one_of_two_shapes(
    options: dict[str, Any], columns: tuple[str, ...], count: int
) -> None:
    task = TASK.model_copy(update=options)
    assert len(list(task.conflicts(columns))) == count


# Learning.


def test_the_loss_is_pytorchs_over_the_labelled_tokens(tmp_path: Path) -> None:
    base = tiny_base(tmp_path, ["ann left rome"])
    made_by = Encoder(Tokenizer.from_file(str(base / "tokenizer.json")), 16)
    words = [["ann", "left"], ["rome"], []]
    tokens = sequences(TASK, word_rows(words, [["B-PER", "O"], ["B-LOC"], []]), made_by)
    model = TASK.build_model(base, None).eval()
    assert [model.config.id2label[i] for i in range(len(TAGS))] == list(TAGS)
    batch = batch_of(TASK, tokens)
    outputs = TASK.forward(model, batch.inputs)
    total, weight = TASK.loss(outputs, batch, LossOptions())
    theirs = model(**batch.inputs, labels=batch.targets).loss
    assert float(weight) == 3
    assert (total / weight).item() == pytest.approx(theirs.item())
    empty = batch_of(TASK, tokens, [2])
    total, weight = TASK.loss(TASK.forward(model, empty.inputs), empty, LossOptions())
    assert (total / weight).item() == 0.0, "a batch without a word is no failure"


@pytest.mark.parametrize("rows", [[8, 0, 7], [7, 7], [10, 1, 6, 0]], ids=str)
def test_targets_are_the_labels_of_the_sequences_and_none_at_padding(rows: list[int]) -> None:
    words = [["ann", "left"] * 9, ["rome"], [], ["ann"], ["in", "rome"] * 4]
    tags = [["B-PER", "O"] * 9, ["B-LOC"], [], ["B-PER"], ["O", "B-LOC"] * 4]
    made_by = encoder("uncased", Windows(type="windows", stride=2), 16)
    tokens = sequences(TASK, word_rows(words, tags), made_by)
    batch = batch_of(TASK, tokens, rows)
    labels, width = tokens.columns["labels"].to_pylist(), max(tokens.lengths[rows])
    expected = [labels[row] + [IGNORED] * (width - len(labels[row])) for row in rows]
    assert batch.targets.tolist() == expected
    assert len(tokens) == 11
    assert batch.targets.dtype == torch.int64


def _as_text(row: dict[str, Any]) -> dict[str, Any]:
    """A row of words as a text with spans, with line ends of Windows in it."""
    text, spans = "", []
    for word, tag in zip(row["words"], row["ner"], strict=True):
        start = len(text)
        text += word + ("\r\n" if word in ("saw", "left") else " ")
        if tag.startswith("B-"):
            spans.append({"start": start, "end": start + len(word), "label": tag[2:]})
        elif tag.startswith("I-"):
            spans[-1]["end"] = start + len(word)
    return {"body": text, "entities": spans}


TEXT_ROWS = [_as_text(row) for row in ROWS]


def test_texts_with_spans_are_learned_measured_exported_and_predicted(tmp_path: Path) -> None:
    case = Case(
        task={"type": "token-classification", "labels": ["PER", "LOC"], "scheme": "IOBES"},
        columns={"text": "body", "spans": "entities"},
        rows=TEXT_ROWS,
        metrics={"f1": ">= 1.0", "accuracy": ">= 1.0", "f1_strict": ">= 1.0"},
        inputs=[],
        answers=[],
        tokenization={"max_length": 10, "long_documents": {"type": "windows", "stride": 3}},
    )
    project = make_project(tmp_path / "project", case, export=[{"type": "onnx"}])
    for name in project.stages():
        run_stage(name, project.root)
    assert "spans: 2 different" in project.bertspec("data", "rows")
    texts = [row["body"] for row in TEXT_ROWS]
    answers = list(
        Predictor(project.root / "models/tiny/export").predict({"text": t} for t in texts)
    )
    for row, answer in zip(TEXT_ROWS, answers, strict=True):
        found = [{k: e[k] for k in ("start", "end", "label")} for e in answer["entities"]]
        assert found == row["entities"]
        for entity in answer["entities"]:
            assert entity["text"] == row["body"][entity["start"] : entity["end"]]
            assert 0.2 < entity["score"] <= 1
    assert list(Predictor(project.root / "models/tiny/export").predict([{"text": ""}])) == [
        {"entities": [], "tags": []}
    ]


def test_a_misaligned_span_stops_the_stage_with_file_and_row(tmp_path: Path) -> None:
    rows = [
        *TEXT_ROWS[:3],
        {"body": "Ann left", "entities": [{"start": 0, "end": 2, "label": "PER"}]},
    ]
    case = Case(
        {"type": "token-classification", "labels": ["PER", "LOC"]},
        {"text": "body", "spans": "entities"}, rows, {"f1": ">= 0.0"}, [], [],
    )  # fmt: skip
    project = make_project(tmp_path / "project", case)
    run_kinds(project, "fetch", "prepare", "contract", "base")
    with pytest.raises(InputError, match=r"rows\.jsonl, row 4: the span 0 to 2, `PER`"):
        run_kinds(project, "tokenize")


def test_emerging_entities_are_learned(tmp_path: Path, shared: Path) -> None:
    source = shared / "wnut17" / "wnut17train.conll"
    sentences = re.split(r"\n\s*\n", source.read_text(encoding="utf-8"))
    chosen = [s for s in sentences if "\tB-" in s][:100]
    project = Project(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "train.conll").write_text("\n\n".join(chosen) + "\n", encoding="utf-8")
    spec = json.loads(json.dumps(SPEC))
    types = ["corporation", "creative-work", "group", "location", "person", "product"]
    spec["task"] = {"type": "token-classification", "labels": types}
    spec["data"] = {
        "name": "wnut",
        "source": {
            "type": "conll", "files": dict.fromkeys(("train", "test"), "train.conll"),
            "separator": "tab",
        },
        "columns": {name: {"column": name, "list": True} for name in ("tokens", "tags")},
        "split": {"type": "given"},
        "contract": RULES_OFF,
    }  # fmt: skip
    spec["model"]["base"]["tokenizer"]["vocab_size"] = 2000
    spec["tokenization"] = {"max_length": 48}
    spec["training"] = {"epochs": 20, "learning_rate": 0.005, "batch": {"examples": 8}}
    spec["evaluation"] = {"metrics": ["f1", "f1_macro", "accuracy"]}
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate")
    assert project.metrics()["test"]["f1"] > 0.5
