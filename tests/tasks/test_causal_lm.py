"""Causal language models: no later token is seen, and loss and text are those of transformers."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer

from bertspec.catalog.batch import IGNORED
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.export import Shared, Trained
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.long_documents import Windows
from bertspec.catalog.task import LossOptions
from bertspec.catalog.tasks.causal_lm import FAMILIES, CausalLm
from bertspec.core.errors import InputError
from bertspec.runtime.export import exported_module
from bertspec.runtime.inference import DRAW, infer, model_runner
from tests.tasks.language_models import (
    TEXTS,
    answers,
    batch_of,
    encoded,
    make_base,
    make_encoder,
)

make = partial(CausalLm, type="causal-lm")
TASK = make()
LONG = " ".join(TEXTS * 2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("causal") / "base")


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    torch.manual_seed(0)
    built = TASK.build_model(base, None).eval()
    for weights in built.parameters():  # far enough from 0 that tokens differ in what they say
        weights.data += 0.1 * torch.randn_like(weights)
    return built


def _inputs(length: int = 21) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 60, (3, length), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def _with_another(inputs: dict[str, torch.Tensor], place: int) -> dict[str, torch.Tensor]:
    ids = inputs["input_ids"].clone()
    ids[:, place] += 1
    return inputs | {"input_ids": ids}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_model_sees_a_later_token(tmp_path: Path, family: str) -> None:
    model = TASK.build_model(make_base(tmp_path / "base", family), None).eval()
    inputs = _inputs()
    with torch.no_grad():
        before = TASK.forward(model, inputs)
        after = TASK.forward(model, _with_another(inputs, 12))
    assert torch.equal(before[:, :12], after[:, :12])
    assert ((before - after)[[0, 2], 12:].abs().amax(-1) > 0).all()  # later ones do see it


@pytest.fixture(scope="module")
def shared(base: Path) -> Shared:
    """So that the ONNX graph is made once."""
    return Shared(trained=Trained(TASK, base, 70))


@pytest.mark.parametrize("kind", EXPORTS)
def test_no_export_sees_a_later_token(
    tmp_path: Path, model: Any, shared: Shared, kind: str
) -> None:
    """At other sizes than the one that it was traced with, and with padding on the right."""
    export = EXPORTS[kind].model_validate({"type": kind})
    path = tmp_path / export.filename
    export.write(exported_module(model, TASK).eval(), path, shared)
    run = export.runner(path, 1, TASK)
    for length in (17, 21, 70):
        inputs = _inputs(length)
        other = _with_another(inputs, 12)
        before, after = ({n: t.numpy() for n, t in i.items()} for i in (inputs, other))
        with torch.no_grad():
            expected = TASK.forward(model, inputs).numpy()
        found = run(before)
        real = before["attention_mask"] == 1
        np.testing.assert_allclose(found[real], expected[real], atol=1e-4)
        np.testing.assert_allclose(run(after)[:, :12], found[:, :12], atol=1e-6)
        assert (abs(run(after) - found)[0, 12:].max(axis=-1) > 1e-5).all()


def test_padding_changes_nothing(model: Any, base: Path) -> None:
    tokens = encoded(TASK, make_encoder(base), TEXTS)
    together, _ = infer(model_runner(model, TASK), TASK, tokens, 0)
    for text, many in zip(TEXTS, together, strict=True):
        tokens = encoded(TASK, make_encoder(base), [text])
        (alone,), _ = infer(model_runner(model, TASK), TASK, tokens, 0)
        np.testing.assert_allclose(many, alone, atol=1e-4)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "rembert"])
def test_loss_and_perplexity_are_those_of_transformers(tmp_path: Path, family: str) -> None:
    """The ids as labels, which transformers shifts itself; padding has none."""
    base = make_base(tmp_path / "base", family)
    model = TASK.build_model(base, None).eval()
    tokens = encoded(TASK, make_encoder(base), TEXTS)
    batch = batch_of(TASK, tokens, range(len(TEXTS)), DRAW)
    labels = batch.inputs["input_ids"].masked_fill(batch.inputs["attention_mask"] == 0, IGNORED)
    with torch.no_grad():
        reference = model(**batch.inputs, labels=labels)
        total, weight = TASK.loss(TASK.forward(model, batch.inputs), batch, LossOptions())
    theirs = float(reference.loss)
    assert float(total / weight) == pytest.approx(theirs, rel=1e-5)
    assert float(weight) == int(tokens.lengths.sum()) - len(TEXTS)
    kept, loss = infer(model_runner(model, TASK), TASK, tokens, 0)
    assert loss == pytest.approx(theirs, rel=1e-5)
    table = TASK.predictions(pa.table({"text": TEXTS}), tokens, kept, {})
    measured = TASK.measure(["accuracy", "perplexity"], table)
    assert measured["perplexity"] == pytest.approx(np.exp(theirs), rel=1e-5)
    right = reference.logits.argmax(-1)[:, :-1] == labels[:, 1:]
    assert measured["accuracy"] == pytest.approx(float(right.sum() / weight))
    assert table["correct"].to_pylist() == right.sum(dim=1).tolist()


def test_some_rows_are_measured_alone() -> None:
    table = pa.table({"tokens": [2, 4, 0], "correct": [1, 4, 0], "nll": [3.0, 1.0, 0.0]})
    measure = TASK.measurer(["perplexity", "accuracy"], table)
    found = measure(np.ones(3, int))
    assert found == {"perplexity": pytest.approx(np.exp(4 / 6)), "accuracy": 5 / 6}
    assert measure(np.array([2, 0, 0]))["accuracy"] == 0.5
    assert measure(np.array([0, 0, 1])) == {}
    assert TASK.measure(["perplexity"], table.slice(0, 1)) == {"perplexity": np.exp(1.5)}


def test_windows_say_each_token_once_and_the_end_at_the_end(base: Path) -> None:
    encoder = make_encoder(base, 24, Windows(type="windows", stride=6))
    tokens = encoded(TASK, encoder, [LONG, "rain"])
    batch = batch_of(TASK, tokens, range(len(tokens)), DRAW)
    end = encoder.tokenizer.token_to_id("[SEP]")
    said = [[t for t in row if t != IGNORED] for row in batch.targets.tolist()]
    plain = encoder.ids(pa.array([LONG, "rain"]))
    count = int((tokens.examples == 0).sum())
    assert count > 5
    assert sum(said[:count], []) == [*plain.row(0).tolist(), end]  # noqa: RUF017 - a few
    assert said[count:] == [[*plain.row(1).tolist(), end]]


def test_a_text_that_was_cut_has_no_end(base: Path) -> None:
    encoder = make_encoder(base, 16)
    tokens = encoded(TASK, encoder, [LONG, "rain", ""])
    batch = batch_of(TASK, tokens, range(3), DRAW)
    end = encoder.tokenizer.token_to_id("[SEP]")
    assert [(row == end).sum().item() for row in batch.targets] == [0, 1, 1]
    assert (batch.targets != IGNORED).sum(dim=1).tolist()[0] == 14


def _generated(model: Any, base: Path, text: str, longest: int, new: int) -> list[int]:
    """The ids that transformers' own greedy search adds."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode(text).ids[:-1]])
    last = tokenizer.token_to_id("[SEP]") or tokenizer.token_to_id("</s>")
    found = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=1,
        max_new_tokens=min(new, longest - ids.shape[1]), eos_token_id=last, pad_token_id=last,
    )  # fmt: skip
    return found[0, ids.shape[1] :].tolist()


