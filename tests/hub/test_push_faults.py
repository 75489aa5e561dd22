"""What can go wrong with a push: each is told to people, and leaves nothing half-written."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bertspec.catalog import hub_client
from bertspec.core.digest import file_digest
from bertspec.runtime.seal import Seal
from tests.hub.server import Trouble
from tests.hub.uploads import READER, SIGNATURE, WRITER, UploadHub
from tests.projects import Project

REPO = "acme/tiny"
SECRETS = (WRITER, READER, SIGNATURE)
COMMIT, PREUPLOAD = "POST .*/commit/", "POST .*/preupload/"


@pytest.fixture
def exported(built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that holds an exported model; the client does not wait between its attempts."""
    shutil.copytree(built.root / "models/tiny/export", tmp_path / "models/tiny/export")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return Project(tmp_path)


def _push(project: Project, *options: str, code: int, repo: str = REPO) -> str:
    """What a push says that must fail; the token is no part of it."""
    said = project.bertspec("push-to-hub", "tiny", repo, *options, code=code)
    assert [secret for secret in SECRETS if secret in said] == []
    return said


@pytest.mark.parametrize(
    ("token", "repo", "code", "words"),
    [
        (None, REPO, 3, ["E472", "no token of the hub", "hf auth login"]),
        ("hf_with a space", REPO, 3, ["E472", "characters"]),
        ("hf_of\x00a-nul", REPO, 3, ["E472", "characters"]),
        ("hf_expiredexpired", REPO, 3, ["E472", "does not take the token", "Invalid credentials"]),
        (READER, REPO, 3, ["E472", "no right to write to acme/tiny", "--create-pr"]),
        (READER, "acme/new", 3, ["E472", 'under the namespace "acme"']),
        (WRITER, "other/new", 3, ["E472", 'under the namespace "other"']),
    ],
)
def test_who_may_not_write_is_told(
    exported: Project,
    uploads: UploadHub,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    repo: str,
    code: int,
    words: list[str],
) -> None:
    uploads.create(REPO)
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    elif "\x00" in token:  # no variable can have it, and a file can
        monkeypatch.delenv("HF_TOKEN")
        (exported.root / "token").write_text(token)
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    said = _push(exported, code=code, repo=repo)
    assert [word for word in words if word not in said] == []
    assert token is None or token not in said
    assert list(uploads.repos) == [REPO]
    assert len(uploads.repos[REPO].commits) == 1


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (Trouble(COMMIT, 413, "Payload too large"), 3, ["E474", "no room", "Payload too large"]),
        (Trouble("PUT ", 507, "full"), 3, ["E474", "full"]),
        (Trouble(PREUPLOAD, 402, "pay"), 3, ["E474"]),
        (
            Trouble(COMMIT, 403, "Private repository storage limit reached"),
            3,
            ["E474", "storage limit reached"],
        ),
        (
            Trouble("PUT ", 403, f"see https://s/x?X-Amz-Signature={SIGNATURE}"),
            3,
            ["E473", "localhost", "https://s/x?X-Amz-Signature=***"],
        ),
        (Trouble(COMMIT, 400, f"no {WRITER}, said {WRITER}"), 2, ["E475", "no ***, said ***"]),
        (Trouble(COMMIT, 400, "x" * 5000), 2, ["E475", "xxx..."]),
        (Trouble(COMMIT, 412, "A commit has happened since"), 2, ["E475", "run it again"]),
        (Trouble(PREUPLOAD, 404, "gone"), 2, ["E475", "check OWNER/NAME"]),
        (Trouble(PREUPLOAD, 500, "oh"), 3, ["E473", "busy or broken (500)", "run it again"]),
        (Trouble("GET .*/resolve/", 503, "d"), 3, ["E473", "busy or broken (503)"]),
        (Trouble("HEAD .*/resolve/", 0), 3, ["E473", "the connection to the hub failed"]),
        (Trouble("GET ", 503, "down"), 3, ["E473", "busy or broken (503)"]),
        (Trouble(PREUPLOAD, 429, "slowly"), 3, ["E473", "busy or broken (429)"]),
        (Trouble("PUT ", 503, "SlowDown"), 3, ["E473", "SlowDown"]),
        (Trouble("POST .*lfs", 0), 3, ["E473", "connection to the hub failed"]),
        (Trouble(COMMIT, 0), 3, ["E473", "connection to the hub failed"]),
        (
            Trouble(PREUPLOAD, 200, body=b"<html>Log in, please</html>"),
            2,
            ["E475", "the answer is none of a hub", "does HF_ENDPOINT name a hub"],
        ),
        (
            Trouble(PREUPLOAD, 307, headers={"Location": "http://elsewhere.example/api"}),
            3,
            ["E477", "http://elsewhere.example", "127.0.0.1"],
        ),
        (
            Trouble("GET ", 302, headers={"Location": "http://localhost:9/login"}),
            3,
            ["E477", "http://localhost"],
        ),
    ],
    ids=lambda value: f"{value.request}{value.status}" if isinstance(value, Trouble) else "",
)
def test_what_the_hub_refuses_is_told_and_leaves_nothing(
    exported: Project, uploads: UploadHub, trouble: Trouble, code: int, words: list[str]
) -> None:
    repo = uploads.create(REPO, {"README.md": b"# Tiny\n"})
    uploads.troubles.append(trouble)
    said = _push(exported, code=code)
    assert [word for word in words if word not in said] == []
    assert len(repo.commits) == 1


