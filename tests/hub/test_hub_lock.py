"""Branches and tags of the hub: what is built changes with the lock alone, and never by itself."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from bertspec.catalog.hub import hub_faults
from bertspec.catalog.hub_client import is_address, no_address
from bertspec.core.manifest import digest_files
from bertspec.core.yaml import load_plain
from tests.hub.server import HubServer, Trouble
from tests.projects import SPEC, Project
from tests.stages import run_kinds

FILMS, TINY = "datasets/acme/films@v1", "models/acme/tiny@main"


def _state(folder: Path, text: str) -> Path:
    rows = [{"review": f"{text} {n}", "verdict": "good" if n % 2 else "bad"} for n in range(4)]
    films, tiny = folder / "datasets/acme/films", folder / "models/acme/tiny"
    films.mkdir(parents=True)
    tiny.mkdir(parents=True)
    (films / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tiny / "config.json").write_text(json.dumps({"model_type": "bert", "note": text}))
    return folder


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A data set with the tag `v1`, and a model with the branch `main`; a second state of both.

    The client of this process asks it, too: HF_ENDPOINT is read as it is imported.
    """
    with HubServer(_state(tmp_path / "first", "first")) as running:
        running.refs["v1"] = running.commit
        running.refs["later"] = running.add(_state(tmp_path / "second", "second"))
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        yield running


def _spec(films: str = "v1", tiny: str = "main") -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": "hub", "id": "acme/films", "revision": films}
    spec["model"]["base"] = {"type": "hub", "id": "acme/tiny", "revision": tiny}
    return spec


def _hub(project: Project) -> Any:
    return load_plain((project.root / "bertspec.lock").read_text()).get("hub")


def _revisions(project: Project) -> set[str]:
    """Those that the stages read."""
    params = load_plain((project.root / "params.yaml").read_text())
    (base,) = params["bases"].values()
    return {params["datasets"]["reviews"]["source"]["revision"], base["revision"]}


def test_a_tag_moves_in_the_lock_when_that_is_asked_for(
    project: Project, server: HubServer
) -> None:
    first, second = server.commit, server.refs["later"]
    project.write_spec(_spec())
    project.bertspec("lock", "--threads", "1")
    assert _hub(project) == {FILMS: first, TINY: first}
    project.bertspec("compile")
    assert _revisions(project) == {first}

    server.refs |= {"v1": second, "main": second}
    asked = len(server.requests)
    assert "up to date" in project.bertspec("lock")
    project.bertspec("lock", "--frozen")
    assert len(server.requests) == asked, "what is locked is not looked up"
    project.bertspec("compile", "--check")

    said = project.bertspec("lock", "--upgrade", "acme/films")
    assert f"{FILMS}: {first} -> {second}" in said
    assert _hub(project) == {FILMS: second, TINY: first}
    project.bertspec("compile")
    assert _revisions(project) == {first, second}
    project.bertspec("lock", "--upgrade")
    assert _hub(project) == {FILMS: second, TINY: second}


def test_spec_and_lock_give_the_same_artifact_wherever_the_tag_is(
    project: Project, server: HubServer, tmp_path: Path
) -> None:
    project.write_spec(_spec())
    project.bertspec("lock", "--threads", "1")
    elsewhere = Project(shutil.copytree(project.root, tmp_path / "elsewhere"))
    server.refs |= {"v1": server.refs["later"]}
    found = []
    for place in (project, elsewhere):
        place.bertspec("compile")
        home = str(place.root / "home")
        place.bertspec("stage", "reviews-fetch", HF_ENDPOINT=server.url, HF_HOME=home)
        found.append(digest_files(place.root / "data/reviews/raw"))
        server.refs.pop("v1", None)  # not even the tag is needed
    assert found[0] == found[1]


def test_a_commit_in_the_spec_is_the_same_as_one_in_the_lock(
    project: Project, server: HubServer
) -> None:
    project.write_spec(_spec())
    project.bertspec("lock", "--threads", "1")
    project.bertspec("compile")
    project.write_spec(_spec(server.commit, server.commit))
    project.bertspec("compile", "--check")
    said = project.bertspec("lock")
    assert f"{TINY}: {server.commit} -> none" in said, "what no spec names goes"
    assert _hub(project) is None
    project.bertspec("compile", "--check")


def test_what_the_hub_has_not_leaves_the_lock_as_it_is(project: Project, server: HubServer) -> None:
    project.compile()
    before = (project.root / "bertspec.lock").read_text()
    project.write_spec(_spec(films="v2"))
    said = project.bertspec("lock", code=2)
    assert "E306" in said
    assert "data set acme/films at v2" in said
    assert (project.root / "bertspec.lock").read_text() == before


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Log in, please</html>", b"{}", b"[]", b"null", b"\xff", b'{"id": "acme/films"}',
        b'{"id": "acme/films", "sha": "%s"}' % (b"a" * 64),
        b'{"id": "acme/films", "sha": ["main"]}',
    ],
)  # fmt: skip
def test_an_answer_that_is_none_of_a_hub_is_told(
    project: Project, server: HubServer, body: bytes
) -> None:
    project.write_spec(_spec())
    server.troubles.append(Trouble("GET /api/datasets", 200, body=body))
    said = project.bertspec("lock", code=3)
    assert "E505" in said
    assert "data set acme/films cannot be looked up, the answer is none of a hub" in said
    assert "does HF_ENDPOINT name a hub" in said
    assert not (project.root / "bertspec.lock").exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999/x", "http://[x/", "http://a:b/"])