@pytest.mark.parametrize("longest", [64, 16])
def test_a_text_goes_on_as_in_transformers(model: Any, base: Path, longest: int) -> None:
    """All the texts at once, though they end at different steps."""
    task, encoder = make(max_new_tokens=15), make_encoder(base, longest)
    texts = ["the", "seven sailors sang", "rain rain", "a gardener", "nobody", ""]
    found = answers(task, model, encoder, texts)
    reference = Tokenizer.from_file(str(base / "tokenizer.json"))
    lengths, said = set(), set()
    for text, answer in zip(texts, found, strict=True):
        added = _generated(model, base, text, longest, 15)
        lengths.add(len(added))
        said.update(added)
        given = reference.encode(text).ids[:-1]
        assert text + answer["continuation"] == reference.decode([*given, *added])
        assert task.answer_line(answer) == answer["continuation"]
    assert len(said) > 4
    assert longest == 64 or len(lengths) > 1


def test_the_end_of_a_text_ends_it(model: Any, base: Path) -> None:
    """Those it says to be ended are not run again, and the others go on."""
    encoder = make_encoder(base)
    end, other = (encoder.tokenizer.token_to_id(token) for token in ("[SEP]", "a"))
    steps: list[int] = []

    def run(tokens: Any) -> list[Any]:
        steps.append(len(tokens))
        assert not (tokens.ids == end).any()
        return [np.array(end if n > 4 else other) for n in tokens.lengths]

    rows = pa.table({"text": ["a", "a a a", "a a"]})
    found: list[Any] = list(make().respond(rows, encoder, run, {}))
    assert [answer["continuation"] for answer in found] == [" a a a", " a", " a a"]
    assert steps == [3, 3, 2, 1]


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe", "unigram"])
def test_text_and_continuation_read_as_one(tmp_path: Path, tokenizer: str) -> None:
    """What is added is what the tokenizer makes of the rest of the text."""
    encoder = make_encoder(make_base(tmp_path / "base", "bert", tokenizer))
    whole = "seven sailors sang softly while"
    ids = encoder.ids(pa.array([whole])).values.tolist()

    answer: Any

    def run(tokens: Any) -> list[Any]:
        last = tokens.lengths[0] - 1  # less the one before the text
        return [np.array(ids[last])]

    for text in ("seven", "seven sailors sang"):
        added = len(ids) - len(encoder.ids(pa.array([text])).values)
        task = make(max_new_tokens=added)
        (answer,) = task.respond(pa.table({"text": [text]}), encoder, run, {})
        assert text + answer["continuation"] == whole
    if tokenizer == "wordpiece":  # the others have a token for the space
        (answer,) = task.respond(pa.table({"text": [text + " "]}), encoder, run, {})
        assert text + " " + answer["continuation"] == whole


