"""`bertspec push-to-hub`, with the real client, to a hub on this machine."""

import shutil
import socket
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

import bertspec
from bertspec.runtime.seal import Seal
from tests.hub import uploads as uploads_module
from tests.hub.test_server import run_client
from tests.hub.uploads import READER, WRITER, UploadHub
from tests.projects import Project

REPO = "acme/tiny"
FILES = {
    "README.md", "bertspec.lock", "bundle.json", "manifest.json", "model.onnx", "model.pt",
    "provenance.json", "sbom.cdx.json",
    "spec.yaml", "tokenizer.json",
}  # fmt: skip


@pytest.fixture
def exported(built: Project, tmp_path: Path) -> Project:
    """A project that holds an exported model and nothing else."""
    shutil.copytree(built.root / "models/tiny/export", tmp_path / "models/tiny/export")
    return Project(tmp_path)


def _folder(project: Project) -> Path:
    return project.root / "models/tiny/export"


def _content(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in _folder(project).iterdir()}


def test_only_what_a_hub_adds_is_no_part_of_the_model(tmp_path: Path) -> None:
    for name in (".gitattributes", ".gitattributes.bin", ".cache/huggingface/a", "model.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert set(Seal.of(tmp_path).files) == {".gitattributes.bin", "model.onnx"}


def test_what_is_pushed_comes_back_to_the_byte_and_predicts_the_same(
    exported: Project, tmp_path: Path
) -> None:
    with UploadHub(tmp_path / "hub") as hub:
        said = exported.bertspec(
            "push-to-hub", "tiny", REPO, "--private", "--message", "first\n\nwith a reason",
            HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "home"), HF_TOKEN=WRITER,
            HF_HUB_DISABLE_XET="1", HF_HUB_OFFLINE="0",
        )  # fmt: skip
        taken = run_client(
            f"""
import json
from huggingface_hub import snapshot_download
print(json.dumps(snapshot_download({REPO!r}, token={READER!r})))
""",
            hub.url,
            tmp_path / "other-home",
        )
    repo = hub.repos[REPO]
    head = repo.heads["main"]
    assert said.splitlines()[-1] == f"{hub.url}/{REPO}/commit/{head}"
    assert "sent 10 of 10 files" in said
    assert repo.private
    assert [commit.message for commit in repo.commits.values()] == [
        "initial commit",
        "first\n\nwith a reason",
    ]
    assert hub.files(REPO) == _content(exported)
    assert set(hub.files(REPO)) == FILES
    back = {p.name: p.read_bytes() for p in Path(taken).iterdir() if p.name != ".gitattributes"}
    assert back == _content(exported)
    assert "each as it was exported" in exported.bertspec("bundle", "verify", taken)
    texts = ["a warm and funny film", "poor cast"]
    here, there = bertspec.load(_folder(exported)), bertspec.load(taken)
    assert list(there.predict(texts)) == list(here.predict(texts))
    assert WRITER not in said
    assert hub.sent_to_store == [], "the store signs its addresses and is given no token"


