"""Masked language models: against transformers' own, and how often which words are hidden."""

import hashlib
import struct
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM

from bertspec.catalog.batch import IGNORED, Draw, Tokens
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.long_documents import Windows
from bertspec.catalog.task import LossOptions
from bertspec.catalog.task_parts.masking import Replace
from bertspec.catalog.tasks.masked_lm import MaskedLm
from bertspec.core.errors import InputError
from bertspec.runtime.inference import DRAW, infer, model_runner
from tests.tasks.language_models import (
    TEXTS,
    answers,
    batch_of,
    encoded,
    make_base,
    make_encoder,
    run_model,
)

make = partial(MaskedLm, type="masked-lm")
TASK = make()
LONG = " ".join(TEXTS * 4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("masked") / "base")


def _hidden(task: MaskedLm, tokens: Tokens, epochs: int) -> list[tuple[Any, Any, Any]]:
    """Ids, what the model sees, and targets of all sequences, in each epoch."""
    rows = range(len(tokens))
    plain = np.concatenate([tokens.ids[s:e] for s, e in _spans(tokens)])
    found = []
    for epoch in range(epochs):
        batch = batch_of(task, tokens, rows, Draw(1, epoch))
        real = batch.inputs["attention_mask"].bool()
        found.append((plain, batch.inputs["input_ids"][real].numpy(), batch.targets[real].numpy()))
    return found


def _id(encoder: Encoder, token: str) -> int:
    found = encoder.tokenizer.token_to_id(token)
    assert found is not None
    return found


def _spans(tokens: Tokens) -> list[tuple[int, int]]:
    return list(zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True))


def _words(tokens: Tokens) -> Any:
    return np.array([w for row in tokens.columns["words"].to_pylist() for w in row])


FAMILIES = (
    "bert", "roberta", "distilbert", "albert", "electra", "mpnet", "deberta-v2", "modernbert",
)  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_training_has_the_gradients_of_transformers(tmp_path: Path, family: str) -> None:
    """Although the head sees hidden tokens alone."""
    base = make_base(tmp_path / "base", family)
    model = TASK.build_model(base, None).eval()
    batch = batch_of(TASK, encoded(TASK, make_encoder(base), TEXTS), range(len(TEXTS)), DRAW)
    model(**batch.inputs, labels=batch.targets).loss.backward()
    theirs = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    total, weight = TASK.loss(TASK.forward_for_loss(model, batch), batch, LossOptions())
    (total / weight).backward()
    assert len(theirs) > 10
    for name, parameter in model.named_parameters():
        if name in theirs:
            assert parameter.grad is not None
            torch.testing.assert_close(parameter.grad, theirs[name], rtol=1e-4, atol=1e-6)
    assert model(**batch.inputs).logits.dim() == 3, "and is whole again"


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_perplexity_are_those_of_transformers(tmp_path: Path, family: str) -> None:
    """The same ids and masks through the model's own loss, which is a mean over hidden tokens."""
    base = make_base(tmp_path / "base", family)
    model = TASK.build_model(base, None).eval()
    tokens = encoded(TASK, make_encoder(base), TEXTS)
    batch = batch_of(TASK, tokens, range(len(TEXTS)), DRAW)
    with torch.no_grad():
        theirs = float(model(**batch.inputs, labels=batch.targets).loss)
        total, weight = TASK.loss(TASK.forward(model, batch.inputs), batch, LossOptions())
    assert float(total / weight) == pytest.approx(theirs, rel=1e-5)
    kept, loss = infer(model_runner(model, TASK), TASK, tokens, 0)
    assert loss == pytest.approx(theirs, rel=1e-5)
    table = TASK.predictions(pa.table({"text": TEXTS}), tokens, kept, {})
    measured = TASK.measure(["perplexity", "accuracy"], table)
    assert measured["perplexity"] == pytest.approx(np.exp(theirs), rel=1e-5)
    with torch.no_grad():
        said = model(**batch.inputs).logits.argmax(-1)
    right = (said == batch.targets)[batch.targets != IGNORED].float().mean()
    assert measured["accuracy"] == pytest.approx(float(right))
    one = batch_of(TASK, tokens, [2], DRAW)
    with torch.no_grad():
        alone = float(model(**one.inputs, labels=one.targets).loss)
    assert table["prediction"][2].as_py() == pytest.approx(np.exp(alone), rel=1e-4)
    assert table["tokens"].to_pylist() == (batch.targets != IGNORED).sum(dim=1).tolist()


