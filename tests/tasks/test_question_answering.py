"""Question answering: metrics of SQuAD's scripts, positions of transformers, spans of the text."""

import collections
import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer

from bertspec.catalog.batch import Batch, Draw, Tokens, padded, tokens_of_new
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import Truncate, Windows
from bertspec.catalog.metrics.squad import METRICS, measurer, scores
from bertspec.catalog.task import LossOptions
from bertspec.catalog.task_parts.spans import best_span, best_threshold
from bertspec.catalog.tasks.question_answering import QuestionAnswering
from bertspec.core.errors import InputError
from bertspec.pipeline.params.columns import Columns
from bertspec.runtime.mapping import map_columns
from tests.data.test_encoding import made

TASK = QuestionAnswering(type="question-answering")
ALWAYS = QuestionAnswering(type="question-answering", unanswerable=False)


# SQuAD's scripts, as they are but for their names.


def normalize_answer(s: str) -> str:
    def remove_articles(text: str) -> str:
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def f1_of_1_1(prediction: str, ground_truth: str) -> float:
    prediction_tokens = normalize_answer(prediction).split()
    ground_truth_tokens = normalize_answer(ground_truth).split()
    common = collections.Counter(prediction_tokens) & collections.Counter(ground_truth_tokens)
    num_same = sum(common.values())
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(prediction_tokens)
    recall = 1.0 * num_same / len(ground_truth_tokens)
    return (2 * precision * recall) / (precision + recall)


def f1_of_2_0(a_gold: str, a_pred: str) -> float:
    gold_toks = normalize_answer(a_gold).split() if a_gold else []
    pred_toks = normalize_answer(a_pred).split() if a_pred else []
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    return f1_of_1_1(a_pred, a_gold)


def scores_of_1_1(gold: list[str], said: str) -> tuple[float, float]:
    exact = max(normalize_answer(said) == normalize_answer(text) for text in gold)
    return float(exact), max(f1_of_1_1(said, text) for text in gold)


def scores_of_2_0(gold: list[str], said: str) -> tuple[float, float]:
    right = [text for text in gold if normalize_answer(text)] or [""]
    exact = max(int(normalize_answer(text) == normalize_answer(said)) for text in right)
    return float(exact), float(max(f1_of_2_0(text, said) for text in right))


def find_best_thresh(
    preds: list[str], scores: list[float], na_probs: list[float], has_ans: list[bool]
) -> tuple[float, float]:
    cur_score = best_score = float(sum(not has for has in has_ans))
    best_thresh = 0.0
    for i in sorted(range(len(preds)), key=lambda k: na_probs[k]):
        cur_score += scores[i] if has_ans[i] else -1 if preds[i] else 0
        if cur_score > best_score:
            best_score = cur_score
            best_thresh = na_probs[i]
    return best_score, best_thresh


WORDS = st.lists(
    st.sampled_from(["the", "The", "a", "an", "x", "y", "Ünï", "İ", "ß.", ",", "«", "の", "1.5"])
    | st.text(max_size=4),
    max_size=5,
).map(" ".join)


@given(st.lists(WORDS, max_size=4), WORDS)
def test_a_row_is_scored_as_by_evaluate_v2(gold: list[str], said: str) -> None:
    assert scores(gold, said) == scores_of_2_0(gold, said)


@given(st.lists(WORDS.filter(normalize_answer), min_size=1, max_size=4), WORDS)
def test_a_row_is_scored_as_by_evaluate_v1(gold: list[str], said: str) -> None:
    assert scores(gold, said) == scores_of_1_1(gold, said)


GOLD = pa.array([["a cat", "dog"], [], ["the"], []], pa.list_(pa.string()))
SAID = pa.array(["Dog!", "", "fox", "fox"])


