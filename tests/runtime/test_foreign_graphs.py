"""A .pt2 file of a stranger: what would run a program when it is loaded is refused unread."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bertspec.catalog.export import Shared
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.exports.torch_export import TorchExport
from bertspec.core.errors import InputError
from tests.model.models import inputs

EXPORT = EXPORTS["torch-export"].model_validate({"type": "torch-export"})
GRAPH = "archive/models/model.json"
WEIGHTS = "archive/data/weights/model_weights_config.json"
CONSTANTS = "archive/data/constants/model_constants_config.json"

Entries = dict[str, bytes]


class Weighted(torch.nn.Module):
    """A model with a weight, a constant, a product of sizes and a text."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.constant = torch.ones(3)

    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        flat = torch.nn.functional.gelu((a + b + c).float().reshape(-1, 1), approximate="tanh")
        return flat * self.weight * self.constant


class Creating:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Entries:
    path = tmp_path_factory.mktemp("graph") / "model.pt2"
    EXPORT.write(Weighted().eval(), path, Shared())
    assert EXPORT.runner(path, 1)(inputs(2, 3)).shape == (6, 3)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _edited(entries: Entries, name: str, change: Callable[[Any], None]) -> None:
    values = json.loads(entries[name])
    change(values)
    entries[name] = json.dumps(values).encode()


def _pickled(entries: Entries, name: str, config: str, path: Path, **about: Any) -> None:
    entries[name] = pickle.dumps(Creating(path))
    if not config:
        return
    file = {"path_name": name.rpartition("/")[2], **about}
    _edited(entries, config, lambda v: next(iter(v["config"].values())).update(file))


def _nodes(graph: Any) -> list[Any]:
    found: list[Any] = graph["graph_module"]["graph"]["nodes"]
    return found


def _calling(entries: Entries, path: Path) -> None:
    text = {"name": "", "arg": {"as_string": str(path)}, "kind": 1}
    change = {"target": "torch.os.mkdir", "inputs": [text]}
    _edited(entries, GRAPH, lambda graph: _nodes(graph)[0].update(change))


def _opening(entries: Entries, path: Path) -> None:
    text = {"name": "filename", "arg": {"as_string": str(path)}, "kind": 1}
    shared = {"name": "shared", "arg": {"as_bool": True}, "kind": 2}
    change = {"target": "torch.ops.aten.from_file.default", "inputs": [text, shared]}
    _edited(entries, GRAPH, lambda graph: _nodes(graph)[0].update(change))


def _computing(entries: Entries, path: Path) -> None:
    said = entries[GRAPH].decode()
    symbol = said.partition('"expr_str": "')[2].partition('"')[0]
    evil = json.dumps(f"__import__('os').mkdir('{path}')")[1:-1]
    entries[GRAPH] = said.replace(f'"{symbol}"', f'"{evil}"').encode()


def _naming(entries: Entries, path: Path) -> None:
    said = entries[GRAPH].decode()
    evil = json.dumps(f"a=__import__('os').mkdir('{path}')")
    name = _nodes(json.loads(said))[0]["inputs"][0]["arg"]["as_tensor"]["name"]
    entries[GRAPH] = said.replace(f'"{name}"', evil).encode()


ATTACKS: dict[str, Callable[[Entries, Path], None]] = {
    "sample inputs": lambda e, p: _pickled(e, "archive/data/sample_inputs/model.pt", "", p),
    "a weight": lambda e, p: _pickled(
        e, "archive/data/weights/weight_0", WEIGHTS, p, use_pickle=True
    ),
    "a constant": lambda e, p: _pickled(
        e, "archive/data/constants/tensor_0", CONSTANTS, p, use_pickle=True
    ),
    "an opaque object": lambda e, p: _pickled(
        e, "archive/data/constants/opaque_obj_0", CONSTANTS, p
    ),
    "legacy weights": lambda e, p: _pickled(e, "archive/data/weights/model.pt", "", p),
    "legacy constants": lambda e, p: _pickled(e, "archive/data/constants/model.pt", "", p),
    "a call": _calling,
    "a file": _opening,
    "an expression": _computing,
    "a name": _naming,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_would_run_is_refused(entries: Entries, tmp_path: Path, name: str) -> None:
    """Of a call, a file and a name PyTorch itself notices some today; all others it runs."""
    changed, made = dict(entries), tmp_path / "made"
    ATTACKS[name](changed, made)
    assert changed != entries
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in changed.items():
            archive.writestr(entry, content)
    with pytest.raises(InputError) as caught:
        EXPORT.runner(path, 1)(inputs(2, 3))
    assert not made.exists()
    (found,) = caught.value.diagnostics
    assert found.code == "E451"
    assert "which may run any program" in found.message


def test_an_archive_of_old_is_not_read(tmp_path: Path) -> None:
    """torch.export.load would take the pickles of one for the model."""
    made, path = tmp_path / "made", tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("version", "8.15")
        for part in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{part}.pt", pickle.dumps(Creating(made)))
        archive.writestr("serialized_exported_program.json", b"{}")
    with pytest.raises((InputError, RuntimeError, AssertionError)):
        TorchExport(type="torch-export").runner(path, 1)
    assert not made.exists()
