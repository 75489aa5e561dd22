"""A hub that leads to another host, or falls silent, while a model is fetched from it."""

import io
import time
from contextlib import nullcontext
from pathlib import Path

import httpx2
import pytest

from bertspec.catalog import hub_client
from bertspec.catalog.bases.hub import HubBase
from bertspec.core.errors import BertspecError, EnvironmentFault
from tests.hub.server import Trouble
from tests.hub.uploads import READER, SIGNATURE, UploadHub
from tests.projects import Project

MODEL = "acme/base"


@pytest.fixture
def hub(built: Project, uploads: UploadHub, monkeypatch: pytest.MonkeyPatch) -> UploadHub:
    """A private model, whose weights are on another host, and a reader's token."""
    (base,) = [p for p in (built.root / "models/bases").iterdir() if p.is_dir()]
    uploads.create(MODEL, {p.name: p.read_bytes() for p in base.iterdir()}, private=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return uploads


def _build(hub: UploadHub, tmp_path: Path) -> Path:
    revision = hub.repos[MODEL].heads["main"]
    target = tmp_path / "base"
    target.mkdir()
    HubBase(type="hub", id=MODEL, revision=revision).build(target, tmp_path, None)
    return target


def _hurry(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """A connection counts as lost so soon."""
    from huggingface_hub import constants

    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(constants, name, seconds)
    monkeypatch.setattr(hub_client, "TIMEOUT", seconds)


def test_weights_come_from_another_host_that_is_told_no_token(
    hub: UploadHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import logging

    logging.set_verbosity_warning()  # as it is at first
    logged = io.StringIO()
    (handler,) = logging.get_logger("huggingface_hub").handlers
    monkeypatch.setattr(handler, "stream", logged)
    _hurry(monkeypatch, 1)
    hub.troubles.append(Trouble("GET /store/", -1, times=1))
    target = _build(hub, tmp_path)
    sent = hub.files(MODEL)["model.safetensors"]
    assert (target / "model.safetensors").read_bytes() == sent
    assert any(request.startswith("GET /store/") for request in hub.requests)
    assert hub.sent_to_store == []
    assert "timed out" in logged.getvalue()
    assert "Signature=***" in logged.getvalue()
    assert SIGNATURE not in logged.getvalue()


@pytest.mark.parametrize("request_", ["GET /api/models", "GET /api/models/.*/tree"])
def test_a_hub_that_leads_to_another_host_is_not_followed(
    hub: UploadHub, tmp_path: Path, request_: str
) -> None:
    hub.troubles.append(Trouble(request_, 307, headers={"Location": f"{hub.store}/elsewhere"}))
    with pytest.raises(EnvironmentFault) as caught:
        _build(hub, tmp_path)
    assert caught.value.diagnostics[0].code == "E477"
    assert "http://localhost" in caught.value.diagnostics[0].message
    assert not any("elsewhere" in request for request in hub.requests)
    assert list((tmp_path / "base").iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "status"), [("GET /api/models", -1), ("HEAD ", 0), ("GET /store/", -1)]
)
def test_a_hub_that_says_nothing_is_a_fault_of_the_machine(
    hub: UploadHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request_: str,
    status: int,
) -> None:
    _hurry(monkeypatch, 0.1)
    hub.troubles.append(Trouble(request_, status))
    with pytest.raises(BertspecError) as caught:
        _build(hub, tmp_path)
    assert caught.value.diagnostics[0].code == "E505"
    assert any(request.startswith(request_.partition(".")[0]) for request in hub.requests)


@pytest.mark.parametrize(
    ("asked", "told", "refused"),
    [
        ("https://hub.example/api/models/a", "/api/models/b", False),
        ("https://hub.example/api/models/a", "https://HUB.example:443/api/models/b", False),
        ("http://hub.example/api/models/a", "https://hub.example/api/models/a", False),
        ("https://hub.example/api/models/a", "http://hub.example/api/models/a", True),
        ("https://hub.example/api/models/a", "https://hub.example:8443/api", True),
        ("https://hub.example/api/models/a", "//other.example/api", True),
        ("https://hub.example/a/b/resolve/main/f", "https://cdn.example/f", False),
        ("https://hub.example/a/b/resolve/main/f", "http://cdn.example/f", True),
        ("https://hub.example/a/b.git/info/lfs/verify", "https://other.example/f", True),
        ("https://cdn.example/f", "https://cdn-2.example/f", False),
        ("https://cdn.example/f", "http://cdn-2.example/f", True),
        ("https://hub.example/a/b/resolve/main/f", "https://cdn.example:99999/f", True),
    ],
)
def test_where_a_request_may_be_led(
    monkeypatch: pytest.MonkeyPatch, asked: str, told: str, refused: bool
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", asked.partition(".example")[0] + ".example")
    if "cdn" in asked:
        monkeypatch.setattr(constants, "ENDPOINT", "https://hub.example")
    answer = httpx2.Response(302, headers={"Location": told}, request=httpx2.Request("GET", asked))
    with pytest.raises(EnvironmentFault) if refused else nullcontext():
        hub_client._refuse_other_host(answer)


def test_the_client_of_a_program_is_put_back() -> None:
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    made: list[httpx2.Client] = []

    def own() -> httpx2.Client:
        made.append(httpx2.Client())
        return made[-1]

    before = _http._GLOBAL_CLIENT_FACTORY
    set_client_factory(own)
    try:
        with hub_client.bounded_client():
            inside = _http.get_session()
        assert [inside] == made, "its settings hold while it is bounded"
        assert _http.get_session() is made[-1] is not inside
    finally:
        set_client_factory(before)