def test_metrics_are_means_over_the_rows_that_they_are_of() -> None:
    measure = measurer(METRICS, pa.table({"gold": GOLD, "prediction": SAID}))
    assert measure(np.ones(4, int)) == {
        "exact_match": 0.5, "f1": 0.5, "exact_match_answerable": 0.5, "f1_answerable": 0.5,
        "exact_match_unanswerable": 0.5,
    }  # fmt: skip
    assert measure(np.array([2, 0, 1, 0])) == pytest.approx(
        dict.fromkeys(METRICS[:4], 2 / 3), rel=1e-12
    )
    assert measure(np.array([0, 1, 0, 0])) == dict.fromkeys(
        ("exact_match", "f1", "exact_match_unanswerable"), 1.0
    )
    assert TASK.baseline(pa.table({"gold": GOLD})) == (0.5, "never giving an answer")
    assert ALWAYS.baseline(pa.table({"gold": GOLD}))[0] == 0.0


# The threshold.


@given(st.data())
def test_the_threshold_is_as_good_as_that_of_the_script(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(-50, 50), min_size=1, max_size=12, unique=True))
    has_answer = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    f1 = [data.draw(shares) if has else 0.0 for has in has_answer]
    best, script = find_best_thresh(["x"] * len(f1), f1, [-float(v) for v in values], has_answer)
    gains = np.array([f if has else -1.0 for f, has in zip(f1, has_answer, strict=True)])
    found = best_threshold(np.array(values, float), gains)
    nothing = sum(not has for has in has_answer)
    assert nothing + gains[np.array(values) >= found].sum() == best
    if best > nothing:  # the script's own default would give answers that are wrong
        assert [v >= found for v in values] == [-v <= script for v in values]
    assert min(abs(found - v) for v in values) >= 0.5, "no row is near the threshold"


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([-1.0, 0.0, 0.5, 1.0])), min_size=1))
def test_rows_of_one_score_stay_together(rows: list[tuple[int, float]]) -> None:
    values, gains = (np.array(column, float) for column in zip(*rows, strict=True))
    found = best_threshold(values, gains)
    sums = [gains[values >= level].sum() for level in (*range(-4, 5), np.inf)]
    assert gains[values >= found].sum() == max(sums)
    fewest = min(n for n, s in ((int((values >= v).sum()), gains[values >= v].sum())
                 for v in (*range(-4, 5), np.inf)) if s == max(sums))  # fmt: skip
    assert (values >= found).sum() == fewest


def test_no_threshold_lies_between_equal_rows() -> None:
    """Their scores differ by how they were padded, and will otherwise in another runtime."""
    values = np.array([7.0, 5.000001, 5.0, 4.999999, 1.0])
    assert best_threshold(values, np.array([1.0, 1.0, -1.0, -1.0, -1.0])) == pytest.approx(6)
    assert best_threshold(values, np.array([1.0, -1.0, 1.0, 1.0, -1.0])) == pytest.approx(3)


def test_a_context_without_a_token_moves_no_threshold() -> None:
    assert best_threshold(np.array([-np.inf]), np.array([-1.0])) == 0.0
    assert best_threshold(np.array([-np.inf, 3.0]), np.array([-1.0, 1.0])) == 2.0


# The best span.