def test_words_are_hidden_as_often_as_asked(base: Path) -> None:
    """15 % of the words; of their tokens 80 % the mask, 10 % any, 10 % as they were."""
    task, encoder = make(whole_words=False), make_encoder(base, 512)
    words_of = LONG.split()
    texts = [" ".join(np.random.default_rng(i).permutation(words_of)) for i in range(20)]
    tokens = encoded(task, encoder, texts)
    mask = _id(encoder, "[MASK]")
    plain, seen, targets = (np.concatenate(a) for a in zip(*_hidden(task, tokens, 4), strict=True))
    hidden = targets != IGNORED
    words = np.tile(_words(tokens) >= 0, 4)
    assert (plain[hidden] == targets[hidden]).all()
    assert (plain[~hidden] == seen[~hidden]).all()
    count = int(words.sum())
    _expect(int(hidden.sum()), count, 0.15)
    ids, new = plain[hidden], seen[hidden]
    entries = encoder.tokenizer.get_vocab_size()
    _expect(int((new == mask).sum()), len(ids), 0.8 + 0.1 / entries)
    _expect(int((new == ids).sum()), len(ids), 0.1 + 0.1 / entries)
    others = new[(new != mask) & (new != ids)]
    assert len(set(others.tolist())) > 0.9 * entries
    assert others.max() < entries


def _expect(found: int, of: int, share: float) -> None:
    """Within four standard deviations of a binomial draw."""
    assert of > 2000
    assert abs(found - of * share) < 4 * (of * share * (1 - share)) ** 0.5


def test_the_shares_are_options(base: Path) -> None:
    tokens = encoded(TASK, make_encoder(base, 512), [LONG])
    task = make(probability=0.5, replace=Replace(mask=0.0, random=0.0))
    for plain, seen, targets in _hidden(task, tokens, 3):
        assert (plain == seen).all()
        assert 0.3 < (targets != IGNORED).mean() < 0.7
    found = list(make(replace=Replace(mask=0.7, random=0.4)).conflicts(["text"]))
    assert [path for path, _, _ in found] == [("replace",)]
    assert not list(TASK.conflicts(["text"]))


def test_all_tokens_of_a_word_are_hidden_or_none(base: Path) -> None:
    encoder = make_encoder(base, 512)
    tokens = encoded(TASK, encoder, [LONG, *TEXTS])
    words = _words(tokens) + 1000 * np.repeat(np.arange(len(tokens)), tokens.lengths)
    several = 0
    for _, _, targets in _hidden(TASK, tokens, 5):
        for word in np.unique(words[_words(tokens) >= 0]):
            hidden = targets[words == word] != IGNORED
            assert hidden.all() or not hidden.any()
            several += hidden.all() and len(hidden) > 1
    assert several > 20


def test_words_are_those_of_the_text(base: Path) -> None:
    tokens = encoded(TASK, make_encoder(base), ["the unhappy, [MASK] baker"])
    encoding = Tokenizer.from_file(str(base / "tokenizer.json")).encode("the unhappy, [MASK] baker")
    assert tokens.ids.tolist() == encoding.ids
    special = {"[CLS]", "[SEP]", "[MASK]", "[UNK]"}
    expected = [
        -1 if word is None or token in special else word
        for token, word in zip(encoding.tokens, encoding.word_ids, strict=True)
    ]
    assert _words(tokens).tolist() == expected
    assert len(set(expected)) < len([w for w in expected if w >= 0])


@pytest.mark.parametrize("whole_words", [True, False])
def test_special_tokens_are_never_hidden_and_each_text_has_a_hidden_token(
    base: Path, whole_words: bool
) -> None:
    task, encoder = make(whole_words=whole_words, probability=0.01), make_encoder(base)
    tokens = encoded(task, encoder, [*TEXTS, "rain [SEP] [PAD] 映", "", "映"])
    special = [_id(encoder, token) for token in ("[CLS]", "[SEP]", "[PAD]", "[UNK]")]
    for epoch in range(30):
        batch = batch_of(task, tokens, range(len(tokens)), Draw(0, epoch))
        assert not np.isin(batch.targets.numpy(), special).any()
        hidden = (batch.targets != IGNORED).sum(dim=1).tolist()
        assert min(hidden[:6]) >= 1
        assert hidden[6:] == [0, 0]
    assert _loss(task, base, tokens, [6, 7]) == 0.0  # and no 0 / 0


