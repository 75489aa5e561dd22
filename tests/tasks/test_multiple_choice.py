"""Multiple choice: scores and loss are transformers', with any numbers of choices in a batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy

from bertspec.catalog.long_documents import HeadTail
from bertspec.catalog.task import LossOptions
from bertspec.catalog.task_parts.choosing import cross_entropy_among
from bertspec.catalog.tasks.multiple_choice import MultipleChoice
from bertspec.core.errors import InputError
from bertspec.runtime.inference import infer, model_runner
from tests.tasks.tiny import batch_of, encoder_of, kept_of, tiny_base, tokens_of

TASK = MultipleChoice(type="multiple-choice")
BY_TEXT = MultipleChoice(type="multiple-choice", label="text")

EVEN = pa.table(
    {
        "text": ["the sky is", "grass is", "the night is"],
        "choices": [
            ["green as grass", "blue", "hot"],
            ["cold", "green", "a blue night"],
            ["dark", "sky", "grass is blue"],
        ],
        "label": ["1", "1", "0"],
    }
)
UNEVEN = pa.table(
    {
        "text": ["the sky is", "grass is", "the night is", "the sky"],
        "choices": [["blue", "hot"], ["cold", "green", "hot", "sky"], ["dark", "a sky", "cold"],
                    ["is", "night is dark"]],
        "label": ["0", "1", "2", "1"],
    }
)  # fmt: skip
EXAMPLES = {
    "index": UNEVEN,
    "text": UNEVEN.set_column(2, "label", pa.array(["blue", "green", "cold", "night is dark"])),
}
TEXTS = [
    *EVEN["text"].to_pylist(),
    *(choice for choices in EVEN["choices"].to_pylist() for choice in choices),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("choices"), TEXTS)


def _model(base: Path, task: MultipleChoice = TASK) -> Any:
    torch.manual_seed(0)
    return task.build_model(base, None).eval()


def _located(**columns: Any) -> pa.Table:
    count = len(columns["label"])
    return pa.table(columns | {"file": ["a.jsonl"] * count, "row": list(range(1, count + 1))})


def test_scores_and_loss_are_those_of_transformers(base: Path) -> None:
    """Its own way is (examples, choices, tokens), which needs equal numbers of choices."""
    model, tokens = _model(base), tokens_of(TASK, EVEN, encoder_of(base))
    batch = batch_of(TASK, tokens)
    inputs = {name: part.reshape(3, 3, -1) for name, part in batch.inputs.items()}
    labels = torch.tensor([int(label) for label in EVEN["label"].to_pylist()])
    expected = model(**inputs, labels=labels)
    with torch.no_grad():
        outputs = TASK.forward(model, batch.inputs)
    assert outputs.shape == (9, 1)
    torch.testing.assert_close(outputs.reshape(3, 3), expected.logits)
    total, weight = TASK.loss(outputs, batch, LossOptions())
    torch.testing.assert_close(total / weight, expected.loss)


def test_a_sequence_is_the_pair_of_text_and_choice(base: Path) -> None:
    encoder = encoder_of(base)
    encoded = TASK.encode(UNEVEN, encoder)
    pairs = [
        (text, choice)
        for text, choices in zip(*(UNEVEN[c].to_pylist() for c in ("text", "choices")), strict=True)
        for choice in choices
    ]
    expected = encoder.tokenizer.encode_batch(pairs)
    assert encoded["input_ids"].to_pylist() == [e.ids for e in expected]
    assert encoded["token_type_ids"].to_pylist() == [e.type_ids for e in expected]
    assert encoded["example"].to_pylist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3]
    assert encoded["is_right"].to_pylist() == [1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1]
    lengths = [len(e.ids) for e in expected]
    assert encoded["length"].to_pylist() == [
        sum(lengths[:2]), 0, sum(lengths[2:6]), 0, 0, 0, sum(lengths[6:9]), 0, 0,
        sum(lengths[9:]), 0,
    ]  # fmt: skip


@pytest.mark.parametrize("task", [TASK, BY_TEXT])
def test_a_split_without_rows_is_encoded(base: Path, task: MultipleChoice) -> None:
    some, none = (
        task.encode(rows, encoder_of(base))
        for rows in (EXAMPLES[task.label], EXAMPLES[task.label].slice(0, 0))
    )
    assert len(none) == 0
    assert none.schema == some.schema


def test_choices_may_stand_alone(base: Path) -> None:
    encoder = encoder_of(base)
    encoded = TASK.encode(UNEVEN.drop_columns(["text"]), encoder)
    choices = [choice for choices in UNEVEN["choices"].to_pylist() for choice in choices]
    expected = encoder.tokenizer.encode_batch(choices)
    assert encoded["input_ids"].to_pylist() == [e.ids for e in expected]


@pytest.mark.parametrize("long_documents", [None, HeadTail(type="head-tail", head=0.5)])
def test_long_pairs_fit(base: Path, long_documents: HeadTail | None) -> None:
    rows = pa.table(
        {"text": ["the sky is blue " * 9], "choices": [["dark " * 9, "hot"]], "label": ["0"]}
    )
    encoded = TASK.encode(rows, encoder_of(base, 16, long_documents))
    assert max(len(ids) for ids in encoded["input_ids"].to_pylist()) == 16
    assert encoded["lost"].to_pylist()[0] > 0
    assert encoded["lost"].to_pylist()[1] == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_sum_of_each_examples_cross_entropy(base: Path, smoothing: float) -> None:
    model, tokens = _model(base), tokens_of(TASK, UNEVEN, encoder_of(base))
    borders = [(0, 2), (2, 6), (6, 9), (9, 11)]
    order = [2, 0, 3, 1]
    batch = batch_of(TASK, tokens, [i for e in order for i in range(*borders[e])])
    outputs = TASK.forward(model, batch.inputs)
    total, weight = TASK.loss(outputs, batch, LossOptions(label_smoothing=smoothing))
    sizes = [borders[e][1] - borders[e][0] for e in order]
    expected = sum(
        cross_entropy(
            scores.reshape(1, -1),
            torch.tensor([int(UNEVEN["label"][e].as_py())]),
            label_smoothing=smoothing,
        )
        for scores, e in zip(outputs.split(sizes), order, strict=True)
    )
    assert weight == 4
    torch.testing.assert_close(total, expected)
    total.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(g.isfinite().all() for g in gradients)


def test_a_loss_that_is_no_number_is_not_hidden() -> None:
    scores = torch.tensor([[0.0, float("nan")], [1.0, 2.0]])
    total, _ = cross_entropy_among(scores, torch.tensor([0, 0]), 0.1)
    assert total.isnan()


def test_the_loss_of_a_split_does_not_depend_on_its_batches(base: Path) -> None:
    rows = pa.concat_tables([UNEVEN] * 40)
    model, tokens = _model(base), tokens_of(TASK, rows, encoder_of(base))
    kept, loss = infer(model_runner(model, TASK), TASK, tokens, 0)
    batch = batch_of(TASK, tokens)
    with torch.no_grad():
        outputs = TASK.forward(model, batch.inputs)
        total, weight = TASK.loss(outputs, batch, LossOptions())
    assert loss == pytest.approx(float(total / weight), abs=1e-6)
    np.testing.assert_allclose(np.stack(kept), outputs.numpy(), atol=1e-6)


def test_predictions_are_the_highest_scores_and_their_shares(base: Path) -> None:
    tokens = tokens_of(TASK, UNEVEN, encoder_of(base))
    kept = [np.array([v], np.float32) for v in (1, 2, 0, 3, 3, -1, 5, 4, 2, -1000, 1000)]
    found = TASK.predictions(UNEVEN, tokens, kept, {}).to_pylist()
    assert [row["prediction"] for row in found] == [1, 1, 0, 1]
    assert [row["choice"] for row in found] == ["hot", "green", "dark", "night is dark"]
    for row, scores in zip(found, ([1, 2], [0, 3, 3, -1], [5, 4, 2], [-1000, 1000]), strict=True):
        powers = np.exp(np.array(scores, float) - max(scores))
        assert row["scores"] == pytest.approx((powers / powers.sum()).tolist(), abs=1e-7)


def test_accuracy_and_its_baseline() -> None:
    table = pa.table(
        {
            "prediction": [0, 1, 2, 1],
            "gold": [0, 1, 0, 1],
            "scores": [[0.6, 0.4], [0.2, 0.3, 0.3, 0.2], [0.1, 0.4, 0.5], [0.4, 0.6]],
        }
    )
    assert TASK.measure(["accuracy"], table) == {"accuracy": 0.75}
    assert TASK.measurer(["accuracy"], table)(np.array([1, 0, 2, 0])) == {"accuracy": 1 / 3}
    chance, _ = TASK.baseline(table)
    assert chance == pytest.approx((1 / 2 + 1 / 4 + 1 / 3 + 1 / 2) / 4)


def test_gold_is_the_number_whatever_the_label_is() -> None:
    by_text = EXAMPLES["text"]
    assert TASK.gold(UNEVEN)["gold"].to_pylist() == [0, 1, 2, 1]
    assert BY_TEXT.gold(by_text)["gold"].to_pylist() == [0, 1, 2, 1]
    TASK.check_targets(_located(**{c: UNEVEN[c] for c in ("choices", "label")}))
    BY_TEXT.check_targets(_located(**{c: by_text[c] for c in ("choices", "label")}))


@pytest.mark.parametrize(
    ("task", "choices", "label", "message"),
    [
        (TASK, ["a", "b"], "2", "`2` is no number of a choice, from 0 to 1"),
        (TASK, ["a", "b"], "-1", "`-1` is no number"),
        (TASK, ["a", "b"], "1.0", "`1.0` is no number"),
        (TASK, ["a", "b"], "b", "`b` is no number"),
        (TASK, ["a", "b"], "99999999999999999999", "is no number"),
        (TASK, ["a"], "0", "1 choices"),
        (TASK, [], "0", "0 choices"),
        (BY_TEXT, ["a", "b"], "c", "`c` is none of the choices"),
        (BY_TEXT, ["a", "b"], "A", "`A` is none of the choices"),
        (BY_TEXT, ["a", "b", "a"], "a", "`a` is 2 of the choices"),
        (BY_TEXT, ["a"], "a", "1 choices"),
    ],
)
def test_a_row_without_a_right_choice_is_named(
    task: MultipleChoice, choices: list[str], label: str, message: str
) -> None:
    rows = _located(
        choices=pa.array([["a", "b"], choices, ["b", "a"]], pa.list_(pa.string())),
        label=["a" if task is BY_TEXT else "0", label, "b" if task is BY_TEXT else "1"],
    )
    with pytest.raises(InputError) as caught:
        task.check_targets(rows)
    (found,) = caught.value.diagnostics
    assert found.code == "E341"
    assert found.message.startswith("a.jsonl, row 2: ")
    assert message in found.message


def test_many_wrong_rows_are_counted() -> None:
    rows = _located(choices=[["a", "b"]] * 30, label=["5"] * 30)
    with pytest.raises(InputError, match="30 rows in all") as caught:
        TASK.check_targets(rows)
    assert len(caught.value.diagnostics) == 11


def test_an_input_with_one_choice_is_refused(base: Path) -> None:
    choices = [["blue"], ["red", "green"], []]
    rows = pa.table({"text": ["the sky is"] * 3, "choices": choices})

    def run(tokens: Any) -> Any:
        return np.array([[0.0], [1.0]], np.float32)[: len(tokens)]

    few, answer, none = TASK.respond(rows, encoder_of(base), run, {})
    assert isinstance(answer, dict)
    assert answer["chosen"] == "green"
    for error in (few, none):
        assert isinstance(error, InputError)
        assert error.diagnostics[0].code == "E453"


def test_an_answer_has_the_choice_and_its_text(base: Path) -> None:
    rows = UNEVEN.drop_columns(["label"])

    def run(tokens: Any) -> Any:
        return kept_of(TASK, base, tokens_of(TASK, UNEVEN, encoder_of(base)))

    answers: Any = TASK.respond(rows, encoder_of(base), run, {})
    for answer, choices in zip(answers, UNEVEN["choices"].to_pylist(), strict=True):
        assert answer["chosen"] == choices[answer["choice"]]
        assert answer["choice"] == int(np.argmax(answer["probabilities"]))
        assert sum(answer["probabilities"]) == pytest.approx(1)
        assert answer["chosen"] in TASK.answer_line(answer)


@pytest.mark.parametrize("model_type", ["roberta", "electra", "distilbert", "modernbert"])
def test_other_families_score_pairs_as_transformers_does(model_type: str, tmp_path: Path) -> None:
    base = tiny_base(tmp_path, TEXTS, model_type=model_type, **_sizes(model_type))
    model, tokens = _model(base), tokens_of(TASK, EVEN, encoder_of(base))
    batch = batch_of(TASK, tokens)
    inputs = {name: part.reshape(3, 3, -1) for name, part in batch.inputs.items()}
    with torch.no_grad():
        outputs, expected = TASK.forward(model, batch.inputs), model(**inputs).logits
    torch.testing.assert_close(outputs.reshape(3, 3), expected)


def _sizes(model_type: str) -> dict[str, Any]:
    if model_type == "distilbert":
        return {"without": "intermediate_size", "hidden_dim": 64}
    return {}


def test_a_family_without_such_a_head_is_refused(tmp_path: Path) -> None:
    base = tiny_base(tmp_path, TEXTS, model_type="deberta")
    with pytest.raises(InputError, match="no AutoModelForMultipleChoice for `deberta`") as caught:
        TASK.build_model(base, None)
    assert caught.value.diagnostics[0].code == "E403"