@given(st.data())
def test_the_best_span_is_the_first_of_the_best(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    logits = np.array(
        data.draw(st.lists(st.integers(-3, 3), min_size=2 * count, max_size=2 * count)), float
    ).reshape(count, 2)
    own_start = data.draw(st.integers(0, count - 1))
    own_end = data.draw(st.integers(own_start + 1, count))
    longest = data.draw(st.integers(1, 20))
    spans = [
        (logits[i, 0] + logits[j, 1], i, j)
        for i in range(own_start, own_end)
        for j in range(i, min(i + longest, count))
    ]
    assert best_span(logits, own_start, own_end, longest) == max(spans, key=lambda span: span[0])


NAMES = ["uncased", "cased", "roberta", "roberta-prefix", "unigram"]
TEXT = st.lists(
    st.sampled_from(["In", " ", "the Hague", "\n", "İstanbul", "naïve", "ﬁ", "日本", "👩‍🚀", "x."])
    | st.text(st.characters(codec="utf-8"), max_size=3),
    max_size=14,
).map("".join)
POLICY = st.one_of(
    st.just(Truncate()), st.integers(0, 3).map(lambda n: Windows(type="windows", stride=n))
)


def _encoded(
    task: QuestionAnswering, rows: Any, tokenizer: Tokenizer, length: int, policy: Any
) -> Tokens:
    return tokens_of_new(task.encode(rows, Encoder(tokenizer, length, policy)), "mean")


@settings(max_examples=200)
@given(st.data(), st.sampled_from(NAMES), POLICY, st.booleans())
def test_an_answer_is_a_part_of_the_context(
    data: st.DataObject, name: str, policy: Any, unanswerable: bool
) -> None:
    task = TASK if unanswerable else ALWAYS
    contexts = data.draw(st.lists(TEXT, min_size=1, max_size=4))
    rows = pa.table({"question": ["who ?"] * len(contexts), "context": contexts})
    tokens = _encoded(task, rows, Tokenizer.from_str(made(name)), 16, policy)
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    kept = [generator.normal(size=(n, 2)).astype(np.float32) for n in tokens.lengths]
    found = task.predictions(rows, tokens, kept, {"null_threshold": 0.5}).to_pylist()
    starts = tokens.columns["context_starts"].to_pylist()
    has_token = {e for e, s in zip(tokens.examples.tolist(), starts, strict=True) if s}
    for example, (row, context) in enumerate(zip(found, contexts, strict=True)):
        answer = task.answer(row)
        if answer["answer"] is None:
            assert (answer["start"], answer["end"], row["prediction"]) == (None, None, "")
        else:
            assert answer["answer"] == context[answer["start"] : answer["end"]]
            assert answer["answer"] == answer["answer"].strip()
        if answer["score"] is None:
            assert example not in has_token
        elif unanswerable and answer["score"] < 0.5:
            assert answer["answer"] is None
        elif name in ("uncased", "cased"):  # their tokens are never white space alone
            assert answer["answer"]
        json.dumps(answer, allow_nan=False)


def test_the_window_that_owns_an_answers_first_token_has_it() -> None:
    """Windows over the tokens 0 to 4 and 3 to 7, of which they own 0 to 3 and 4 to 7."""
    task = QuestionAnswering(type="question-answering", null_threshold=1.5)
    rows = pa.table({"question": ["x", "x"], "context": ["x y z x the x y z", ""]})
    policy = Windows(type="windows", stride=2)
    tokens = _encoded(task, rows, Tokenizer.from_str(made("uncased")), 9, policy)
    assert tokens.examples.tolist() == [0, 0, 1]
    assert tokens.numbers("place").tolist() == [3, 3, 3]
    kept = [np.zeros((n, 2), np.float32) for n in tokens.lengths]
    kept[0][0], kept[1][0] = [0.5, 0.5], [-1, -1]
    kept[0][3 + 4] = [90, 9]  # a start that the second window owns, as `the` there
    kept[1][3 + 1] = [4, 4]
    kept[1][3 + 0] = [90, 90]  # and one that the first owns
    row, empty = task.predictions(rows, tokens, kept, {}).to_pylist()
    assert row == {
        "prediction": "x y z x the", "start": 0, "end": 11, "score": 9 - -2, "null_score": -2
    }  # fmt: skip
    assert empty == {
        "prediction": "", "start": None, "end": None, "score": None, "null_score": 0.0
    }  # fmt: skip


# Targets.


def _rows(contexts: list[str], answers: list[Any]) -> pa.Table:
    kind = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    return pa.table(
        {
            "question": ["who was it ?"] * len(contexts), "context": contexts,
            "answers": pa.array(answers, kind), "file": ["a.json"] * len(contexts),
            "row": range(1, len(contexts) + 1),
        }
    )  # fmt: skip


def _learnt(rows: pa.Table, tokens: Tokens) -> dict[int, list[str]]:
    """What each row's windows learn to answer, as characters of the context."""
    contexts = rows["context"].to_pylist()
    found: dict[int, list[str]] = {i: [] for i in range(len(rows))}
    columns = tokens.columns.to_pylist()
    for example, at in zip(tokens.examples.tolist(), columns, strict=True):
        first, last = at["start_position"] - at["place"], at["end_position"] - at["place"]
        if at["start_position"]:
            start, end = at["context_starts"][first], at["context_ends"][last]
            found[example].append(contexts[example][start:end])
            assert at["own_start"] <= first < at["own_end"]
        else:
            assert at["end_position"] == 0
    return found


@given(st.data(), st.sampled_from(NAMES), st.integers(0, 3))
def test_an_answer_is_learnt_in_one_window_or_none(
    data: st.DataObject, name: str, stride: int
) -> None:
    context = data.draw(TEXT.filter(str.strip))
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answer = {"text": [context[start:end]], "answer_start": [start]}
    rows = _rows([context, context], [answer, {"text": [], "answer_start": []}])
    TASK.check_targets(rows)
    policy = Windows(type="windows", stride=stride)
    tokenizer = Tokenizer.from_str(made(name))
    learnt = _learnt(rows, _encoded(TASK, rows, tokenizer, 16, policy))
    assert learnt[1] == []
    assert len(learnt[0]) <= 1
    # In one piece it is found, with the rest of the tokens that it begins and ends in.
    whole = _learnt(rows, _encoded(TASK, rows, tokenizer, 2000, policy))
    assert whole[1] == []
    offsets = tokenizer.encode(context, add_special_tokens=False).offsets
    touched = [(first, last) for first, last in offsets if last > start and first < end]
    if touched and sorted(offsets) == offsets:
        assert whole[0] == [context[touched[0][0] : touched[-1][1]]]
    elif not touched:
        assert whole[0] == []


def test_the_first_of_several_answers_is_learnt() -> None:
    answers = [{"text": ["y z", "x"], "answer_start": [2, 0]}]
    rows = _rows(["x y z"], answers)
    tokens = _encoded(TASK, rows, Tokenizer.from_str(made("uncased")), 16, Truncate())
    assert _learnt(rows, tokens) == {0: ["y z"]}
    assert TASK.gold(rows)["gold"].to_pylist() == [["y z", "x"]]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"text": ["xyz"], "answer_start": [0]}, "the nearest is at 3"),
        ({"text": ["nowhere"], "answer_start": [0]}, "it is nowhere in the context"),
        ({"text": [""], "answer_start": [0]}, "an empty answer"),
        ({"text": ["xyz"], "answer_start": [-3]}, "the nearest is at 3"),
        ({"text": ["xyz"], "answer_start": []}, "1 texts and 0 offsets"),
    ],
)
def test_an_answer_that_is_not_there_is_named(answer: Any, said: str) -> None:
    good = {"text": ["xyz"], "answer_start": [3]}
    with pytest.raises(InputError) as caught:
        TASK.check_targets(_rows(["in xyz"] * 2, [good, answer]))
    (found,) = caught.value.diagnostics
    assert found.code == "E329"
    assert found.message.startswith("a.json, row 2: ")
    assert said in found.message
    with pytest.raises(InputError) as caught:
        TASK.check_targets(_rows(["in xyz"] * 30, [answer] * 30))
    assert caught.value.diagnostics[-1].message == "20 more rows are wrong"