def _loss(task: MaskedLm, base: Path, tokens: Tokens, rows: list[int]) -> float:
    batch = batch_of(task, tokens, rows, DRAW)
    outputs = task.forward(task.build_model(base, None), batch.inputs)
    total, weight = task.loss(outputs, batch, LossOptions())
    loss = total / weight
    loss.backward()
    return float(loss.detach())


def test_blank_texts_measure_nothing(base: Path) -> None:
    blank = pa.table({"text": ["", " "]})
    assert "has a word" in (TASK.unmeasurable("accuracy", blank) or "")
    assert TASK.unmeasurable("accuracy", pa.table({"text": ["", "rain"]})) is None
    tokens = encoded(TASK, make_encoder(base), ["", " "])
    kept, _ = infer(model_runner(TASK.build_model(base, None), TASK), TASK, tokens, 0)
    table = TASK.predictions(blank, tokens, kept, {})
    assert table["prediction"].to_pylist() == [None, None]
    assert TASK.measure(["accuracy", "perplexity"], table) == {}


def test_what_is_hidden_is_a_function_of_seed_epoch_and_row(base: Path) -> None:
    """Not of the order of a batch, nor of what else is in it."""
    policy = Windows(type="windows", stride=4)
    tokens = encoded(TASK, make_encoder(base, 24, policy), [*TEXTS, LONG, LONG + " end"])

    def draw(rows: list[int], seed: int = 0, epoch: int = 0) -> dict[int, Any]:
        batch = batch_of(TASK, tokens, rows, Draw(seed, epoch))
        pairs = zip(batch.inputs["input_ids"].tolist(), batch.targets.tolist(), strict=True)
        lengths = tokens.lengths[rows]
        return {r: (i[:n], t[:n]) for r, n, (i, t) in zip(rows, lengths, pairs, strict=True)}

    rows = list(range(len(tokens)))
    together = draw(rows)
    assert draw(rows[::-1]) == together
    assert {r: draw([r])[r] for r in rows} == together
    assert sum(draw(rows, epoch=1)[r] == together[r] for r in rows) < len(rows) / 4
    assert sum(draw(rows, seed=1)[r] == together[r] for r in rows) < len(rows) / 4
    # The two long texts begin with the same window.
    first = [int(np.flatnonzero(tokens.examples == e)[0]) for e in (5, 6)]
    assert together[first[0]] == together[first[1]]


@pytest.mark.parametrize("whole_words", [True, False])
def test_what_is_drawn_never_changes(base: Path, whole_words: bool) -> None:
    """Beside one row after another, in plain Python: else a model would have other bits."""
    task, policy = make(whole_words=whole_words, probability=0.3), Windows(type="windows", stride=4)
    encoder = make_encoder(base, 24, policy)
    tokens = encoded(task, encoder, [*TEXTS, "", LONG])
    rows = [*reversed(range(len(tokens))), 0, 2, 2]
    batch = batch_of(task, tokens, rows, Draw(5, 3))
    width, columns = int(tokens.lengths.max()), tokens.columns.to_pylist()
    several = 0
    for row, ids, targets in zip(
        rows, batch.inputs["input_ids"].tolist(), batch.targets.tolist(), strict=True
    ):
        plain = tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]].tolist()
        expected = _drawn(plain, columns[row], 0.3, b"5 3", _id(encoder, "[MASK]"), encoder)
        padding = width - len(plain)
        assert (ids, targets) == (
            expected[0] + [0] * padding,
            expected[1] + [IGNORED] * padding,
        )
        several += sum(target != IGNORED for target in targets) > 1
    assert several > 3


def _drawn(
    ids: list[int], own: dict[str, Any], probability: float, key: bytes, mask: int, encoder: Encoder
) -> tuple[list[int], list[int]]:
    """What the model sees of a sequence, and the targets."""
    words, said = own["words"], range(own["own_start"], own["own_end"])
    packed = struct.pack(f"<{len(ids)}i", *ids)
    digest = hashlib.blake2b(packed, digest_size=16, key=key).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
    candidates = sorted({words[place] for place in said} - {-1})
    draws = generator.random(len(candidates)).tolist() if candidates else []
    chosen = {word for word, draw in zip(candidates, draws, strict=True) if draw < probability}
    if candidates and not chosen:
        chosen = {candidates[draws.index(min(draws))]}
    hidden = [place for place, word in enumerate(words) if word in chosen]
    kinds = generator.random(len(hidden)).tolist()
    others = generator.integers(encoder.tokenizer.get_vocab_size(), size=len(hidden)).tolist()
    seen, targets = list(ids), [IGNORED] * len(ids)
    for place, kind, other in zip(hidden, kinds, others, strict=True):
        seen[place] = mask if kind < 0.8 else other if kind < 0.9 else ids[place]
        if place in said:
            targets[place] = ids[place]
    return seen, targets


@pytest.mark.parametrize("whole_words", [True, False])
def test_windows_count_each_token_once(base: Path, whole_words: bool) -> None:
    task = make(whole_words=whole_words, probability=0.999)
    encoder = make_encoder(base, 24, Windows(type="windows", stride=6))
    tokens = encoded(task, encoder, [LONG])
    assert len(tokens) > 5
    batch = batch_of(task, tokens, range(len(tokens)), DRAW)
    said = batch.targets[batch.targets != IGNORED].tolist()
    plain = encoder.ids(pa.array([LONG])).values.tolist()
    assert said == plain
    sure = make(whole_words=whole_words, probability=0.5, replace=Replace(mask=1.0, random=0.0))
    mask = _id(encoder, "[MASK]")
    words = tokens.columns["words"].to_pylist()
    batch = batch_of(sure, tokens, range(len(tokens)), DRAW)
    for row, numbers in enumerate(words):  # a word on a border is hidden whole, too
        seen = batch.inputs["input_ids"][row][: len(numbers)] == mask
        for word in set(numbers) - {-1}:
            hidden = seen[torch.tensor(numbers) == word]
            assert hidden.all() or not hidden.any()


@pytest.mark.parametrize("tokenizer", ["wordpiece", "bpe", "unigram"])
def test_fills_are_the_likeliest_tokens_of_the_model(tmp_path: Path, tokenizer: str) -> None:
    base = make_base(tmp_path / "base", "bert", tokenizer)
    task, encoder = make(top_k=3), make_encoder(base)
    model = task.build_model(base, None).eval()
    texts = ["the [MASK] baker", "[MASK] sailors sang [MASK]"]
    found = answers(task, model, encoder, texts)
    assert [len(answer["fills"]) for answer in found] == [1, 2]
    spelling = "<mask>" if tokenizer == "bpe" else "[MASK]"
    reference = Tokenizer.from_file(str(base / "tokenizer.json"))
    for text, answer in zip(texts, found, strict=True):
        ids = torch.tensor([reference.encode(text.replace("[MASK]", spelling)).ids])
        with torch.no_grad():
            shares = model(input_ids=ids).logits[0].softmax(-1)
        places = (ids[0] == _id(encoder, spelling)).nonzero()[:, 0]
        for fills, place in zip(answer["fills"], places, strict=True):
            best = shares[place].topk(3)
            said = [reference.decode([i], skip_special_tokens=False) for i in best.indices.tolist()]
            assert [fill["token"] for fill in fills] == said
            assert [fill["score"] for fill in fills] == pytest.approx(
                best.values.tolist(), rel=1e-4
            )
        assert task.answer_line(answer).count(" | ") == len(answer["fills"]) - 1
    both = answers(task, model, encoder, [f"the {spelling} baker"])
    assert both[0]["fills"][0][0]["token"] == found[0]["fills"][0][0]["token"]


def test_a_mask_that_two_windows_have_is_filled_once(base: Path) -> None:
    words = LONG.split()
    words[3::5] = ["[MASK]"] * len(words[3::5])
    encoder = make_encoder(base, 24, Windows(type="windows", stride=8))
    (answer,) = answers(TASK, TASK.build_model(base, None).eval(), encoder, [" ".join(words)])
    assert len(answer["fills"]) == words.count("[MASK]")


def test_a_text_without_a_mask_is_named(base: Path) -> None:
    encoder, model = make_encoder(base, 16), TASK.build_model(base, None).eval()
    for text in ("no mask here", f"{LONG} [MASK]"):
        (filled,) = answers(TASK, model, encoder, ["a [MASK]"])
        filled_too, error = answers(TASK, model, encoder, ["a [MASK]", text])
        assert filled_too["fills"][0][0]["token"] == filled["fills"][0][0]["token"]
        (found,) = error.diagnostics
        assert found.code == "E453"
        assert text[:12] in found.message


def test_a_mask_that_the_model_does_not_read_is_told(base: Path) -> None:
    """In place of fewer fills than masks."""
    encoder, model = make_encoder(base, 16), TASK.build_model(base, None).eval()
    texts = ["[MASK] " * 30, f"a [MASK] and {LONG}", f"a [MASK] {LONG} [MASK]", f"{LONG} [MASK]"]
    many, one, two, none = answers(TASK, model, encoder, texts)
    assert "has 30 of [MASK], and the model reads 14 of them" in str(many)
    assert len(one["fills"]) == 1
    assert "has 2 of [MASK], and the model reads 1 of them" in str(two)
    assert "has 1 of [MASK], and the model reads 0 of them" in str(none)
    assert {error.diagnostics[0].code for error in (many, two, none)} == {"E453"}
    windows = make_encoder(base, 16, Windows(type="windows", stride=4))
    assert [len(a["fills"]) for a in answers(TASK, model, windows, texts)] == [30, 1, 2, 1]


def test_a_tokenizer_without_a_mask_is_an_error(tmp_path: Path, base: Path) -> None:
    text = (base / "tokenizer.json").read_text(encoding="utf-8").replace("[MASK]", "[HIDE]")
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"neither \[MASK\]") as caught:
        encoded(TASK, make_encoder(tmp_path), TEXTS)
    assert caught.value.diagnostics[0].code == "E312"


def test_a_base_with_a_head_keeps_it_and_others_get_one(tmp_path: Path, base: Path) -> None:
    model = AutoModelForMaskedLM.from_pretrained(base)
    torch.nn.init.normal_(model.cls.predictions.bias)
    folder = _with_tokenizer_of(base, tmp_path / "headed")
    model.save_pretrained(folder)
    loaded = TASK.build_model(folder, None)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    new: Any = TASK.build_model(base, None)
    assert torch.equal(new.cls.predictions.decoder.weight, new.get_input_embeddings().weight)


def test_a_base_that_does_not_fit_is_an_error(tmp_path: Path, base: Path) -> None:
    with pytest.raises(InputError) as caught:
        TASK.build_model(base, 0.1)
    assert caught.value.diagnostics[0].code == "E403"
    folder = _with_tokenizer_of(base, tmp_path / "cut")
    (folder / "config.json").write_bytes((base / "config.json").read_bytes())
    weights = load_file(base / "model.safetensors")
    lost = next(name for name in weights if "attention" in name)
    save_file({n: t for n, t in weights.items() if n != lost}, folder / "model.safetensors")
    with pytest.raises(InputError) as caught:
        TASK.build_model(folder, None)
    assert caught.value.diagnostics[0].code == "E402"
    save_file(weights, folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.add_tokens(["onemore"])
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(InputError) as caught:
        TASK.build_model(folder, None)
    assert caught.value.diagnostics[0].code == "E406"


def _with_tokenizer_of(base: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    return folder


def test_an_answer_does_not_depend_on_padding(base: Path) -> None:
    model, tokens = TASK.build_model(base, None).eval(), encoded(TASK, make_encoder(base), TEXTS)
    run = run_model(TASK, model)
    together = run(tokens)
    for text, many in zip(TEXTS, together, strict=True):
        (alone,) = run(encoded(TASK, make_encoder(base), [text]))
        assert many.shape == alone.shape
        np.testing.assert_allclose(many[..., 1], alone[..., 1], rtol=1e-4)
