"""A hub on 127.0.0.1 that takes uploads of models: the real protocol, but without Xet.

Source of the protocol: huggingface_hub 2 (`hf_api.py`, `_commit_api.py`, `lfs.py`), and git-lfs'
docs/api/batch.md. Large files go to and come from another host, as the real hub's do.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bertspec.core.yaml import load_plain
from tests.hub.server import Handler, HubServer, NotFoundError, git_id

WRITER, READER = "hf_" + "Writer" * 6, "hf_" + "Reader" * 6
OWNER = "acme"
SIGNATURE = "signed-and-secret"
"""In the address of a large file: whoever has it may write there."""

LARGE = ("*.onnx", "*.pt", "*.safetensors")
ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE)
_ROUTES = re.compile(
    r"^(?:/api/models/(?P<repo>[^/]+/[^/]+)/(?P<what>preupload|commit|branch)/(?P<revision>[^/]+)"
    r"|/(?P<lfs>[^/]+/[^/]+)\.git/info/lfs/(?P<action>objects/batch|verify))$"
)


@dataclass
class Commit:
    message: str
    files: dict[str, str]
    """Path -> SHA-256 of the content."""
    parent: str | None = None

    @property
    def sha(self) -> str:
        text = json.dumps([self.message, sorted(self.files.items()), self.parent])
        return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - as git


@dataclass
class Repository:
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    """Branches and pull requests."""

    def add(self, commit: Commit, head: str) -> None:
        self.commits[commit.sha] = commit
        self.heads[head] = commit.sha

    def at(self, revision: str) -> Commit:
        found = self.commits.get(self.heads.get(revision, revision))
        if found is None:
            raise NotFoundError("RevisionNotFound")
        return found


class UploadHub(HubServer):
    """Has what is pushed to it. WRITER may write below OWNER, READER nowhere."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, UploadHandler)
        self.repos: dict[str, Repository] = {}
        self.contents: dict[str, bytes] = {}
        """SHA-256 -> what has been sent, whether a commit has it or not."""
        self.writing = Lock()
        self.sent_to_store: list[str] = []
        """Tokens that came with large files; there should be none."""

    @property
    def store(self) -> str:
        """Where large files are: the same machine by another name."""
        return self.url.replace("127.0.0.1", "localhost")

    def create(
        self, repo: str, files: Mapping[str, bytes] | None = None, *, private: bool = False
    ) -> Repository:
        made = self.repos[repo] = Repository(private)
        contents = {".gitattributes": ATTRIBUTES.encode()} | dict(files or {})
        kept = {name: self.keep(content) for name, content in contents.items()}
        made.add(Commit("initial commit", kept), "main")
        return made

    def keep(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return digest

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository has, but for what the hub itself put there."""
        found = self.repos[repo].at(revision).files
        return {n: self.contents[digest] for n, digest in found.items() if n != ".gitattributes"}


class RefusedError(Exception):
    """An answer that is an error: status and words."""


class UploadHandler(Handler):
    hub: UploadHub

    def do_PUT(self) -> None:  # noqa: N802 - http.server wants the name
        self._answer()

    def respond(self, body: bytes) -> None:
        url = urlsplit(self.path)
        match = _ROUTES.match(url.path)
        try:
            if url.path.startswith("/store/"):
                self._store(url.path.removeprefix("/store/"), parse_qs(url.query), body)
            elif url.path == "/api/validate-yaml":
                self._validate(json.loads(body)["content"])
            elif url.path == "/api/repos/create":
                self.send_json(self._create(json.loads(body)))
            elif match and match["lfs"]:
                repo = self._writable(match["lfs"])
                self.send_json(self._large(repo, match["lfs"], match["action"], json.loads(body)))
            elif match:
                propose = "create_pr" in parse_qs(url.query)
                repo = self._readable(match["repo"]) if propose else self._writable(match["repo"])
                revision = unquote(match["revision"])
                self.send_json(self._write(match, repo, revision, body, propose=propose))
            else:
                super().respond(body)
        except RefusedError as error:
            status, said = error.args
            self.send(status, json.dumps({"error": said}).encode(), {"X-Error-Message": said})
        except NotFoundError as error:
            self.send_not_found(str(error))

    def _token(self) -> str | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if token not in (None, WRITER, READER):
            raise RefusedError(401, "Invalid credentials in Authorization header")
        return token

    def _readable(self, name: str) -> Repository:
        token, repo = self._token(), self.hub.repos.get(name)
        if repo is None or (repo.private and token is None):
            raise NotFoundError("RepoNotFound")
        return repo

    def _writable(self, name: str) -> Repository:
        repo, token = self._readable(name), self._token()
        if token is None:
            raise RefusedError(401, "Invalid username or password.")
        if token != WRITER or not name.startswith(f"{OWNER}/"):
            raise RefusedError(403, "You don't have the rights to write to this repo")
        return repo

    def _create(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        name = f"{wanted['organization']}/{wanted['name']}"
        if self._token() is None:
            raise RefusedError(401, "Invalid username or password.")
        if self._token() != WRITER or wanted["organization"] != OWNER:
            words = "You don't have the rights to create a model under the namespace"
            raise RefusedError(403, f'{words} "{wanted["organization"]}"')
        if name in self.hub.repos:
            raise RefusedError(409, "You already created this model repo")
        private = wanted.get("visibility") == "private" or wanted.get("private") is True
        self.hub.create(name, private=private)
        return {"url": f"{self.hub.url}/{name}"}

    def _write(
        self, match: re.Match[str], repo: Repository, revision: str, body: bytes, *, propose: bool
    ) -> Any:
        if match["what"] == "branch":
            if revision in repo.heads:
                raise RefusedError(409, "Reference already exists")
            if revision.startswith("refs/"):
                raise RefusedError(400, "Invalid reference for a branch")
            repo.heads[revision] = repo.heads[json.loads(body or "{}").get("startingPoint", "main")]
            return {}
        head = repo.at(revision)
        if match["what"] == "preupload":
            return {"files": [self._mode(f, head) for f in json.loads(body)["files"]]}
        return self._commit(match["repo"], repo, revision, body, propose=propose)

    def _mode(self, file: Mapping[str, Any], head: Commit) -> dict[str, Any]:
        path = file["path"]
        large = any(fnmatch(path, pattern) for pattern in LARGE)
        ignored = self.hub.contents.get(head.files.get(".gitignore", ""), b"").decode().split()
        found: dict[str, Any] = {"path": path, "uploadMode": "lfs" if large else "regular"}
        found["shouldIgnore"] = any(fnmatch(path, pattern) for pattern in ignored)
        if (digest := head.files.get(path)) is not None:
            found["oid"] = digest if large else git_id(self.hub.contents[digest])
        return found

    def _commit(
        self, name: str, repo: Repository, revision: str, body: bytes, *, propose: bool
    ) -> dict[str, Any]:
        header, *lines = (json.loads(line) for line in body.splitlines())
        head = repo.at(revision)
        files = dict(head.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "lfsFile":
                if value["oid"] not in self.hub.contents:
                    raise RefusedError(
                        400, f"LFS pointer points to a file that does not exist: {value}"
                    )
                files[value["path"]] = value["oid"]
            elif line["key"] == "file":
                files[value["path"]] = self.hub.keep(base64.b64decode(value["content"]))
            else:
                raise RefusedError(400, f"unknown operation {line['key']}")
        message = "\n\n".join(filter(None, header["value"].values()))
        made = Commit(message, files, head.sha)
        number = 1 + sum(ref.startswith("refs/pr/") for ref in repo.heads)
        repo.add(made, f"refs/pr/{number}" if propose else revision)
        url = f"{self.hub.url}/{name}"
        found = {"success": True, "commitOid": made.sha, "commitUrl": f"{url}/commit/{made.sha}"}
        return found | ({"pullRequestUrl": f"{url}/discussions/{number}"} if propose else {})

    def _large(self, repo: Repository, name: str, action: str, wanted: Any) -> dict[str, Any]:
        if action == "verify":
            if len(self.hub.contents.get(wanted["oid"], b"")) != wanted["size"]:
                raise NotFoundError("EntryNotFound")
            return {}
        verify = {"href": f"{self.hub.url}/{name}.git/info/lfs/verify"}
        objects = []
        for each in wanted["objects"]:
            found = dict(each)
            if each["oid"] not in self.hub.contents:
                to = f"{self.hub.store}/store/{each['oid']}?X-Amz-Signature={SIGNATURE}"
                found["actions"] = {"upload": {"href": to}, "verify": verify}
            objects.append(found)
        return {"transfer": "basic", "objects": objects}

    def _store(self, oid: str, query: Mapping[str, list[str]], body: bytes) -> None:
        if self.headers.get("Authorization"):
            self.hub.sent_to_store.append(self.headers["Authorization"])
        if self.command == "PUT":
            if (
                query.get("X-Amz-Signature") != [SIGNATURE]
                or hashlib.sha256(body).hexdigest() != oid
            ):
                raise RefusedError(403, "SignatureDoesNotMatch")
            self.hub.keep(body)
            self.send(200, b"", {})
        else:
            self.send(200, self.hub.contents[oid], {"Content-Type": "application/octet-stream"})

    def _validate(self, content: str) -> None:
        found = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        try:
            load_plain(found[1] if found else "")
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            self.send(400, json.dumps({"errors": [{"message": str(error)}]}).encode(), {})
            return
        missing = [] if found else [{"message": "empty or missing yaml metadata in repo card"}]
        self.send_json({"errors": [], "warnings": missing})

    # What is read: each commit as a folder, as the hub that is only read has it.

    def find(self, kind: str, repo: str, revision: str) -> tuple[Path, str]:
        commit = self._readable(repo).at(revision)
        folder = self.hub.folder / commit.sha
        with self.hub.writing:  # requests come at once
            if not folder.exists():
                folder.mkdir(parents=True)
                for name, digest in commit.files.items():
                    (folder / name).write_bytes(self.hub.contents[digest])
        return folder, commit.sha

    def api(
        self, match: re.Match[str], query: Mapping[str, list[str]], form: Mapping[str, list[str]]
    ) -> Any:
        found = super().api(match, query, form)
        if isinstance(found, dict):
            return found | {"private": self.hub.repos[match["repo"]].private}
        files = self.hub.repos[match["repo"]].at(unquote(match["revision"])).files
        for entry in found:
            if any(fnmatch(entry["path"], pattern) for pattern in LARGE):
                entry["oid"] = git_id(_pointer(files[entry["path"]], entry["size"]))
                about = {"oid": files[entry["path"]], "pointerSize": 134}
                entry["lfs"] = about | {"size": entry["size"]}
        return found

    def send_file(self, path: Path, commit: str) -> None:
        if not path.is_file() or not any(fnmatch(path.name, pattern) for pattern in LARGE):
            super().send_file(path, commit)
            return
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-ETag": f'"{digest}"',
            "X-Linked-Size": str(path.stat().st_size),
            "Location": f"{self.hub.store}/store/{digest}?Signature={SIGNATURE}",
        }
        self.send(302, b"", headers)


def _pointer(oid: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