def test_a_row_without_answer_is_wrong_where_each_has_one() -> None:
    rows = _rows(["x"], [{"text": [], "answer_start": []}])
    TASK.check_targets(rows)
    with pytest.raises(InputError, match=r"^there is no answer: a\.json, row 1$"):
        ALWAYS.check_targets(rows)
    with pytest.raises(InputError, match=r"row 9; a\.json, row 10, and 2 more$"):
        ALWAYS.check_targets(_rows(["x"] * 12, [SQUAD[1]] * 12))
    assert TASK.unmeasurable("f1_answerable", rows) == "no row of the split has an answer"
    assert TASK.unmeasurable("exact_match_unanswerable", rows) is None
    answered = _rows(["x"], [{"text": ["x"], "answer_start": [0]}])
    assert TASK.unmeasurable("f1_answerable", answered) is None
    reason = TASK.unmeasurable("exact_match_unanswerable", answered)
    assert reason == "all rows of the split have an answer"
    with pytest.raises(InputError, match="gives texts"):
        TASK.check_targets(rows.set_column(2, "answers", pa.array(["x"])))


# Columns of answers.


def _mapped(values: pa.Array) -> Any:
    table = pa.table({"found": values})
    columns = Columns.model_validate({"answers": "found"})
    return map_columns(table, columns, [], ["found"], lambda row: f"a.jsonl row {row + 1}")


