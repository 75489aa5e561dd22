"""Model folders: what is taken, what is refused, and that nothing of it is executed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from bertspec.catalog.bases.local import LocalBase
from bertspec.catalog.bases.package import PackageBase
from bertspec.core.errors import EnvironmentFault, InputError
from tests.model.models import build, copy, edit_json, python


def _take(folder: Path) -> Path:
    base = LocalBase(type="local", path=folder.name)
    return build(base, folder.parent / f"{folder.name}-taken", folder.parent)


def _refused(folder: Path) -> tuple[str, str]:
    """Code and message of the error for a folder."""
    with pytest.raises(InputError) as caught:
        _take(folder)
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def _shard(tiny: Path, folder: Path) -> Path:
    copy(tiny, folder, "model.safetensors")
    AutoModel.from_pretrained(tiny).save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    return folder


def test_shards_become_one_file_with_the_same_weights(tiny: Path, tmp_path: Path) -> None:
    taken = _take(_shard(tiny, tmp_path / "sharded"))
    assert {p.name for p in taken.glob("*.safetensors*")} == {"model.safetensors"}
    expected = AutoModel.from_pretrained(tiny).state_dict()
    got = AutoModel.from_pretrained(taken).state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_a_missing_shard_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = _shard(tiny, tmp_path / "sharded")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.unlink()
    code, message = _refused(folder)
    assert code == "E401"
    assert shard.name in message


def test_a_truncated_shard_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = _shard(tiny, tmp_path / "sharded")
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    code, message = _refused(folder)
    assert code == "E402"
    assert shard.name in message


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"weight_map": 3}'])
def test_an_index_that_is_none_is_named(index: str, tiny: Path, tmp_path: Path) -> None:
    folder = _shard(tiny, tmp_path / "sharded")
    (folder / "model.safetensors.index.json").write_text(index)
    code, message = _refused(folder)
    assert code == "E402"
    assert "model.safetensors.index.json" in message


@pytest.mark.parametrize("size", [0, 7, 1000, -1])
def test_a_truncated_weight_file_is_named(size: int, tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    code, message = _refused(folder)
    assert code == "E402"
    assert "model.safetensors of cut" in message


def test_a_pickle_is_refused_by_name_and_not_loaded(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "pickled", "model.safetensors")
    # A pickle that would write a file on being loaded.
    proof = tmp_path / "executed"
    (folder / "pytorch_model.bin").write_bytes(
        b"cposix\nsystem\n(S'touch " + str(proof).encode() + b"'\ntR."
    )
    code, message = _refused(folder)
    assert code == "E401"
    assert "pytorch_model.bin" in message
    assert not proof.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model-1.bin"])
def test_a_pickle_under_another_name_is_not_loaded(name: str, tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "pickled", "model.safetensors")
    proof = tmp_path / "executed"
    (folder / name).write_bytes(b"cposix\nsystem\n(S'touch " + str(proof).encode() + b"'\ntR.")
    index = {"weight_map": {"embeddings.word_embeddings.weight": f"../{folder.name}/{name}"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    code, message = _refused(folder)
    assert code == "E402"
    assert name in message
    assert not proof.exists()


def test_code_in_a_model_folder_is_neither_run_nor_kept(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "remote")
    proof = tmp_path / "executed"
    (folder / "evil.py").write_text(f"open({str(proof)!r}, 'w')")
    edit_json(folder / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModel": "evil.M"})
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]})
    taken = _take(folder)
    assert not list(taken.glob("*.py"))
    for path in taken.glob("*.json"):
        assert "auto_map" not in json.loads(path.read_text())
    AutoModel.from_pretrained(taken)
    AutoTokenizer.from_pretrained(taken)
    assert not proof.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"attn_implementation": "evil/kernel"},
        {"_attn_implementation": {"": "sdpa", "text_config": "evil/kernel@main:forward"}},
        {"text_config": {"experts_implementation": "evil/kernel"}},
    ],
)
def test_a_kernel_of_the_hub_is_refused(
    changes: dict[str, Any], tiny: Path, tmp_path: Path
) -> None:
    folder = copy(tiny, tmp_path / "kernel")
    edit_json(folder / "config.json", **changes)
    code, message = _refused(folder)
    assert code == "E414"
    assert "evil/kernel" in message


@pytest.mark.parametrize(
    ("key", "value", "taken"),
    [
        ("attn_implementation", "eager", True),
        ("_attn_implementation", {"": "sdpa", "text_config": None}, True),
        ("experts_implementation", "grouped_mm", True),
        ("attn_implementation", "flash_attention_2", False),
        ("_attn_implementation", {"": "paged|flash_attention_3"}, False),
        ("experts_implementation", "sonicmoe", False),
    ],
)
def test_only_attention_of_torch_itself_is_taken(
    key: str, value: Any, taken: bool, tiny: Path, tmp_path: Path
) -> None:
    folder = copy(tiny, tmp_path / "attention")
    edit_json(folder / "config.json", **{key: value})
    if taken:
        assert json.loads((_take(folder) / "config.json").read_text())[key] == value
    else:
        code, message = _refused(folder)
        assert code == "E414"
        assert key in message


@pytest.mark.parametrize("content", ["", "{", "[]", "\0"])
def test_a_config_that_is_none_is_an_error(content: str, tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "broken")
    (folder / "config.json").write_text(content)
    code, message = _refused(folder)
    assert code == "E401"
    assert "config.json" in message


def test_a_tokenizer_that_is_none_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{}")
    code, message = _refused(folder)
    assert code == "E402"
    assert "tokenizer.json" in message


def test_a_vocabulary_alone_becomes_the_tokenizer_of_transformers(
    tiny: Path, tmp_path: Path
) -> None:
    from tokenizers import Tokenizer

    folder = copy(tiny, tmp_path / "vocab", "tokenizer.json", "tokenizer_config.json")
    vocabulary = Tokenizer.from_file(str(tiny / "tokenizer.json")).get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda t: vocabulary[t])))
    ours = Tokenizer.from_file(str(_take(folder) / "tokenizer.json"))
    theirs = AutoTokenizer.from_pretrained(folder)
    for pair in (("A warm FILM", "dull"), ("čafés 映画!", "?")):
        assert ours.encode(*pair).ids == theirs(*pair)["input_ids"]
        assert ours.encode(*pair).type_ids == theirs(*pair)["token_type_ids"]


def test_a_folder_that_is_absent_is_an_error(tmp_path: Path) -> None:
    code, message = _refused(tmp_path / "nowhere")
    assert code == "E401"
    assert "nowhere" in message


def test_a_package_is_looked_into_without_being_run(tmp_path: Path) -> None:
    package = tmp_path / "site" / "carrier"
    (package / "inner" / "model").mkdir(parents=True)
    for folder in (package, package / "inner"):
        (folder / "__init__.py").write_text("raise SystemExit('it was run')")
    (package / "inner" / "model" / "config.json").write_text('{"model_type": "bert"}')
    code = """
import sys
from pathlib import Path
from bertspec.catalog.bases.package import PackageBase
for package, path in (("carrier", "inner/model"), ("carrier.inner", "model")):
    base = PackageBase(type="package", package=package, path=path)
    print(base.known_config(Path()), base.packages()[-1])
print(PackageBase(type="package", package="absent.at.all").known_config(Path()))
print(sorted({"torch", "transformers", "tokenizers", "carrier"} & set(sys.modules)))
"""
    found = python(code, PYTHONPATH=f"{tmp_path / 'site'}:{Path(__file__).parents[2]}")
    config = "{'model_type': 'bert'} carrier"
    assert found.splitlines() == [config, config, "None", "[]"]


def test_a_package_that_is_not_installed_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="absent_package is not installed"):
        build(PackageBase(type="package", package="absent_package"), tmp_path / "base", tmp_path)
