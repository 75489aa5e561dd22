"""The base type hub, through the real huggingface_hub client and a hub on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bertspec.core.manifest import digest_files
from tests.hub.server import HubServer
from tests.model.models import copy, python

CODE = """
import sys
from pathlib import Path
from bertspec.catalog.bases.hub import HubBase
from bertspec.core.errors import BertspecError
base = HubBase(type="hub", id=sys.argv[1], revision=sys.argv[2])
target = Path(sys.argv[3])
target.mkdir()
try:
    base.build(target, Path(), None)
    print("built")
except BertspecError as error:
    print(error.exit_code, error.diagnostics[0].code, error.diagnostics[0].message)
"""


@pytest.fixture
def hub(tiny: Path, tmp_path: Path) -> Iterator[HubServer]:
    """Two models: one whole, with a pickle and code beside; one with a pickle only."""
    models = tmp_path / "hub/models/acme"
    whole = copy(tiny, models / "tiny")
    copy(tiny, models / "pickled", "model.safetensors")
    for folder in (whole, models / "pickled"):
        (folder / "pytorch_model.bin").write_bytes(b"a pickle")
        (folder / "modeling_evil.py").write_text("raise SystemExit")
    with HubServer(tmp_path / "hub") as server:
        yield server


def _build(server_url: str, tmp_path: Path, name: str, revision: str, before: str = "") -> str:
    env = {"HF_ENDPOINT": server_url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    path = str(Path(__file__).parents[2])
    return python(
        before + CODE, name, revision, str(tmp_path / "out"), PYTHONPATH=path, **env
    ).strip()


def test_a_model_arrives_whole_and_nothing_else_is_fetched(
    hub: HubServer, tiny: Path, tmp_path: Path
) -> None:
    assert _build(hub.url, tmp_path, "acme/tiny", hub.commit) == "built"
    got, expected = digest_files(tmp_path / "out"), digest_files(tiny)
    assert got.keys() == expected.keys()
    for name in ("model.safetensors", "tokenizer.json"):
        assert got[name] == expected[name]
    fetched = [request for request in hub.requests if "/resolve/" in request]
    assert fetched
    assert all(hub.commit in request for request in fetched)
    assert not any(".bin" in request or ".py" in request for request in fetched)


def test_a_model_without_safetensors_is_refused(hub: HubServer, tmp_path: Path) -> None:
    said = _build(hub.url, tmp_path, "acme/pickled", hub.commit)
    assert said.startswith("2 E401")
    assert "acme/pickled has no model.safetensors" in said


@pytest.mark.parametrize(("name", "known"), [("acme/absent", True), ("acme/tiny", False)])
def test_what_the_hub_has_not_is_wrong_input(
    name: str, known: bool, hub: HubServer, tmp_path: Path
) -> None:
    said = _build(hub.url, tmp_path, name, hub.commit if known else "0" * 40)
    assert said.startswith("2 E306")
    assert name in said


def test_a_hub_that_cannot_be_reached_is_the_machines_fault(tmp_path: Path) -> None:
    # Port 9 is `discard`: nobody listens. The client would wait between its attempts.
    hurry = "import time; time.sleep = lambda seconds: None\n"
    said = _build("http://127.0.0.1:9", tmp_path, "acme/tiny", "0" * 40, hurry)
    assert said.startswith("3 E505")
