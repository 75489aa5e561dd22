"""A base from scratch: the same bytes from every process, and a tokenizer as BERT's."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel, BertTokenizer

from bertspec.catalog.bases.families import family, positions
from bertspec.core.errors import InputError
from bertspec.core.manifest import digest_files
from tests.model.models import build, python, scratch

ROOT = str(Path(__file__).parents[2])
TEXTS = ("A warm FILM, number 41!", "čafés 映画 zzz", "", "unlike every minute")


def test_five_processes_train_the_same_tokenizer(tiny: Path) -> None:
    """The stock trainer numbers pieces in the order of a hash map that is seeded anew."""
    code = """
import sys
from bertspec.catalog.bases.wordpiece import train_wordpiece
from tests.model.models import prepare
texts = prepare()["text"].to_pylist()
sys.stdout.write(train_wordpiece(texts, 200, lowercase=True).to_str(pretty=True))
"""
    expected = (tiny / "tokenizer.json").read_text(encoding="utf-8")
    for seed in range(5):
        env = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": ROOT, "PYTHONIOENCODING": "utf-8"}
        assert python(code, **env) == expected


def test_another_process_makes_the_same_base(tmp_path: Path, tiny: Path) -> None:
    code = """
import sys
from pathlib import Path
from tests.model.models import build, prepare, scratch
build(scratch(), Path(sys.argv[1]), Path(), prepare())
"""
    python(code, str(tmp_path / "base"), PYTHONHASHSEED="7", PYTHONPATH=ROOT)
    assert digest_files(tmp_path / "base") == digest_files(tiny)


def test_its_tokenizer_is_berts_over_its_vocabulary(tiny: Path, tmp_path: Path) -> None:
    ours = Tokenizer.from_file(str(tiny / "tokenizer.json"))
    vocabulary = ours.get_vocab()
    # Ids without a gap, BERT's special tokens first.
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [vocabulary[token] for token in special] == list(range(5))
    # Whole words are learned, not only characters.
    assert {"film", "every", "##ed"} & vocabulary.keys()
    theirs = BertTokenizer(vocab=vocabulary, do_lower_case=True)
    for first in TEXTS:
        assert ours.encode(first).ids == theirs(first)["input_ids"]
        for second in filter(None, TEXTS):  # for transformers an empty second text is none
            assert ours.encode(first, second).ids == theirs(first, second)["input_ids"]
            assert ours.encode(first, second).type_ids == theirs(first, second)["token_type_ids"]
    assert ours.decode(ours.encode("a warm film").ids) == "a warm film"


@pytest.mark.parametrize("size", [16, 40, 100])
def test_a_vocabulary_is_no_larger_than_asked(
    size: int, prepared: pa.Table, tmp_path: Path
) -> None:
    folder = build(scratch(size), tmp_path / "base", tmp_path, prepared)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    assert tokenizer.get_vocab_size() == config["vocab_size"] <= size
    assert max(tokenizer.encode(" ".join(TEXTS)).ids) < size


def test_transformers_loads_it_with_its_seeded_weights(
    tiny: Path, prepared: pa.Table, tmp_path: Path
) -> None:
    other = scratch().model_copy(update={"seed": 1})
    other_folder = build(other, tmp_path / "other", tmp_path, prepared)
    first, second = (AutoModel.from_pretrained(f).state_dict() for f in (tiny, other_folder))
    name = "encoder.layer.1.output.dense.weight"
    assert not torch.equal(first[name], second[name])
    assert abs(first[name].std().item() - 0.02) < 0.002  # BERT's initializer_range
    assert str(tmp_path) not in (other_folder / "config.json").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hiden_size": 32}, "`hiden_size`"),
        ({"vocab_size": 99}, "`vocab_size`"),
        ({"model_type": "brt"}, "brt"),
        ({"hidden_size": "many"}, "hidden_size"),
        ({"hidden_size": 33}, "33"),
        ({"hidden_size": -4}, "-4"),
        ({"num_attention_heads": 0}, ""),
        ({"hidden_act": "nope"}, "nope"),
        ({"without": "model_type"}, ""),
    ],
    ids=str,
)
def test_a_config_that_makes_no_model_is_a_clear_error(
    change: dict[str, str], said: str, prepared: pa.Table, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        build(scratch(**change), tmp_path / "base", tmp_path, prepared)  # type: ignore[arg-type]
    assert caught.value.diagnostics[0].code == "E403"
    assert said in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    "key",
    [
        "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
        "experts_implementation", "_experts_implementation", "auto_map", "use_kernels",
        "quantization_config",
    ],
)  # fmt: skip
@pytest.mark.parametrize("model_type", ["bert", "modernbert", "gpt2"])
def test_no_config_names_a_program(
    key: str, model_type: str, prepared: pa.Table, tmp_path: Path
) -> None:
    """Such as a kernel of the hub, which transformers would fetch and run; also of a family that
    the table has not.
    """
    config = {"model_type": model_type, key: "evil/kernel"}
    base = scratch().model_copy(update={"config": config})
    assert (family(model_type) is None) is (model_type == "gpt2")
    if family(model_type):
        assert [found for found, _, _ in base.unknown_keys()] == [key], "a spec with it is refused"
    with pytest.raises(InputError) as caught:
        build(base, tmp_path / "base", tmp_path, prepared)
    assert caught.value.diagnostics[0].code == "E403"
    said = f"the config of `{model_type}` takes no `{key}`"
    assert caught.value.diagnostics[0].message == said


@pytest.mark.parametrize("model_type", ["bert", "roberta", "mpnet", "ibert"])
def test_it_has_as_many_positions_as_are_counted_without_it(
    model_type: str, prepared: pa.Table, tmp_path: Path
) -> None:
    base = scratch(model_type=model_type, without="max_position_embeddings")
    folder = build(base, tmp_path / "base", tmp_path, prepared)
    said = json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"]
    assert positions(base.known_config(tmp_path) or {}) == said


def test_a_mistyped_config_key_gets_advice(prepared: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        build(scratch(hiden_size=32), tmp_path / "base", tmp_path, prepared)
    assert caught.value.diagnostics[0].help == "did you mean `hidden_size`?"


def test_checking_a_spec_with_it_needs_no_torch() -> None:
    code = """
import sys
from pathlib import Path
from bertspec.catalog.bases.families import positions
from tests.model.models import scratch
print(scratch().known_config(Path())["hidden_size"])
assert [key for key, *_ in scratch(hiden_size=1).unknown_keys()] == ["hiden_size"]
assert positions({"model_type": "bert"}) == 512
print(sorted({"torch", "transformers", "tokenizers"} & set(sys.modules)))
"""
    found = python(code, PYTHONPATH=ROOT)
    assert found.split("\n")[:2] == ["32", "[]"]
