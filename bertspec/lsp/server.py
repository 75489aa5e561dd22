"""What is open in the editor, and what is shown of it."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import FeatureRequestError
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from bertspec import __version__
from bertspec.lsp.diagnostics import as_protocol, check
from bertspec.lsp.header import Headers
from bertspec.lsp.lines import Lines
from bertspec.lsp.project import is_ours, root_of, users_of
from bertspec.spec.unsaved import unsaved

PAUSE = 0.2
"""Seconds without a change, after which a file is checked while somebody types."""


class SpecServer(LanguageServer):
    """The state of a session with an editor."""

    def __init__(self) -> None:
        # Whole texts: what is a line is then told by nobody but us.
        super().__init__("bertspec", __version__, types.TextDocumentSyncKind.Full)
        self.headers = Headers()
        self.was_shut_down = False
        self._shown: dict[Path, list[types.Diagnostic]] = {}
        self._waiting: asyncio.TimerHandle | None = None

    def path_of(self, uri: str) -> Path | None:
        """The file of a document; None for one that has none, such as a new one without a name."""
        path = to_fs_path(uri)
        return Path(path) if path else None

    def texts(self) -> Mapping[Path, str]:
        """What is open, by resolved path."""
        found = {}
        for uri, document in self.workspace.text_documents.items():
            if path := self.path_of(uri):
                found[path.resolve()] = _sound(document.source)
        return found

    def lines_of(self, path: Path) -> Lines:
        """The lines of a file, as the editor has it or as it is on the disk."""
        text = self.texts().get(path.resolve())
        if text is None:
            try:
                text = path.read_bytes().decode("utf-8", "replace")
            except OSError:
                text = ""
        return Lines(text, self.workspace.position_codec)

    def root_of(self, path: Path) -> Path:
        """The project of a file."""
        opened = [self.path_of(uri) for uri in self.workspace.folders]
        if self.workspace.root_path:
            opened.append(Path(self.workspace.root_path))
        return root_of(path, [folder for folder in opened if folder])

    def asked(self, uri: str) -> tuple[Path, Lines] | None:
        """The file and the lines of a document; None for one that is no spec and no data set."""
        path = self.path_of(uri)
        if path is None:
            return None
        lines = self.lines_of(path)
        return (path, lines) if is_ours(path, lines.text) else None

    def check_soon(self) -> None:
        """Check when nothing has changed for a while."""
        if self._waiting:
            self._waiting.cancel()
        self._waiting = asyncio.get_running_loop().call_later(PAUSE, self.check_now)

    def check_now(self) -> None:
        """Check what is open and whatever of the project takes it in, and show what is found."""
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None
        try:
            self._show(self._check())
        except Exception as error:  # noqa: BLE001 - the next change may be without it
            self.log(f"the check failed: {type(error).__name__}: {error}", error)

    def is_waiting(self) -> bool:
        """Whether what is shown is older than what is open."""
        return self._waiting is not None

    def _check(self) -> dict[Path, list[types.Diagnostic]]:
        found: dict[Path, list[types.Diagnostic]] = {}
        texts = self.texts()
        with unsaved(texts):
            for root, paths in self._projects(texts).items():
                found |= {path.resolve(): [] for path in paths if path.resolve() in texts}
                for file, diagnostics in check(paths, root).items():
                    lines = self.lines_of(file)
                    found.setdefault(file, []).extend(as_protocol(d, lines) for d in diagnostics)
        return found

    def _projects(self, texts: Mapping[Path, str]) -> Mapping[Path, Iterable[Path]]:
        """The files to check of each project: those that are open, and those that use them."""
        found: dict[Path, dict[Path, None]] = {}
        for path, text in texts.items():
            if is_ours(path, text):
                root = self.root_of(path)
                users = users_of(path, root)
                found.setdefault(root, {}).update(dict.fromkeys((path, *users)))
        return found

    def _show(self, found: Mapping[Path, list[types.Diagnostic]]) -> None:
        for file in dict.fromkeys([*self._shown, *found]):
            document = self._document(file)
            uri = document.uri if document else file.as_uri()
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(
                    uri, found.get(file, []), document.version if document else None
                )
            )
        self._shown = dict(found)

    def shown(self, path: Path) -> list[types.Diagnostic]:
        """What is shown of a file."""
        return self._shown.get(path.resolve(), [])

    def uri_of(self, file: Path) -> str:
        """The address by which the editor knows a file."""
        document = self._document(file)
        return document.uri if document else file.as_uri()

    def _document(self, file: Path) -> TextDocument | None:
        """What is open of a file, given by its resolved path."""
        for document in self.workspace.text_documents.values():
            path = self.path_of(document.uri)
            if path is not None and path.resolve() == file:
                return document
        return None

    def watch_files(self) -> None:
        """Ask the editor to tell of files that other programs write, such as git."""
        workspace = self.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace else None
        if watching and watching.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions(
                [types.FileSystemWatcher("**/*.{yaml,yml,json}")]
            )
            method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
            registration = types.Registration("specs", method, options)
            self.client_register_capability(types.RegistrationParams([registration]))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Tell the log of a message that is none of the protocol's, and of a notification's fault.

        A question's fault is its answer.
        """
        if source is not FeatureRequestError:
            self.log(f"{type(error).__name__}: {error}", error)

    def log(self, message: str, error: BaseException | None = None) -> None:
        """Tell the editor's log; the traceback goes to standard error, with --debug."""
        logging.getLogger("bertspec").debug(message, exc_info=error)
        self.window_log_message(types.LogMessageParams(types.MessageType.Error, message))


def _sound(text: str) -> str:
    """Text without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