def test_a_text_that_leaves_no_room_is_named(model: Any, base: Path) -> None:
    encoder = make_encoder(base, 24)
    error, said = answers(TASK, model, encoder, [LONG, "rain"])
    assert [said] == answers(TASK, model, encoder, ["rain"])
    (found,) = error.diagnostics
    assert found.code == "E453"
    assert "24 at most" in found.message
    assert LONG[:20] in found.message


def test_a_text_without_a_token_is_named(model: Any, base: Path) -> None:
    tokenizer = json.loads((base / "tokenizer.json").read_text()) | {"post_processor": None}
    encoder = Encoder(Tokenizer.from_str(json.dumps(tokenizer)), 24)
    error, said, other = answers(TASK, model, encoder, ["", "rain", " "])
    assert [said] == answers(TASK, model, encoder, ["rain"])
    assert {found.code for e in (error, other) for found in e.diagnostics} == {"E453"}


@pytest.mark.parametrize("family", ["distilbert", "albert", "mpnet", "deberta-v2", "modernbert"])
def test_a_family_that_sees_all_tokens_is_an_error(tmp_path: Path, family: str) -> None:
    base = make_base(tmp_path / "base", family)
    with pytest.raises(InputError, match=family) as caught:
        TASK.build_model(base, None)
    (found,) = caught.value.diagnostics
    assert found.code == "E403"
    assert "roberta" in (found.help or "")