def test_a_hub_may_keep_any_file_as_a_large_one(
    exported: Project, uploads: UploadHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest, too, which does not list itself."""
    monkeypatch.setattr(uploads_module, "LARGE", ("*.onnx", "*.pt", "*.json"))
    exported.bertspec("push-to-hub", "tiny", REPO)
    assert uploads.files(REPO) == _content(exported)
    assert "no new commit" in exported.bertspec("push-to-hub", "tiny", REPO)


def test_only_what_the_hub_has_not_is_sent_and_its_other_files_stay(
    exported: Project, uploads: UploadHub
) -> None:
    repo = uploads.create(REPO, {"notes.txt": b"of somebody"})
    exported.bertspec("push-to-hub", "tiny", REPO)
    head = repo.heads["main"]
    uploads.requests.clear()
    said = exported.bertspec("push-to-hub", "tiny", REPO)
    assert said.splitlines() == [
        f"{REPO} has all 10 files already: no new commit",
        f"{uploads.url}/{REPO}/commit/{head}",
    ]
    assert repo.heads["main"] == head
    assert not any("/commit/" in r or "lfs" in r for r in uploads.requests)
    card = _folder(exported) / "README.md"
    card.write_text(card.read_text() + "More words.\n")
    Seal.of(_folder(exported)).write()
    assert "sent 2 of 10 files" in exported.bertspec("push-to-hub", "tiny", REPO)
    assert uploads.files(REPO) == _content(exported) | {"notes.txt": b"of somebody"}
    assert len(repo.commits) == 3


ADDED = "license: other\nlicense_name: acme\nlanguage: no\nbase_model: acme/base\n"


def test_what_was_added_to_the_card_on_the_hub_is_kept(
    exported: Project, uploads: UploadHub, tmp_path: Path
) -> None:
    """It stays where it stood; of what ours has, too, ours is sent, and so is the text."""
    exported.bertspec("push-to-hub", "tiny", REPO)
    own = (_folder(exported) / "README.md").read_text()
    there = own.replace("---\n", f"---\n{ADDED}", 1)
    uploads.create(REPO, _content(exported) | {"README.md": there.encode()})
    said = exported.bertspec("push-to-hub", "tiny", REPO)
    assert "kept of README.md on the hub: license, license_name, language, base_model" in said
    card = uploads.files(REPO)["README.md"].decode()
    assert card == there.replace("language: no", "language: 'no'")
    assert "no new commit" in exported.bertspec("push-to-hub", "tiny", REPO)
    other = there.replace("library_name: bertspec", "library_name: other") + "Words of others.\n"
    uploads.create(REPO, {"README.md": other.encode()})
    exported.bertspec("push-to-hub", "tiny", REPO, "--create-pr")
    assert uploads.files(REPO, "refs/pr/1")["README.md"].decode() == card
    taken = tmp_path / "taken"
    taken.mkdir()
    for name, content in uploads.files(REPO, "refs/pr/1").items():
        (taken / name).write_bytes(content)
    bertspec.load(taken)
    said = exported.bertspec("bundle", "verify", str(taken), code=1)
    assert said.count("error[") == 1
    assert "README.md is not as it was exported" in said


def test_a_branch_is_made_where_it_is_missing_and_main_stays(
    exported: Project, uploads: UploadHub
) -> None:
    repo = uploads.create(REPO)
    before = repo.heads["main"]
    said = exported.bertspec("push-to-hub", "tiny", REPO, "--revision", "try/v2")
    assert repo.heads["main"] == before
    assert repo.heads["try/v2"] in said
    assert uploads.files(REPO, "try/v2") == _content(exported)
    assert "no new commit" in exported.bertspec("push-to-hub", "tiny", REPO, "--revision", "try/v2")


def test_a_pull_request_leaves_main_and_can_be_pushed_to(
    exported: Project, uploads: UploadHub
) -> None:
    repo = uploads.create(REPO)
    before = repo.heads["main"]
    (_folder(exported) / "README.md").write_text("# Tiny\n")
    Seal.of(_folder(exported)).write()
    said = exported.bertspec("push-to-hub", "tiny", REPO, "--create-pr")
    assert f"\n{uploads.url}/{REPO}/discussions/1" in said
    assert "empty or missing yaml metadata" in said, "what the hub says of the card is told"
    assert repo.heads["main"] == before
    assert uploads.files(REPO, "refs/pr/1") == _content(exported)
    (_folder(exported) / "README.md").write_text("# Tiny, again\n")
    Seal.of(_folder(exported)).write()
    exported.bertspec("push-to-hub", "tiny", REPO, "--revision", "refs/pr/1")
    assert uploads.files(REPO, "refs/pr/1") == _content(exported)
    both = ("--create-pr", "--revision", "v2")
    assert "no --revision" in exported.bertspec("push-to-hub", "tiny", REPO, *both, code=2)


def test_a_dry_run_lists_the_files_and_opens_no_socket(
    exported: Project, uploads: UploadHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket is opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.delenv("HF_TOKEN")
    said = exported.bertspec("push-to-hub", "tiny", REPO, "--dry-run").splitlines()
    assert {line.split()[-1] for line in said[:-1]} == FILES
    assert said[-1].startswith("10 files, ")
    assert said[-1].endswith(f"would go to {REPO} at main")
    assert uploads.requests == []


def test_a_model_that_is_not_as_it_was_exported_is_not_sent(
    exported: Project, uploads: UploadHub
) -> None:
    (_folder(exported) / "model.pt").unlink()
    (_folder(exported) / "tokenizer.json").write_text("{}")
    (_folder(exported) / "secret.txt").write_text("not for the hub")
    for options in ((), ("--dry-run",)):
        said = exported.bertspec("push-to-hub", "tiny", REPO, *options, code=1)
        assert said.count("error[E457]") == 3
        assert "secret.txt is no file of the exported model" in said
    assert uploads.requests == []


@pytest.mark.parametrize(
    ("repo", "options"),
    [
        ("tiny", ()),
        ("acme/a/b", ()),
        ("acme/", ()),
        ("acme/-a", ()),
        ("acme/a--b", ()),
        ("acme/a.git", ()),
        ("acme/naïve", ()),
        ("acme/" + "x" * 97, ()),
        ("https://huggingface.co/acme/tiny", ()),
        (REPO, ("--revision", "a b")),
        (REPO, ("--revision", "-a")),
        (REPO, ("--revision", "a..b")),
        (REPO, ("--revision", "a.lock")),
        (REPO, ("--revision", "")),
    ],
)
def test_a_name_that_is_none_is_told_at_once(
    exported: Project, uploads: UploadHub, repo: str, options: tuple[str, ...]
) -> None:
    for more in ((), ("--dry-run",)):
        assert "E471" in exported.bertspec("push-to-hub", "tiny", repo, *options, *more, code=2)
    assert uploads.requests == []


def test_private_is_not_promised_of_a_repository_that_is_public(
    exported: Project, uploads: UploadHub
) -> None:
    repo = uploads.create(REPO)
    assert "E476" in exported.bertspec("push-to-hub", "tiny", REPO, "--private", code=2)
    assert len(repo.commits) == 1
    repo.private = True
    exported.bertspec("push-to-hub", "tiny", REPO, "--private")
    assert len(repo.commits) == 2


def test_what_a_gitignore_of_the_hub_leaves_out_is_noticed(
    exported: Project, uploads: UploadHub
) -> None:
    uploads.create(REPO, {".gitignore": b"*.pt\n"})
    said = exported.bertspec("push-to-hub", "tiny", REPO, code=1)
    assert "E478" in said
    assert "model.pt of acme/tiny" in said


def test_a_signature_goes_with_the_model_unless_it_is_of_another_one(
    exported: Project, uploads: UploadHub
) -> None:
    key = exported.root / "key.pem"
    signer = CryptoSigner.generate_ed25519()
    key.write_bytes(signer.private_bytes)
    exported.bertspec("attest", "sign", "tiny", "--key", str(key))
    signature = exported.root / "models/tiny/export.provenance.dsse.json"
    exported.bertspec("push-to-hub", "tiny", REPO)
    sent = uploads.files(REPO)
    assert sent.pop("provenance.dsse.json") == signature.read_bytes()
    assert sent == _content(exported)
    signature.write_text(signature.read_text().replace('"payload": "', '"payload": "AAAA'))
    said = exported.bertspec("push-to-hub", "tiny", REPO, code=1)
    assert "error[E461]" in said
    assert uploads.files(REPO).keys() == {*sent, "provenance.dsse.json"}