SQUAD = [{"text": ["x", "yé"], "answer_start": [3, 0]}, {"text": [], "answer_start": []}]


def test_answers_are_structs_or_their_json() -> None:
    large = pa.struct(
        [
            ("answer_start", pa.large_list(pa.int64())), ("text", pa.large_list(pa.large_string())),
            ("more", pa.int8()),
        ]
    )  # fmt: skip
    texts = pa.array([json.dumps(value) for value in SQUAD])
    found = [_mapped(values)["answers"] for values in (pa.array(SQUAD, large), texts)]
    assert found[0].type == found[1].type
    assert found[0].to_pylist() == found[1].to_pylist() == SQUAD


@pytest.mark.parametrize(
    ("values", "code"),
    [
        (pa.array([json.dumps(SQUAD[0]), "Rome"]), "E319"),
        (pa.array(['{"text": ["x"]}']), "E319"),
        (pa.array(['{"text": "x", "answer_start": 1}']), "E319"),
        (pa.array(['{"text": ["x"], "answer_start": [true]}']), "E319"),
        (pa.array(['{"text": ["x"], "answer_start": [1e3]}']), "E319"),
        (pa.array(['{"text": ["x"], "answer_start": [9876543210]}']), "E319"),
        (pa.array(['{"text": ["\\ud800"], "answer_start": [1]}']), "E319"),
        (pa.array(['["x"]']), "E319"),
        (pa.array(["[" * 100_000]), "E319"),
        (pa.array([{"text": ["x"]}]), "E319"),
        (pa.array([{"text": "x", "answer_start": 1}]), "E319"),
        (pa.array([SQUAD[0], None]), "E310"),
        (pa.array([json.dumps(SQUAD[0]), " ", None]), "E310"),
        (pa.array([["x"]]), "E314"),
    ],
)
def test_what_are_no_answers(values: pa.Array, code: str) -> None:
    with pytest.raises(InputError) as caught:
        _mapped(values)
    assert [d.code for d in caught.value.diagnostics] == [code]


# Against transformers.


