"""A session over standard input and output: each question of the protocol to who answers it."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lsprotocol import types

from bertspec.core.errors import InputError
from bertspec.formatting.spec_file import formatted
from bertspec.lsp.completion import Asked, completions
from bertspec.lsp.definition import definition
from bertspec.lsp.hover import hover
from bertspec.lsp.lines import Lines
from bertspec.lsp.project import model_of
from bertspec.lsp.quick_fixes import quick_fixes
from bertspec.lsp.server import SpecServer
from bertspec.spec.unsaved import unsaved


def run(*, debug: bool = False) -> int:
    """Answer until the editor hangs up. The exit code is 0 when it has said so before."""
    server = make_server()
    with _only_the_protocol() as stdout:
        _log_to_the_editor(server, debug=debug)
        server.start_io(sys.stdin.buffer, stdout)
    return 0 if server.was_shut_down else 1


def make_server() -> SpecServer:
    """A server with all that it can be asked."""
    server = SpecServer()
    _follow_documents(server)
    server.feature(types.TEXT_DOCUMENT_HOVER)(partial(_hover, server))
    server.feature(
        types.TEXT_DOCUMENT_COMPLETION,
        types.CompletionOptions(trigger_characters=[" ", '"', "'", "[", "{", ",", "/"]),
    )(partial(_complete, server))
    server.feature(types.TEXT_DOCUMENT_DEFINITION)(partial(_define, server))
    server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )(partial(_fix, server))
    server.feature(types.TEXT_DOCUMENT_FORMATTING)(partial(_format, server))
    return server


def _follow_documents(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(_params: types.DidOpenTextDocumentParams) -> None:
        server.check_now()

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(_params: types.DidChangeTextDocumentParams) -> None:
        server.check_soon()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(_params: types.DidSaveTextDocumentParams) -> None:
        server.check_now()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(_params: types.DidCloseTextDocumentParams) -> None:
        server.check_now()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_elsewhere(_params: types.DidChangeWatchedFilesParams) -> None:
        server.check_soon()

    @server.feature(types.INITIALIZED)
    def begun(_params: types.InitializedParams) -> None:
        server.watch_files()

    @server.feature(types.SHUTDOWN)
    def shut_down(_params: None) -> None:
        server.was_shut_down = True


def _hover(server: SpecServer, params: types.HoverParams) -> types.Hover | None:
    asked = server.asked(params.text_document.uri)
    if asked is None:
        return None
    path, lines = asked
    offset = lines.offset(params.position)
    found = hover(lines.text, offset, model_of(path), is_json=_is_json(path))
    if found is None:
        return None
    said, start, end = found
    content = types.MarkupContent(types.MarkupKind.Markdown, said)
    return types.Hover(content, lines.range(start, end))


def _complete(server: SpecServer, params: types.CompletionParams) -> types.CompletionList:
    asked = server.asked(params.text_document.uri)
    if asked is None:
        return types.CompletionList(is_incomplete=False, items=[])
    path, lines = asked
    offset, root = lines.offset(params.position), server.root_of(path)
    where = Asked(lines, offset, path, root, server.headers, _takes_snippets(server))
    with unsaved(server.texts()):
        # Folders are read as they are named, so the next letter may bring others.
        return types.CompletionList(is_incomplete=True, items=completions(where))


def _define(server: SpecServer, params: types.DefinitionParams) -> types.Location | None:
    asked = server.asked(params.text_document.uri)
    if asked is None:
        return None
    path, lines = asked
    root = server.root_of(path)
    with unsaved(server.texts()):
        try:
            found = definition(
                lines.text, lines.offset(params.position), path, root, is_json=_is_json(path)
            )
        except (InputError, OSError, ValueError):  # of a file that cannot be read
            return None
    if found is None:
        return None
    target, start, end = found
    return types.Location(server.uri_of(target), server.lines_of(target).range(start, end))


def _fix(server: SpecServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    asked = server.asked(params.text_document.uri)
    if asked is None:
        return []
    if server.is_waiting():
        server.check_now()
    path, lines = asked
    shown = server.shown(path)
    uri = params.text_document.uri
    return list(quick_fixes(uri, lines, params.range, shown, is_json=_is_json(path)))


def _format(
    server: SpecServer, params: types.DocumentFormattingParams
) -> list[types.TextEdit] | None:
    asked = server.asked(params.text_document.uri)
    if asked is None:
        return None
    path, lines = asked
    with unsaved(server.texts()):
        try:
            old, new = formatted(path, server.root_of(path))
        except InputError as error:
            if any(d.code == "E233" for d in error.diagnostics):
                server.log(str(error))
            return None  # what is wrong in it is shown already
    return [types.TextEdit(_all(lines), new)] if old != new else []


def _all(lines: Lines) -> types.Range:
    return lines.range(0, len(lines.text))


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _takes_snippets(server: SpecServer) -> bool:
    document = server.client_capabilities.text_document
    completion = document.completion if document else None
    item = completion.completion_item if completion else None
    return bool(item and item.snippet_support)


@contextmanager
def _only_the_protocol() -> Iterator[BinaryIO]:
    """Standard output for the protocol; what anything else prints goes to standard error."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stdout:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield stdout


class _Editor(logging.Handler):
    """Sends what libraries log to the editor's log, in one line each."""

    def __init__(self, server: SpecServer) -> None:
        super().__init__(logging.WARNING)
        self._server = server
        self._is_busy = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_busy:  # sending failed, and that is logged, too
            return
        self._is_busy = True
        try:
            error = record.exc_info[1] if record.exc_info else None
            said = f": {type(error).__name__}: {error}" if error else ""
            message = types.LogMessageParams(
                types.MessageType.Warning, f"{record.getMessage().splitlines()[0]}{said}"
            )
            self._server.window_log_message(message)
        except Exception:  # noqa: BLE001, S110 - there is nobody left to be told
            pass
        finally:
            self._is_busy = False


def _log_to_the_editor(server: SpecServer, *, debug: bool) -> None:
    root = logging.getLogger()
    root.addHandler(_Editor(server))
    if debug:
        root.addHandler(logging.StreamHandler(sys.stderr))
        logging.getLogger("bertspec").setLevel(logging.DEBUG)