def test_a_hub_that_leads_nowhere_is_told(
    project: Project, server: HubServer, address: str
) -> None:
    project.write_spec(_spec())
    server.troubles.append(Trouble("GET /api", 307, headers={"Location": address}))
    said = project.bertspec("lock", code=3)
    assert "E477" in said
    assert "127.0.0.1 leads to no address" in said


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "http://[::1"])
def test_a_variable_that_names_no_hub_is_told(project: Project, address: str) -> None:
    """The hub's client raises on import, what names no variable."""
    project.write_spec(_spec())
    said = project.run("bertspec", "lock", "--threads", "1", HF_ENDPOINT=address, code=3).stderr
    assert "error[E505]: HF_ENDPOINT is no address: http://" in said
    assert "such as https://huggingface.co, or unset it" in said


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", "it is empty"), ("huggingface.co", "huggingface.co"), ("ftp://hub", "ftp://hub"),
        ("http://a\nb", "http://a b"), ("http://", "http://"),
        ("http://me:s3/cr@h:99999", "***@h:99999"), ("http://me:s3 cr@[::1", "***@[::1"),
        ("me:s3cr@host", "***@host"), ("me:s3@cr@host", "***@host"),
        ("http://h:99999/?token=s3cr", "http://h:99999/?token=***"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_told_without_a_password(
    project: Project, monkeypatch: pytest.MonkeyPatch, address: str, shown: str
) -> None:
    """It is told before anything is asked of it; what is cached already asks nothing."""
    from huggingface_hub import constants

    project.write_spec(_spec())
    monkeypatch.setenv("HF_ENDPOINT", address)
    said = project.bertspec("lock", "--threads", "1", code=3)
    assert f"error[E505]: HF_ENDPOINT is no address: {shown}\n" in said
    (told,) = no_address("E473", address).diagnostics
    assert told.message == f"HF_ENDPOINT is no address: {shown}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with hub_faults("model acme/tiny", "main"):
        pass


def test_another_defect_is_not_put_down_to_the_variable(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in commands that have nothing to do with a hub."""
    from bertspec.cli import compile as module

    def broken(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(module, "lowered", broken)
    monkeypatch.setenv("HF_ENDPOINT", "huggingface.co")
    assert "E901" in project.bertspec("compile", code=4)


def test_a_stage_that_needs_no_hub_tells_of_the_variable_too(project: Project) -> None:
    """It imports transformers, and so the hub's client."""
    project.compile()
    (name,) = (name for name in project.stages() if name.endswith("-base"))
    run_kinds(project, "fetch", "prepare")
    address = "http://me:s3cret@127.0.0.1:99999"
    said = project.run("bertspec", "stage", name, HF_ENDPOINT=address, code=3).stderr
    assert "error[E505]: HF_ENDPOINT is no address: ***@127.0.0.1:99999" in said
    assert "s3cret" not in said


def test_what_an_address_of_a_hub_is() -> None:
    good = ("https://huggingface.co", "http://127.0.0.1:8000/hub", "http://[::1]:80", "HTTP://a")
    bad = ("", "me", "ftp://a", "http://", "http://a:0", "http://a:b", "http://a b", "//a")
    assert [a for a in (*good, *bad) if is_address(a)] == [*good]


def test_what_the_lock_has_not_is_told_at_its_place(project: Project) -> None:
    project.compile()
    spec = _spec()
    spec["data"]["source"] = {"type": "joined", "parts": [{"source": spec["data"]["source"]}]}
    project.write_spec(spec)
    said = project.bertspec("compile", code=2)
    assert said.count("E215") == 2
    assert f"does not say what {FILMS} is" in said
    assert '"revision": "v1"' in said, "the line is shown"
    assert said.count("run `bertspec lock`") == 2
    frozen = project.call("lock", "--frozen", code=1)
    assert {f"{FILMS}: none -> to be looked up", f"{TINY}: none -> to be looked up"} <= set(
        frozen.stdout.splitlines()
    )
    offline = project.bertspec("lock", "--offline", code=3)
    assert "E515" in offline
    assert FILMS in offline
    assert TINY in offline


def test_a_joined_source_is_locked_in_its_parts(project: Project, server: HubServer) -> None:
    spec = _spec()
    spec["data"]["source"] = {"type": "joined", "parts": [{"source": spec["data"]["source"]}]}
    project.write_spec(spec)
    project.bertspec("lock", "--threads", "1")
    project.bertspec("compile")
    params = load_plain((project.root / "params.yaml").read_text())
    (part,) = params["datasets"]["reviews"]["source"]["parts"]
    assert part["source"]["revision"] == server.commit


@pytest.mark.parametrize("kind", ["fetch", "base"])
def test_a_stage_takes_no_branch_from_an_experiment(
    project: Project, server: HubServer, kind: str
) -> None:
    project.write_spec(_spec(server.commit, server.commit))
    project.compile()
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace(server.commit, "main"))
    (name,) = [name for name in project.stages() if name.endswith(f"-{kind}")]
    said = project.bertspec("stage", name, code=2)
    assert "E203" in said
    assert "@main` may be another tomorrow" in said