def test_loss_and_outputs_are_those_of_transformers() -> None:
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64,
    )  # fmt: skip
    model = BertForQuestionAnswering(config).eval()
    answers = [{"text": ["the"], "answer_start": [5]}, SQUAD[1]]
    rows = _rows(["x in the in", "x"], answers)
    tokens = _encoded(TASK, rows, Tokenizer.from_str(made("uncased")), 32, Truncate())
    numbers = np.arange(2)
    inputs = {n: torch.from_numpy(a) for n, a in padded(tokens, numbers, 0).items()}
    batch = TASK.collate(Batch(numbers, inputs, torch.empty(0)), tokens, Draw(0, 0))
    starts, ends = batch.targets.T
    assert starts[0] > 0
    assert starts[1] == 0
    expected = model(**inputs, start_positions=starts, end_positions=ends)
    outputs = TASK.forward(model, inputs)
    assert torch.equal(outputs[..., 0], expected.start_logits)
    assert torch.equal(outputs[..., 1], expected.end_logits)
    total, weight = TASK.loss(outputs, batch, LossOptions())
    # Theirs, without padding: ours does not depend on what else is in the batch.
    lengths = batch.lengths.tolist()
    alone = [
        model(
            **{name: value[i : i + 1, : lengths[i]] for name, value in inputs.items()},
            start_positions=starts[i : i + 1],
            end_positions=ends[i : i + 1],
        ).loss
        for i in range(2)
    ]
    torch.testing.assert_close(total / weight, torch.stack(alone).mean())
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    kept = TASK.keep(outputs.detach().numpy(), arrays, None)
    assert [k.shape for k in kept] == [(n, 2) for n in tokens.lengths]


def test_a_dropout_of_the_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        TASK.build_model(tmp_path, 0.1)
    assert caught.value.diagnostics[0].code == "E403"


def test_windows_of_squad_are_those_of_transformers(shared: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    max_length, stride = 128, 32
    path = shared / "squad" / "squad-v2-dev-5-articles.json"
    qas = [
        (qa["question"], paragraph["context"], qa["answers"])
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ][::3]
    answers = [
        {"text": [a["text"] for a in found], "answer_start": [a["answer_start"] for a in found]}
        for _, _, found in qas
    ]
    rows = _rows([context for _, context, _ in qas], answers)
    questions = [question for question, _, _ in qas]
    rows = rows.set_column(0, "question", pa.array(questions))
    TASK.check_targets(rows)
    tokenizer = Tokenizer.from_str(made("minilm"))
    policy = Windows(type="windows", stride=stride)
    tokens = _encoded(TASK, rows, tokenizer, max_length, policy)
    expected = PreTrainedTokenizerFast(tokenizer_object=tokenizer)(
        questions, rows["context"].to_pylist(), truncation="only_second", max_length=max_length,
        stride=stride, return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    assert tokens.examples.tolist() == list(expected["overflow_to_sample_mapping"])
    assert len(tokens) > len(rows)
    for i, at in enumerate(tokens.columns.to_pylist()):
        window = slice(tokens.offsets[i], tokens.offsets[i + 1])
        assert tokens.ids[window].tolist() == expected["input_ids"][i]
        mine = [place for place, side in enumerate(expected.sequence_ids(i)) if side == 1]
        offsets = [expected["offset_mapping"][i][place] for place in mine]
        assert at["place"] == mine[0]
        assert list(zip(at["context_starts"], at["context_ends"], strict=True)) == offsets
    learnt = _learnt(rows, tokens)
    answered = [i for i, answer in enumerate(answers) if answer["text"]]
    right = sum(
        [normalize_answer(text) for text in learnt[i]] == [normalize_answer(answers[i]["text"][0])]
        for i in answered
    )
    assert right / len(answered) > 0.98
    assert not any(learnt[i] for i in set(range(len(rows))) - set(answered))


# Options.


def test_options() -> None:
    def options(**given: Any) -> QuestionAnswering:
        return QuestionAnswering.model_validate({"type": "question-answering", **given})

    assert options().null_threshold == "tuned"
    assert options(null_threshold=-1).null_threshold == -1.0
    for wrong in ({"null_threshold": "best"}, {"max_answer_tokens": 0}, {"unanswerable": "no"}):
        with pytest.raises(ValidationError):
            options(**wrong)
    assert options(null_threshold=2.5).decide(pa.table({}), None, []) == {"null_threshold": 2.5}  # type: ignore[arg-type]
    assert ALWAYS.decide(pa.table({}), None, []) == {}  # type: ignore[arg-type]
    assert TASK.answer_line({"answer": None}) == "(no answer)"
