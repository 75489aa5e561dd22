"""Simple models beside each task's result: those of scikit-learn, or counted by hand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from bertspec.catalog.batch import Batch, Tokens
from bertspec.catalog.long_documents import Windows
from bertspec.catalog.task import Splits, Task
from bertspec.catalog.task_parts.sentences import sentences
from bertspec.catalog.tasks import TASKS
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.runtime.inference import infer
from tests.tasks.language_models import TEXTS, make_base, make_encoder
from tests.tasks.sequences import WORDS, table, tokens
from tests.tasks.tiny import tokens_of

NOUNS = ["film", "cast", "plot", "score", "joke"]
ADJECTIVES = {"good": 1.0, "fine": 0.5, "dull": -0.5, "bad": -1.0, "odd": 0.0}
REVIEWS = [f"a {a} {n} and no {m}" for a in ADJECTIVES for n in NOUNS for m in NOUNS if m != n]
LISTS = pa.list_(pa.string())


@dataclass(frozen=True)
class Rows:
    """A split; without sequences, where the task has no use for them."""

    rows: pa.Table
    tokens: Tokens = None  # type: ignore[assignment]


def _tf_idf(**options: Any) -> TfidfVectorizer:
    return TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+|\S", **options)


def _cosines(known: Sequence[str], one: Sequence[str], other: Sequence[str]) -> np.ndarray:
    """All against all. A word that is not known has the weight of one in no text."""
    vocabulary = _tf_idf().fit([*known, *one, *other]).vocabulary_
    words = _tf_idf(vocabulary=vocabulary).fit(known)
    found: np.ndarray = (words.transform(one) @ words.transform(other).T).toarray()
    return found


def _labels(text: str) -> list[str]:
    return [word for word in ("good", "film", "odd") if word in text.split()] + ["all"]


def _labelled(texts: Sequence[str]) -> Rows:
    return Rows(table([_labels(t) for t in texts], LISTS, list(texts)))


def _labeller(**options: Any) -> MultiLabelClassification:
    labels = ("good", "film", "odd", "all", "none")
    return MultiLabelClassification(type="multi-label-classification", labels=labels, **options)


def test_labels_are_those_of_one_against_the_rest() -> None:
    train, test = REVIEWS[::2], REVIEWS[1::2]
    task = _labeller(threshold=0.5)
    found = task.baselines({"train": _labelled(train), "test": _labelled(test)})
    gold = np.array([[label in _labels(text) for label in task.labels] for text in train])
    theirs = make_pipeline(_tf_idf(ngram_range=(1, 2)), OneVsRestClassifier(LogisticRegression()))
    theirs.fit(train, gold[:, :3])
    scores = np.array(found["bag_of_words"]["scores"].to_pylist())
    assert scores[:, :3] == pytest.approx(theirs.predict_proba(test), abs=1e-5)
    assert (scores[:, 3:] == [1.0, 0.0]).all()
    assert (found["bag_of_words"]["gold"].to_pylist()) == [_labels(t) for t in test]
    dummy = DummyClassifier(strategy="prior").fit(train, gold[:, 0])
    assert found["majority"]["scores"][0][0].as_py() == pytest.approx(
        dummy.predict_proba([0])[0, 1]
    )
    often = [
        label for label, share in zip(task.labels, gold.mean(axis=0), strict=True) if share >= 0.5
    ]
    assert found["majority"]["prediction"].to_pylist() == [often] * len(test)


def test_labels_are_decided_with_thresholds_of_validation_as_the_models_are() -> None:
    train, validation, test = (_labelled(REVIEWS[i::3]) for i in range(3))
    task = _labeller()
    found = task.baselines({"train": train, "validation": validation, "test": test})
    # Who says a label always has its best F1, for one who knows nothing of the text.
    assert found["majority"]["prediction"].to_pylist() == [["good", "film", "odd", "all"]] * len(
        test.rows
    )
    again = task.baselines({"train": train, "validation": test, "test": test})["bag_of_words"]
    scores = np.array(again["scores"].to_pylist())[:, 1]
    gold = np.array(["film" in labels for labels in again["gold"].to_pylist()])
    said = np.array(["film" in labels for labels in again["prediction"].to_pylist()])
    best = max(f1_score(gold, scores >= threshold) for threshold in scores)
    assert f1_score(gold, said) == pytest.approx(best)


@pytest.mark.parametrize("targets", [None, ("one", "two")])
def test_numbers_are_those_of_ridge_regression(targets: tuple[str, ...] | None) -> None:
    task = TASKS["text-regression"].model_validate({"type": "text-regression", "targets": targets})
    random = np.random.default_rng(5)
    numbers = [[ADJECTIVES[t.split()[1]] + random.normal(0, 0.1), len(t)] for t in REVIEWS]
    labels = [[str(n) for n in pair] for pair in numbers] if targets else [n for n, _ in numbers]
    rows = table(labels, LISTS if targets else pa.float64(), REVIEWS)
    train, test = rows.take([*range(0, 100, 2)]), rows.take([*range(1, 100, 2)])
    found = task.baselines({"train": Rows(train), "test": Rows(test)})
    gold = np.array(numbers)[::2] if targets else np.array(numbers)[::2, 0]
    theirs = make_pipeline(_tf_idf(ngram_range=(1, 2)), Ridge()).fit(REVIEWS[::2], gold)
    predicted = np.array(found["bag_of_words"]["prediction"].to_pylist())
    assert predicted == pytest.approx(theirs.predict(REVIEWS[1::2]))
    mean = DummyRegressor().fit(REVIEWS[::2], gold).predict(REVIEWS[1::2])
    assert np.array(found["mean"]["prediction"].to_pylist()) == pytest.approx(mean)
    measured = {name: task.measure(task.metrics, each) for name, each in found.items()}
    assert measured["bag_of_words"]["r2"] > 0.8
    assert -0.1 < measured["mean"]["r2"] <= 0
    assert all(np.isfinite([*values.values()]).all() for values in measured.values())


@pytest.mark.parametrize("kind", ["multi-label-classification", "text-regression"])
def test_texts_without_a_word_have_no_bag_of_words(kind: str) -> None:
    options = {"labels": ["a", "b"]} if kind.startswith("multi") else {}
    task = TASKS[kind].model_validate({"type": kind} | options)
    labels, of = ([["a"], []], LISTS) if options else ([1.0, 2.0], pa.float64())
    split = Rows(table(labels, of, ["", " "]))
    assert set(task.baselines({"train": split, "test": split})) <= {"majority", "mean"}


def _tagger(**options: Any) -> TokenClassification:
    return TokenClassification(type="token-classification", labels=("X", "Y"), **options)


def test_a_word_has_its_most_frequent_tag() -> None:
    train = pa.table(
        {
            "tokens": [["New", "York", "of", "York", "a"], ["York", "New", "York", "a"], []],
            "tags": [["B-X", "I-X", "O", "B-Y", "O"], ["I-X", "B-X", "O", "B-Y"], []],
        }
    )
    test = pa.table(
        {
            "tokens": [["York", "of", "New", "York"], ["who", "a", "New", "New"], []],
            "tags": pa.array([["O"] * 4, ["O"] * 4, []], LISTS),
        }
    )
    # The second York of train begins an entity, which is written so: B-X, I-X, B-Y and O, once
    # each, and the first of them is O.
    splits: Splits = {"train": Rows(train), "test": Rows(test)}
    found = _tagger(given_scheme="IOB1").baselines(splits)["frequent_tag"]
    assert found["prediction"].to_pylist() == [
        ["O", "O", "B-X", "O"], ["O", "O", "B-X", "B-X"], [],
    ]  # fmt: skip
    assert found["gold"].to_pylist() == test["tags"].to_pylist()


def test_frequent_tags_are_legal() -> None:
    train = pa.table({"tokens": [["New", "York"]], "tags": [["B-X", "I-X"]]})
    test = pa.table({"tokens": [["York", "New", "York"]], "tags": [["O", "B-X", "I-X"]]})
    splits: Splits = {"train": Rows(train), "test": Rows(test)}
    for scheme, said in {
        "IOB2": ["B-X", "B-X", "I-X"], "IOBES": ["S-X", "B-X", "E-X"], "IO": ["I-X"] * 3,
    }.items():  # fmt: skip
        task = _tagger(scheme=scheme)
        found = task.baselines(splits)["frequent_tag"]
        assert found["prediction"].to_pylist() == [said]
        measured = task.measure(["precision_strict", "recall"], found)
        assert measured == {"precision_strict": 0.5, "recall": 1.0} if scheme != "IO" else measured


@pytest.mark.parametrize("policy", [None, Windows(type="windows", stride=2)])
def test_words_of_texts_have_frequent_tags(policy: Windows | None) -> None:
    task = _tagger()
    texts = [" ".join(WORDS[:20]), "", " ".join(reversed(WORDS[:4])) + "  unseen"]
    spans = [[{"start": 3, "end": 8, "label": "X"}], [], []]
    fields = [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string())]
    columns = {
        "text": pa.array(texts, pa.string()),
        "spans": pa.array(spans, pa.list_(pa.struct(fields))),
        "file": ["a"] * 3,
        "row": [1, 2, 3],
    }
    rows = pa.table(columns)
    split = Rows(rows, tokens(task, rows, policy))
    assert len(split.tokens) > len(rows) or policy is None
    found = task.baselines({"train": split, "test": split})["frequent_tag"]
    assert [len(tags) for tags in found["gold"].to_pylist()] == [20, 0, 5]
    # w1 and w2 are B-X once and I-X once, and O in the last row, as often: the first is O.
    assert found["prediction"].to_pylist()[2] == ["O"] * 5
    alone = rows.slice(0, 1)
    one = Rows(alone, tokens(task, alone, policy))
    again = task.baselines({"train": one, "test": split})["frequent_tag"]
    assert again["prediction"].to_pylist()[0] == ["O", "B-X", "I-X", *["O"] * 17]
    assert again["prediction"].to_pylist()[2] == ["O", "B-X", "B-X", "O", "O"]


CONTEXTS = [
    "Ada Low had a house in Rome. It was sold for 3.5 pounds! Who knows by whom?",
    "Nobody came\nThe train to Oslo was late. 雨が降った。駅は空だった。",
    "",
]
QUESTIONS = [
    (0, "Where had Ada Low a house?", ["Rome"]),
    (0, "For how many pounds was it sold?", ["3.5"]),
    (1, "Which train was late?", []),
    (1, "Wer war da?", ["Nobody"]),
    (2, "Why?", []),
]


def _asked(chosen: Sequence[int]) -> Rows:
    asked = [QUESTIONS[i] for i in chosen]
    answers = pa.array(
        [{"text": a, "answer_start": [0] * len(a)} for _, _, a in asked],
        pa.struct([("text", LISTS), ("answer_start", pa.list_(pa.int32()))]),
    )
    columns = {"context": [CONTEXTS[c] for c, *_ in asked], "question": [q for _, q, _ in asked]}
    return Rows(pa.table(columns | {"answers": answers}))


def test_sentences_end_with_a_stop_or_a_line() -> None:
    assert sentences(CONTEXTS[0]) == [
        "Ada Low had a house in Rome.", "It was sold for 3.5 pounds!", "Who knows by whom?",
    ]  # fmt: skip
    assert sentences(CONTEXTS[1]) == [
        "Nobody came", "The train to Oslo was late.", "雨が降った。", "駅は空だった。",
    ]  # fmt: skip
    assert sentences(" \n\t") == []


def test_answers_are_sentences_with_words_of_the_question() -> None:
    task = TASKS["question-answering"].model_validate({"type": "question-answering"})
    split = _asked(range(5))
    found = task.baselines({"train": split, "test": split})
    assert found["no_answer"]["prediction"].to_pylist() == [""] * 5
    assert task.measure(["exact_match"], found["no_answer"]) == {"exact_match": 0.4}
    known = [*(s for c in CONTEXTS for s in sentences(c)), *(q for _, q, _ in QUESTIONS)]
    theirs = []
    for context, question, _ in QUESTIONS:
        parts = sentences(CONTEXTS[context]) or [""]
        theirs.append(parts[_cosines(known, [question], parts)[0].argmax()])
    assert found["word_overlap"]["prediction"].to_pylist() == theirs
    assert theirs[1:3] == ["It was sold for 3.5 pounds!", "The train to Oslo was late."]
    nothing = _asked([4])
    assert (
        task.baselines({"train": split, "test": nothing})["word_overlap"]["prediction"][0].as_py()
        == ""
    )
    answered: Splits = {"train": _asked([0, 1, 3]), "test": split}
    assert set(task.baselines(answered)) == {"word_overlap"}


@pytest.mark.parametrize("kind", ["masked-lm", "causal-lm"])
@pytest.mark.parametrize("policy", [None, Windows(type="windows", stride=2)])
def test_unigrams_are_a_model_that_says_the_same_everywhere(
    tmp_path: Path, kind: str, policy: Windows | None
) -> None:
    """Its logits through the whole of an evaluation give the same numbers."""
    task = TASKS[kind].model_validate({"type": kind})
    encoder = make_encoder(make_base(tmp_path / "base"), 12, policy)
    train = pa.table({"text": TEXTS[:4]})
    test = pa.table({"text": [*TEXTS[2:], "", "rain " * 30]})
    splits: Splits = {"train": Rows(train, tokens_of(task, train, encoder)),
              "test": Rows(test, tokens_of(task, test, encoder))}  # fmt: skip
    known, wanted = splits["train"].tokens, splits["test"].tokens
    said = Counter(_own(encoder, TEXTS[:4], policy))
    if kind == "causal-lm":  # the end is said once, of a text that is not cut
        ends = sum(policy is not None or n <= 10 for n in encoder.ids(train["text"]).lengths)
        end = encoder.tokenizer.token_to_id("[SEP]")
        assert end is not None
        said[end] += ends
    vocabulary = encoder.tokenizer.get_vocab_size()
    counts = np.array([said[i] + 1 for i in range(vocabulary)])
    assert known.numbers("vocabulary")[0] == vocabulary
    logits = torch.from_numpy(np.log(counts / counts.sum()).astype("float32"))
    logits[counts.argmax()] += 1e-6  # of several that are most frequent, the first

    def run(batch: Batch) -> torch.Tensor:
        return logits.expand(*batch.inputs["input_ids"].shape, vocabulary)

    kept, loss = infer(run, task, wanted, 0)
    theirs = task.predictions(test, wanted, kept, {})
    found = task.baselines(splits)["unigram"]
    assert found["tokens"].to_pylist() == theirs["tokens"].to_pylist()
    assert found["correct"].to_pylist() == theirs["correct"].to_pylist()
    assert found["nll"].to_pylist() == pytest.approx(theirs["nll"].to_pylist(), rel=1e-4)
    assert np.log(task.measure(["perplexity"], found)["perplexity"]) == pytest.approx(
        loss, rel=1e-4
    )


def _own(encoder: Any, texts: Sequence[str], policy: Windows | None) -> list[int]:
    """Ids of the texts' tokens, of which 10 are read where there are no windows."""
    ids = [encoder.tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return [i for row in ids for i in (row if policy else row[:10])]


def test_choices_are_by_place_and_by_words() -> None:
    task: Task = TASKS["multiple-choice"].model_validate({"type": "multiple-choice"})
    choices = [["a red sun", "a house", "the red fox"], ["a wet fox", "cold ash"],
               ["the sun", "grey dust", "old sun", "the fox"]]  # fmt: skip
    texts = ["who is the fox", "is ash cold", "zebra"]
    rows = pa.table({"text": texts, "choices": choices, "label": ["2", "1", "2"]})
    found = task.baselines({"train": Rows(rows), "test": Rows(rows)})
    # The third is right twice, the second once.
    assert found["majority"]["prediction"].to_pylist() == [2, 1, 2]
    flat = [text for each in choices for text in each]
    likeness = _cosines([*texts, *flat], texts, flat)
    theirs = [int(likeness[i, a:b].argmax()) for i, (a, b) in enumerate([(0, 3), (3, 5), (5, 9)])]
    assert found["tf_idf"]["prediction"].to_pylist() == theirs == [2, 1, 0]
    assert task.measure(["accuracy"], found["tf_idf"]) == {"accuracy": pytest.approx(2 / 3)}
    alone = Rows(rows.drop_columns("text"))
    assert set(task.baselines({"train": alone, "test": alone})) == {"majority"}


def _pairs() -> pa.Table:
    random = np.random.default_rng(6)
    words = [f"x{i}" for i in range(40)]
    texts, pairs, others = (
        [" ".join(random.choice(words, random.integers(1, 9))) for _ in range(30)] for _ in range(3)
    )
    pairs = [f"{pair} {text}" if i % 2 else pair
             for i, (text, pair) in enumerate(zip(texts, pairs, strict=True))]  # fmt: skip
    labels = random.random(30)
    return pa.table({"text": texts, "text_pair": pairs, "negative": others, "label": labels})


def test_embeddings_are_tf_idf() -> None:
    rows = _pairs()
    train, test = rows.slice(0, 10), rows.slice(10)
    known = [*train["text"].to_pylist(), *train["text_pair"].to_pylist()]
    texts, pairs, others = (test[n].to_pylist() for n in ("text", "text_pair", "negative"))
    likeness = _cosines(known, texts, pairs)
    splits: Splits = {"train": Rows(train), "test": Rows(test)}
    task = TASKS["sentence-embedding"].model_validate({"type": "sentence-embedding"})
    found = task.baselines(splits)["tf_idf"]
    near = likeness.diagonal()
    assert found["prediction"].to_pylist() == pytest.approx(near.tolist(), abs=1e-6)
    assert found["rank"].to_pylist() == (likeness >= near[:, None] - 1e-6).sum(axis=1).tolist()
    far = _cosines(known, texts, others).diagonal()
    measured = task.measure(["triplet_accuracy", "mrr", "recall_at_1"], found)
    assert measured["triplet_accuracy"] == (near > far + 1e-9).mean()
    assert 0.5 <= measured["recall_at_1"] < 1
    two: Splits = {n: Rows(s.rows.drop_columns("negative")) for n, s in splits.items()}
    assert task.baselines(two)["tf_idf"].equals(found.drop_columns("negative_similarity"))
    scored = TASKS["sentence-embedding"].model_validate(
        {"type": "sentence-embedding", "objective": {"type": "cosine"}}
    )
    table = scored.baselines(splits)["tf_idf"]
    pearson = np.corrcoef(near, test["label"].to_numpy())[0, 1]
    assert scored.measure(["pearson"], table)["pearson"] == pytest.approx(pearson, abs=1e-5)