def test_a_push_that_is_cut_off_goes_on_with_what_is_missing(
    exported: Project, uploads: UploadHub
) -> None:
    folder = exported.root / "models/tiny/export"
    digest = file_digest(folder / "model.pt")
    repo = uploads.create(REPO)
    uploads.troubles.append(Trouble(f"PUT /store/{digest}", 0))
    assert "E473" in _push(exported, code=3)
    assert len(repo.commits) == 1
    uploads.troubles.clear()
    uploads.requests.clear()
    exported.bertspec("push-to-hub", "tiny", REPO)
    sent = [request.partition("?")[0] for request in uploads.requests if request.startswith("PUT")]
    assert sent == [f"PUT /store/{digest}"]
    assert uploads.files(REPO) == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_card_that_the_hub_cannot_read_is_told_before_anything_is_sent(
    exported: Project, uploads: UploadHub
) -> None:
    folder = exported.root / "models/tiny/export"
    (folder / "README.md").write_text("---\nlicense: [mit\n---\n# Tiny\n")
    Seal.of(folder).write()
    said = _push(exported, code=2)
    assert "E475" in said
    assert "Invalid metadata in README.md" in said
    assert not any(request.startswith("PUT") for request in uploads.requests)


@pytest.mark.parametrize("metadata", ["license: [mit", "- mit", "? [a]\n: b"])
def test_metadata_on_the_hub_that_cannot_be_read_are_not_lost(
    exported: Project, uploads: UploadHub, metadata: str
) -> None:
    repo = uploads.create(REPO, {"README.md": f"---\n{metadata}\n---\n# Tiny\n".encode()})
    said = _push(exported, code=2)
    assert "E475" in said
    assert "the metadata of README.md of acme/tiny at main cannot be read: " in said
    assert len(repo.commits) == 1


def test_trouble_that_is_over_soon_is_not_told(exported: Project, uploads: UploadHub) -> None:
    uploads.create(REPO)
    uploads.troubles += [Trouble("PUT ", 503, times=2), Trouble(PREUPLOAD, 0, times=1)]
    said = exported.bertspec("push-to-hub", "tiny", REPO)
    assert re.match(rf"{REPO}: sent (\d+) of \1 files", said)
    assert len(said.splitlines()) == 2


def test_an_answer_that_is_lost_after_the_commit_is_found_by_the_next_push(
    exported: Project, uploads: UploadHub
) -> None:
    """Nobody can know of it; so it is looked up."""
    repo = uploads.create(REPO)
    uploads.troubles.append(Trouble("POST .*/paths-info/[0-9a-f]{40}", 0))
    said = exported.bertspec("push-to-hub", "tiny", REPO, code=3)
    assert "E473" in said
    assert "no new commit" in exported.bertspec("push-to-hub", "tiny", REPO)
    assert len(repo.commits) == 2


def test_a_hub_that_falls_silent_is_not_waited_for_for_ever(
    exported: Project, uploads: UploadHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "TIMEOUT", 0.2)
    uploads.create(REPO)
    uploads.troubles.append(Trouble("GET /api/models", -1))
    assert "timed out" in _push(exported, code=3)


def test_offline_and_without_a_hub_it_says_so(
    exported: Project, uploads: UploadHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    assert "Connection refused" in _push(exported, code=3)
    monkeypatch.setattr(constants, "ENDPOINT", "me:pass@hub")
    assert "E473" in (said := _push(exported, code=3))
    assert "HF_ENDPOINT is no address" in said
    monkeypatch.setattr(constants, "ENDPOINT", uploads.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in _push(exported, code=3)
    assert uploads.requests == []


def test_not_even_the_traceback_has_the_token(exported: Project, uploads: UploadHub) -> None:
    uploads.create(REPO)
    uploads.troubles.append(Trouble("PUT ", 403, f"{WRITER} at https://s/x?Signature={SIGNATURE}"))
    environment = {"HF_ENDPOINT": uploads.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        ["bertspec", "--debug", "push-to-hub", "tiny", REPO], env=os.environ | environment,
        cwd=exported.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "*** at https://s/x?Signature=***" in done.stderr
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []
