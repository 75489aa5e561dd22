"""Byte-level BPE and Unigram from scratch: the same bytes always, and as RoBERTa's and ALBERT's."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tokenizers import AddedToken, Tokenizer
from transformers import AutoConfig, AutoModel, AutoTokenizer, RobertaTokenizer

from bertspec.catalog.bases.bpe import FEWEST, Bpe
from bertspec.catalog.bases.families import positions
from bertspec.catalog.bases.scratch import ScratchBase
from bertspec.catalog.bases.tokenizer import TrainedTokenizer
from bertspec.catalog.bases.unigram import LONGEST, RESERVED, Unigram
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.core.errors import InputError
from bertspec.runtime.stage import run_stage
from tests.model.models import build, python
from tests.projects import SPEC, Project

ROOT = str(Path(__file__).parents[2])
TEXTS = (
    "a warm FILM, number 41!", "čafés  映画 zzz", "", "  unlike every\tminute\n\n of it", "ﬁne ½ …",
    "it's <s> not [MASK] here</s>", "don't <mask> [SEP] \u00a0 ▁ 😀",
)  # fmt: skip
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
}  # fmt: skip


def words(count: int = 4000) -> list[str]:
    """Texts of made-up words, some of them often: enough that sums differ by their order."""
    random = Random(5)  # noqa: S311 - no secret
    syllables = [a + b for a in "bcdfgklmnprst" for b in ("a", "e", "i", "o", "ou", "ü", "映")]
    made = ["".join(random.choices(syllables, k=random.randint(1, 4))) for _ in range(1500)]
    weights = [1 / (place + 1) for place in range(len(made))]
    return [" ".join(random.choices(made, weights, k=8)) for _ in range(count)]


def bpe(entries: int = 600, **options: Any) -> Bpe:
    return Bpe.model_validate({"type": "bpe", "vocab_size": entries, **options})


def unigram(entries: int = 600, **options: Any) -> Unigram:
    return Unigram.model_validate({"type": "unigram", "vocab_size": entries, **options})


def base(model_type: str, tokenizer: TrainedTokenizer, **config: Any) -> ScratchBase:
    config = {"model_type": model_type, "max_position_embeddings": 64, **SIZES} | config
    options = {"type": "scratch", "config": config, "tokenizer": tokenizer.model_dump()}
    return ScratchBase.model_validate(options)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return words()


@pytest.fixture(scope="module", params=[bpe, unigram], ids=["bpe", "unigram"])
def trained(request: pytest.FixtureRequest, texts: list[str]) -> Tokenizer:
    return request.param().train(texts)


@pytest.fixture(scope="module", params=["roberta", "albert"])
def folder(
    request: pytest.FixtureRequest, texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The usual pairs of an architecture and a tokenizer."""
    root = tmp_path_factory.mktemp(request.param)
    tokenizer = bpe() if request.param == "roberta" else unigram()
    return build(base(request.param, tokenizer), root / "base", root, pa.table({"text": texts}))


def test_processes_with_other_seeds_and_threads_train_the_same_tokenizers(
    texts: list[str], tmp_path: Path
) -> None:
    """The stock trainer of Unigram adds up in the order of a hash map, one sum a thread."""
    code = """
import json, sys
from bertspec.catalog.bases.bpe import Bpe
from bertspec.catalog.bases.unigram import Unigram
kinds, texts = json.load(open(sys.argv[1], encoding="utf-8"))
for kind, options in zip((Bpe, Unigram), kinds):
    sys.stdout.write(kind.model_validate(options).train(texts).to_str(pretty=True))
"""
    given = tmp_path / "given.json"
    kinds = [kind.model_dump() for kind in (bpe(), unigram())]
    given.write_text(json.dumps([kinds, texts]), encoding="utf-8")
    found = set()
    for seed, (threads, parallel) in enumerate(
        [("1", "true"), ("2", "true"), ("4", "true"), ("4", "false"), ("3", "true")]
    ):
        env = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": ROOT, "PYTHONIOENCODING": "utf-8"}
        env |= {"RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": parallel}
        found.add(python(code, str(given), **env))
    assert len(found) == 1


def test_training_again_here_gives_the_same(texts: list[str], trained: Tokenizer) -> None:
    kind = bpe() if trained.token_to_id("</s>") is not None else unigram()
    for _ in range(3):
        assert kind.train(texts).to_str() == trained.to_str()


@pytest.mark.parametrize("kind", [bpe(), unigram()], ids=["bpe", "unigram"])
def test_the_order_of_the_texts_means_nothing(kind: TrainedTokenizer, texts: list[str]) -> None:
    assert kind.train(texts[::-1]).to_str() == kind.train(texts).to_str()


