"""An exported model's folder to a Hugging Face hub, in a commit that has all of it or nothing."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bertspec import __version__
from bertspec.catalog.hub import quiet_unless_terminal
from bertspec.catalog.hub_client import bounded_client
from bertspec.core.digest import file_digest
from bertspec.core.errors import CheckFailed, InputError
from bertspec.core.redaction import without_secrets
from bertspec.core.terminal import one_line
from bertspec.runtime.attesting.envelope import require_signature_of, signature_of
from bertspec.runtime.bundle import read_bundle
from bertspec.runtime.pushing.card import card_to_send
from bertspec.runtime.pushing.faults import push_faults
from bertspec.runtime.pushing.login import hub_token, require_address
from bertspec.runtime.pushing.target import MAIN, PULL_REQUEST, Target
from bertspec.runtime.seal import CARD, FILE, SIGNATURE, Seal

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True)
class Pushed:
    """What is on the hub now."""

    address: str
    """Of the commit, or of the pull request."""
    sent: tuple[str, ...]
    """Files that it had not, or had otherwise; none when there is no new commit."""
    notes: tuple[str, ...] = ()
    """What is kept of the model card on the hub, and what the hub has to say of the new one."""


@dataclass(frozen=True)
class Content:
    """What is sent of a file."""

    path: Path
    sha256: str


def files_to_send(folder: Path) -> dict[str, Content]:
    """Each file of an exported model, by its name on the hub; its signature, where it has one, too.

    Raises InputError: E451 for a folder that is none, E457 for one without a manifest;
    CheckFailed: E457 unless every file is as it was exported, E461 for the signature of another
    model.
    """
    read_bundle(folder)
    seal = Seal.read(folder)
    seal.require_all()
    digests = {**seal.files, FILE: file_digest(folder / FILE)}
    files = {name: Content(folder / name, digests[name]) for name in sorted(digests)}
    if signature := signature_of(folder):
        require_signature_of(signature, folder)
        files[SIGNATURE] = Content(signature, file_digest(signature))
    return files


def push(files: Mapping[str, Content], target: Target) -> Pushed:
    """Send what the hub has not, of what `files_to_send` gives.

    Raises InputError, EnvironmentFault and CheckFailed with the codes E472 to E478.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils.logging import set_verbosity_error
    from huggingface_hub.utils.tqdm import disable_progress_bars

    quiet_unless_terminal(disable_progress_bars)
    quiet_unless_terminal(set_verbosity_error)
    token = hub_token()
    api = HfApi(token=token, library_name="bertspec", library_version=__version__)
    require_address(api.endpoint)
    with (
        warnings.catch_warnings(record=True) as said,
        bounded_client(),
        push_faults(target.repo, token),
    ):
        warnings.simplefilter("always", UserWarning)
        pushed = _Push(api, files, target).run()
    warned = [str(each.message) for each in said if issubclass(each.category, UserWarning)]
    notes = [*pushed.notes, *warned]
    shown = (one_line(without_secrets(note, token)) for note in dict.fromkeys(notes))
    return replace(pushed, address=without_secrets(pushed.address, token), notes=tuple(shown))


@dataclass(frozen=True)
class _Push:
    api: "HfApi"
    files: Mapping[str, Content]
    target: Target

    def run(self) -> Pushed:
        self._make_place()
        if CARD not in self.files:
            return self.send()
        with TemporaryDirectory() as folder:
            own = self.files[CARD].path
            card, kept = card_to_send(self.api, self.target, own, Path(folder))
            content = Content(card, file_digest(card))
            pushed = replace(self, files={**self.files, CARD: content}).send()
        note = f"kept of {CARD} on the hub: {', '.join(kept)}"
        return replace(pushed, notes=(note,)) if kept else pushed

    def send(self) -> Pushed:
        from huggingface_hub import CommitOperationAdd

        repo, revision = self.target.repo, self.target.revision
        wanted = self._others(revision)
        if not wanted:
            head = self.api.model_info(repo, revision=revision).sha
            return Pushed(f"{self.api.endpoint}/{repo}/commit/{head}", ())
        title, _, rest = self.target.message.strip().partition("\n")
        commit = self.api.create_commit(
            repo,
            [CommitOperationAdd(name, self.files[name].path) for name in wanted],
            commit_message=title or f"Export of bertspec {__version__}",
            commit_description=rest.strip(),
            revision=None if self.target.create_pr else revision,
            create_pr=self.target.create_pr,
        )
        # A .gitignore on the hub has it leave files out, and says nothing.
        if missing := self._others(commit.oid):
            raise CheckFailed.of(
                "E478",
                f"{', '.join(missing)} of {repo} at {commit.oid} is not as it was exported",
                "is there a .gitignore on the hub that has it left out?",
            )
        return Pushed(commit.pr_url or commit.commit_url, tuple(wanted))

    def _make_place(self) -> None:
        """The repository and the branch, where they are not there yet."""
        from huggingface_hub.errors import RepositoryNotFoundError

        repo, revision = self.target.repo, self.target.revision
        try:
            found = self.api.model_info(repo)
        except RepositoryNotFoundError as error:
            if error.response.status_code != 404:  # noqa: PLR2004 - such as a token not taken
                raise
            self.api.create_repo(repo, private=self.target.private or None, exist_ok=True)
        else:
            if self.target.private and not found.private:
                raise InputError.of(
                    "E476",
                    f"{repo} is there and is public, so nothing was sent",
                    "make it private in its settings on the hub, or push without --private",
                )
        if revision != MAIN and not PULL_REQUEST.fullmatch(revision):
            self.api.create_branch(repo, branch=revision, exist_ok=True)

    def _others(self, revision: str) -> list[str]:
        """Files that the hub has not at a revision, or has with other bytes."""
        from huggingface_hub.hf_api import RepoFile

        others = dict.fromkeys(self.files)
        for there in self.api.get_paths_info(self.target.repo, list(others), revision=revision):
            if not isinstance(there, RepoFile) or there.path not in others:
                continue
            path = self.files[there.path].path
            if there.lfs is not None:
                equal = there.lfs.sha256 == self.files[there.path].sha256
            else:
                equal = there.size == path.stat().st_size and there.blob_id == _blob_id(path)
            if equal:
                del others[there.path]
        return list(others)


def _blob_id(path: Path) -> str:
    """How git names the content of a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - as git
