"""Sources and bases of type hub, with the real clients, against a hub on this machine."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.manifest import digest_files
from tests.hub.server import HubServer
from tests.projects import SPEC, Project, rows
from tests.stages import prepared_rows

MODEL = "owner/tiny-bert"
DATA = "owner/reviews"


@pytest.fixture(scope="module")
def hub_folder(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub with a tiny model and the tiny project's rows."""
    folder = tmp_path_factory.mktemp("hub")
    (base,) = [p for p in (built.root / "models/bases").iterdir() if p.is_dir()]
    shutil.copytree(base, folder / "models" / MODEL)
    (folder / "models" / MODEL / "pytorch_model.bin").write_bytes(b"never to be fetched")
    (folder / "models" / MODEL / "modeling.py").write_text("raise SystemExit('never to be run')")
    pickled = folder / "models" / "owner" / "pickled"
    shutil.copytree(base, pickled)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    data = folder / "datasets" / DATA
    data.mkdir(parents=True)
    for split, part in (("train", rows()[:80]), ("test", rows()[80:])):
        lines = (json.dumps({"review": text, "verdict": label}) for text, label in part)
        (data / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def _spec(commit: str, **changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["model"]["base"] = {"type": "hub", "id": MODEL, "revision": commit}
    return spec | changes


def _stage(project: Project, server: HubServer, kind: str, code: int = 0) -> str:
    name = next(n for n in project.stages() if n.endswith(f"-{kind}"))
    home = str(project.root / "hub-home")
    return project.bertspec("stage", name, code=code, HF_ENDPOINT=server.url, HF_HOME=home)


def test_a_model_comes_from_the_hub_without_pickles_and_code(
    project: Project, hub_folder: Path
) -> None:
    with HubServer(hub_folder) as server:
        project.write_spec(_spec(server.commit))
        project.compile()
        _stage(project, server, "base")
        asked = " ".join(server.requests)
    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    original = digest_files(hub_folder / "models" / MODEL)
    taken = digest_files(base)
    assert taken["model.safetensors"] == original["model.safetensors"]
    assert taken["tokenizer.json"] == original["tokenizer.json"]
    assert "pytorch_model.bin" not in taken
    assert "resolve" in asked
    assert ".bin" not in asked
    assert ".py" not in asked


@pytest.mark.parametrize(
    ("base", "code", "words"),
    [
        ({"id": "owner/nothing"}, 2, "E306"),
        ({"revision": "0" * 40}, 2, "E306"),
        ({"id": "owner/pickled"}, 2, "only safetensors are read"),
    ],
)
def test_what_the_hub_has_not_is_told(
    project: Project, hub_folder: Path, base: dict[str, str], code: int, words: str
) -> None:
    with HubServer(hub_folder) as server:
        spec = _spec(server.commit)
        spec["model"]["base"] |= base
        project.write_spec(spec)
        project.compile()
        assert words in _stage(project, server, "base", code=code)
    assert not list((project.root / "models").rglob("*.safetensors"))


def test_a_hub_that_does_not_answer_is_a_fault_of_the_machine(
    project: Project, hub_folder: Path
) -> None:
    server = HubServer(hub_folder)
    project.write_spec(_spec(server.commit))
    project.compile()
    server._server.server_close()
    name = next(n for n in project.stages() if n.endswith("-base"))
    # The client would wait between its attempts.
    hurry = "import time; time.sleep = lambda seconds: None; from bertspec.cli import main; main()"
    result = project.run(
        sys.executable, "-c", hurry, "stage", name, code=3,
        HF_ENDPOINT=server.url, HF_HOME=str(project.root / "hub-home"),
    )  # fmt: skip
    assert "E505" in result.stderr


def test_a_data_set_comes_from_the_hub(project: Project, hub_folder: Path) -> None:
    with HubServer(hub_folder) as server:
        spec = _spec(server.commit)
        spec["data"]["source"] = {
            "type": "hub", "id": DATA, "revision": server.commit,
            "splits": {"train": "train", "test": "test"},
        }  # fmt: skip
        spec["data"]["split"] = {"type": "given", "validation": 0.1}
        project.write_spec(spec)
        project.compile()
        _stage(project, server, "fetch")
        _stage(project, server, "prepare")
        spec["data"]["source"]["splits"]["test"] = "tset"
        project.write_spec(spec)
        project.bertspec("compile")
        assert "E307" in _stage(project, server, "fetch", code=2)
    table = prepared_rows(project, "test")
    assert [(r["text"], r["label"]) for r in table.to_pylist()] == rows()[80:]
    assert table["file"][0].as_py() == f"hub:{DATA}/test"