def test_a_base_is_the_same_from_another_process(folder: Path, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import pyarrow as pa
from tests.model.models import build
from tests.model.test_tokenizers import base, bpe, unigram, words
kind = bpe() if sys.argv[1] == "roberta" else unigram()
build(base(sys.argv[1], kind), Path(sys.argv[2]), Path(), pa.table({"text": words()}))
"""
    model_type = json.loads((folder / "config.json").read_text())["model_type"]
    python(code, model_type, str(tmp_path / "base"), PYTHONHASHSEED="7", PYTHONPATH=ROOT)
    names = sorted(p.name for p in folder.iterdir())
    assert names == sorted(p.name for p in (tmp_path / "base").iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "base" / name).read_bytes(), name


def test_ids_have_no_gap_and_special_tokens_come_first(trained: Tokenizer) -> None:
    vocabulary = trained.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert len(vocabulary) == 600
    first = sorted(vocabulary, key=vocabulary.__getitem__)[:5]
    assert first in (
        ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
    )


def test_bpe_is_robertas_over_its_vocabulary(texts: list[str]) -> None:
    ours = bpe().train(texts)
    model = json.loads(ours.to_str())["model"]
    merges: Any = [tuple(merge) for merge in model["merges"]]
    assert len(merges) == 600 - FEWEST
    theirs = RobertaTokenizer(
        vocab=model["vocab"],
        merges=merges,
        add_prefix_space=True,
        mask_token=AddedToken("<mask>", lstrip=True),  # type: ignore[arg-type]
    )
    for text in TEXTS:
        for pair in (None, *filter(None, TEXTS)):
            expected = theirs(text, pair)["input_ids"]
            found = ours.encode(text) if pair is None else ours.encode(text, pair)
            assert found.ids == expected
            assert set(found.type_ids) == {0}
    tokens = ours.encode("a", "b").tokens
    assert [t for t in tokens if t.startswith("<")] == ["<s>", "</s>", "</s>", "</s>"]


@pytest.mark.parametrize("text", TEXTS)
def test_bpe_knows_every_text(text: str, texts: list[str]) -> None:
    tokenizer = bpe(add_prefix_space=False).train(texts)
    tokenizer.encode_special_tokens = True
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_options_of_bpe(texts: list[str]) -> None:
    spaced, bare = bpe().train(texts), bpe(add_prefix_space=False).train(texts)
    assert spaced.encode("ba").ids == spaced.encode(" ba").ids
    assert bare.encode("ba").ids != bare.encode(" ba").ids
    lower = bpe(lowercase=True).train(["ONCE Upon"] * 9)
    assert lower.encode("once upon").ids == lower.encode("ONCE UPON").ids
    assert "Ġonce" in lower.get_vocab()
    seldom = bpe(min_frequency=3).train(["aba aba cdc"])
    assert seldom.get_vocab_size() == FEWEST
    assert bpe(min_frequency=1).train(["aba aba cdc"]).token_to_id("Ġcdc") is not None


def test_unigram_puts_a_pair_as_albert_does(texts: list[str]) -> None:
    tokenizer = unigram().train(texts)
    first, second = texts[0].split()[0], texts[0].split()[1]
    pair = tokenizer.encode(first, second)
    ends = [i for i, token in enumerate(pair.tokens) if token == "[SEP]"]
    assert pair.tokens[0] == "[CLS]"
    assert ends == [ends[0], len(pair) - 1]
    assert pair.type_ids == [0] * (ends[0] + 1) + [1] * (len(pair) - ends[0] - 1)
    assert pair.tokens[1].startswith("▁")
    assert tokenizer.decode(tokenizer.encode(texts[0]).ids) == texts[0]


def test_unigram_normalizes_by_nfkc(texts: list[str]) -> None:
    tokenizer = unigram().train([*texts, "fine film"])
    assert (
        tokenizer.encode("ﬁne \uff46\uff49\uff4c\uff4d").ids
        == tokenizer.encode("fine\u3000 film").ids
    )
    lower = unigram(lowercase=True).train(["ONCE Upon"] * 9)
    assert lower.encode("once upon").ids == lower.encode("ONCE UPON").ids


def test_unigram_is_as_short_as_what_sentencepiece_learns_from_the_texts(tmp_path: Path) -> None:
    import sentencepiece

    texts = words(1000)
    ours = unigram(300, character_coverage=1.0).train(texts)
    (tmp_path / "texts").write_text("\n".join(texts), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "texts"), model_prefix=str(tmp_path / "model"), vocab_size=300 - 4,
        character_coverage=1.0, bos_id=-1, eos_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model.model"))
    found = sum(len(ours.encode(text, add_special_tokens=False)) for text in texts)
    assert found < 1.03 * sum(len(theirs.encode(text)) for text in texts)
    frequent = [word for word, _ in Counter(" ".join(texts).split()).most_common(20)]
    # Nothing is learned across scripts.
    assert {f"▁{word}" for word in frequent if "映" not in word} <= ours.get_vocab().keys()


def test_rare_characters_are_unknown_to_unigram() -> None:
    texts = ["a common word of the film"] * 2000 + ["qqaqq"]
    few, all_ = unigram().train(texts), unigram(character_coverage=1.0).train(texts)
    unknown = few.token_to_id("<unk>")
    assert unknown in few.encode("qa").ids
    assert unknown not in all_.encode("qa").ids
    found = Encoder(few, 16).encode(pa.array(["qa film", "film"])).unknown
    assert found.tolist() == [1, 0]


@pytest.mark.parametrize("character", RESERVED)
def test_a_character_of_sentencepiece_hides_no_word(character: str) -> None:
    tokenizer = unigram(character_coverage=1.0).train([f"{character}hidden{character}"] * 9)
    assert "hidden" in tokenizer.get_vocab()


def test_unigram_learns_from_text_without_spaces() -> None:
    """It is one word for sentencepiece, which would leave out so long a one."""
    random = Random(5)  # noqa: S311 - no secret
    texts = ["".join(random.choices(["映画", "東京", "の"], k=LONGEST)) for _ in range(5)]
    assert {"映画", "東京"} <= unigram().train(texts).get_vocab().keys()


@pytest.mark.parametrize(
    ("kind", "size"), [(bpe, FEWEST), (bpe, 300), (unigram, 16), (unigram, 40), (unigram, 5000)]
)
@pytest.mark.parametrize(
    "given",
    [[], [""], ["a"], ["  \n"], ["a a a a"], ["z" * 5000], ["\0▅"], ["[SEP] <s>"] * 99, TEXTS],
    ids=lambda given: repr(given)[:12],
)
def test_a_vocabulary_is_no_larger_than_asked_and_smaller_where_text_is_little(
    kind: Any, size: int, given: Sequence[str]
) -> None:
    tokenizer = kind(size).train(given)
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) <= size
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert max(tokenizer.encode(" ".join(TEXTS)).ids) < len(vocabulary)
    assert Tokenizer.from_str(tokenizer.to_str()).to_str() == tokenizer.to_str()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "bpe", "vocab_size": FEWEST - 1}, "greater than or equal to 261"),
        ({"type": "unigram", "vocab_size": 15}, "greater than or equal to 16"),
        ({"type": "unigram", "vocab_size": 99, "character_coverage": 1.5}, "less than or equal"),
        ({"type": "unigram", "vocab_size": 99, "add_prefix_space": True}, "add_prefix_space"),
        ({"type": "sentencepiece", "vocab_size": 99}, "'wordpiece', 'bpe', 'unigram'"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScratchBase.model_validate(
            {"type": "scratch", "config": {"model_type": "bert"}, "tokenizer": options}
        )


def test_transformers_loads_it_with_equal_ids(folder: Path) -> None:
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        found = theirs(text, return_token_type_ids=True)
        expected = ours.encode(text)
        assert found["input_ids"] == expected.ids
        for pair in filter(None, TEXTS):
            expected = ours.encode(text, pair)
            found = theirs(text, pair, return_token_type_ids=True)
            assert found["input_ids"] == expected.ids
            assert found["token_type_ids"] == expected.type_ids
    assert len(theirs) == ours.get_vocab_size()
    config = AutoConfig.from_pretrained(folder)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        assert getattr(theirs, name) == getattr(config, name), name
    for name in ("unk_token", "mask_token", "cls_token", "sep_token", "pad_token"):
        assert ours.token_to_id(getattr(theirs, name)) is not None
    assert theirs.model_max_length == (62 if config.model_type == "roberta" else 64)
    assert config.vocab_size == ours.get_vocab_size()


def test_the_model_takes_as_many_tokens_as_said(folder: Path) -> None:
    import torch

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    longest = tokenizer.model_max_length
    batch = tokenizer(["a " * 200, "a"], truncation=True, padding=True, return_tensors="pt")
    assert batch["input_ids"].shape == (2, longest)
    with torch.no_grad():
        assert model(**batch).last_hidden_state.isfinite().all()
    more = torch.full((1, longest + 1), 5)
    with pytest.raises((IndexError, RuntimeError)):
        model(more)


@pytest.mark.parametrize(
    ("model_type", "kind", "ids"),
    [
        ("roberta", bpe(), {"bos": 0, "pad": 1, "eos": 2}),
        ("xlm-roberta", unigram(), {"pad": 0, "bos": 2, "eos": 3}),
        ("albert", bpe(), {"bos": 0, "pad": 1, "eos": 2}),
        ("modernbert", bpe(), {"cls": 0, "bos": 0, "pad": 1, "sep": 2, "eos": 2}),
        ("bert", bpe(), {"pad": 1, "bos": None, "eos": None}),
    ],
    ids=str,
)
def test_a_config_has_the_tokenizers_ids(
    model_type: str, kind: TrainedTokenizer, ids: dict[str, int], tmp_path: Path
) -> None:
    made = build(base(model_type, kind), tmp_path / "base", tmp_path, pa.table({"text": TEXTS}))
    config = AutoConfig.from_pretrained(made)
    assert {name: getattr(config, f"{name}_token_id") for name in ids} == ids


def test_a_roberta_with_wordpiece_has_its_ids(tmp_path: Path) -> None:
    options = base("roberta", bpe()).model_dump()
    options["tokenizer"] = {"type": "wordpiece", "vocab_size": 60}
    scratch = ScratchBase.model_validate(options)
    made = build(scratch, tmp_path / "base", tmp_path, pa.table({"text": TEXTS}))
    config = AutoConfig.from_pretrained(made)
    assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 2, 3)
    assert AutoTokenizer.from_pretrained(made).model_max_length == 63
    assert positions(scratch.known_config(tmp_path) or {}) == 63


@pytest.mark.parametrize("key", ["bos_token_id", "eos_token_id", "pad_token_id", "vocab_size"])
def test_an_id_in_the_config_is_a_clear_error(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        build(
            base("roberta", bpe(), **{key: 0}),
            tmp_path / "base", tmp_path, pa.table({"text": TEXTS}),
        )  # fmt: skip
    assert f"`{key}`" in caught.value.diagnostics[0].message
    assert "the tokenizer gives it" in caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    "kind",
    [bpe(), bpe(add_prefix_space=False), bpe(lowercase=True), unigram(), unigram(lowercase=True)],
    ids=lambda kind: json.dumps(kind.model_dump())[9:60],
)
@pytest.mark.parametrize("longest", [5, 16, 512])
def test_columns_are_encoded_as_the_tokenizer_encodes(
    kind: TrainedTokenizer, longest: int, texts: list[str]
) -> None:
    tokenizer = kind.train(texts)
    encoder = Encoder(tokenizer, longest)
    rows = [*TEXTS, *texts[:50], " ".join(texts[:60])]
    other = rows[::-1]
    tokenizer.enable_truncation(longest)
    for given in (rows, list(zip(rows, other, strict=True))):
        expected = tokenizer.encode_batch(given)
        pairs = None if given is rows else pa.array(other)
        found = encoder.encode(pa.array(rows), pairs)
        assert found.input_ids.to_pylist() == [e.ids for e in expected]
        assert found.token_type_ids.to_pylist() == [e.type_ids for e in expected]


def test_checking_a_spec_with_them_needs_no_library_of_tokens() -> None:
    code = """
import sys
from tests.projects import SPEC
from bertspec.catalog.bases.scratch import ScratchBase
for tokenizer in ({"type": "bpe", "vocab_size": 300}, {"type": "unigram", "vocab_size": 300}):
    made = ScratchBase.model_validate(SPEC["model"]["base"] | {"tokenizer": tokenizer})
    print(made.packages()[-1])
print(sorted({"torch", "transformers", "tokenizers", "sentencepiece"} & set(sys.modules)))
"""
    found = python(code, PYTHONPATH=ROOT)
    assert found.split("\n")[:3] == ["torch", "sentencepiece", "[]"]


@pytest.mark.parametrize(
    ("model_type", "tokenizer"),
    [
        ("roberta", {"type": "bpe", "vocab_size": 400}),
        ("albert", {"type": "unigram", "vocab_size": 200}),
    ],
    ids=["roberta", "albert"],
)
def test_a_project_trains_and_predicts_with_them(
    model_type: str, tokenizer: dict[str, Any], project: Project
) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"]["model_type"] = model_type
    spec["model"]["base"]["tokenizer"] = tokenizer
    project.write_spec(spec)
    project.compile()
    for name in project.stages():
        run_stage(name, project.root)
    assert project.metrics()["test"]["accuracy"] > 0.9
    said = project.bertspec("predict", "tiny", "a warm and funny film", "a dull and clumsy film")
    assert [line.split()[0] for line in said.splitlines()] == ["good", "bad"]


def test_a_text_may_be_as_long_as_roberta_has_positions(project: Project) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"]["model_type"] = "roberta"
    spec["model"]["base"]["tokenizer"] = {"type": "bpe", "vocab_size": 400}
    spec["tokenization"]["max_length"] = 63
    project.write_spec(spec)
    assert "E111" in project.bertspec("validate", code=2)
    spec["tokenization"]["max_length"] = 62
    spec["training"]["epochs"] = 1
    spec["export"] = []
    project.write_spec(spec)
    rows = [(f"{'very ' * 80} {i}", "good" if i % 2 else "bad") for i in range(60)]
    project.write_rows(rows)
    project.compile()
    for name in project.stages():
        run_stage(name, project.root)
    assert project.metrics()["train"]["loss"] > 0
