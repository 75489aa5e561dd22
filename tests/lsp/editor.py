"""An editor without a screen: pygls's own client, which talks to `bertspec lsp` as editors do."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient

T = TypeVar("T")

HERE = "▮"
"""Where the cursor is in a text."""


class Editor:
    """A session. A document is named by its path; its text may have `HERE` in it."""

    def __init__(self, root: Path, *, snippets: bool = True) -> None:
        self.root = root
        self._runner = asyncio.Runner()
        self._client = LanguageClient("tests", "1")
        self._published: dict[str, types.PublishDiagnosticsParams] = {}
        self._version = 0
        self.said: list[str] = []
        self._texts: dict[str, str] = {}
        self.watched: list[types.Registration] = []

        def take(params: types.PublishDiagnosticsParams) -> None:
            self._published[params.uri] = params

        def register(params: types.RegistrationParams) -> None:
            self.watched += params.registrations

        self._client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(take)
        self._client.feature(types.CLIENT_REGISTER_CAPABILITY)(register)
        self._client.feature(types.WINDOW_LOG_MESSAGE)(lambda p: self.said.append(p.message))
        self._client.feature(types.WINDOW_SHOW_MESSAGE)(lambda p: self.said.append(p.message))
        self.result = self._run(self._begin(snippets))

    def _run(self, coroutine: Any) -> Any:
        return self._runner.run(asyncio.wait_for(coroutine, 30))

    async def _begin(self, snippets: bool) -> types.InitializeResult:
        program = Path(sys.executable).parent / "bertspec"
        await self._client.start_io(str(program), "lsp", cwd=self.root, env=dict(os.environ))
        item = types.ClientCompletionItemOptions(snippet_support=snippets)
        completion = types.CompletionClientCapabilities(completion_item=item)
        found = await self._client.initialize_async(
            types.InitializeParams(
                capabilities=types.ClientCapabilities(
                    text_document=types.TextDocumentClientCapabilities(completion=completion),
                    workspace=types.WorkspaceClientCapabilities(
                        did_change_watched_files=types.DidChangeWatchedFilesClientCapabilities(
                            dynamic_registration=True
                        )
                    ),
                ),
                root_uri=self.root.as_uri(),
            )
        )
        self._client.initialized(types.InitializedParams())
        return found

    def end(self) -> int:
        """Say good-bye; the exit code."""

        async def end() -> int:
            await self._client.shutdown_async(None)
            self._client.exit(None)
            process = self._client._server
            assert process is not None
            return await process.wait()

        try:
            return int(self._run(end()))
        finally:
            self._runner.close()

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def show(self, name: str, text: str) -> list[types.Diagnostic]:
        """Open a document, or change what is open, and wait for its diagnostics."""
        self.type(name, text)
        self._run(self._wait(self.uri(name), self._version))
        self.hover(name)  # its answer comes after all that was published with this
        return self.shown(name)

    def type(self, name: str, text: str) -> None:
        """The same without waiting."""
        uri, plain = self.uri(name), text.replace(HERE, "")
        self._version += 1

        async def send() -> None:
            if uri in self._texts:
                self._client.text_document_did_change(
                    types.DidChangeTextDocumentParams(
                        types.VersionedTextDocumentIdentifier(self._version, uri),
                        [types.TextDocumentContentChangeWholeDocument(plain)],
                    )
                )
            else:
                document = types.TextDocumentItem(uri, "yaml", self._version, plain)
                self._client.text_document_did_open(types.DidOpenTextDocumentParams(document))

        self._run(send())
        self._texts[uri] = text

    def tell_of_change(self, name: str) -> None:
        """Tell that another program has written a file."""
        event = types.FileEvent(self.uri(name), types.FileChangeType.Changed)

        async def send() -> None:
            self._client.workspace_did_change_watched_files(
                types.DidChangeWatchedFilesParams([event])
            )

        self._run(send())

    def wait_until_shown(self, name: str, code: str) -> None:
        """Wait for a diagnostic of this code."""

        async def wait() -> None:
            while code not in [d.code for d in self.shown(name)]:
                await asyncio.sleep(0.005)

        self._run(wait())

    def close(self, name: str) -> list[types.Diagnostic]:
        """Close a document without saving it; what is shown of it then."""
        uri = self.uri(name)
        identifier = types.TextDocumentIdentifier(uri)

        async def send() -> None:
            self._client.text_document_did_close(types.DidCloseTextDocumentParams(identifier))

        self._run(send())
        del self._texts[uri]
        if uri not in self._published:
            return []
        self._run(self._wait(uri, None))
        return self.shown(name)

    async def _wait(self, uri: str, version: int | None) -> None:
        while uri not in self._published or self._published[uri].version != version:
            await asyncio.sleep(0.005)

    def shown(self, name: str) -> list[types.Diagnostic]:
        """What was last shown of a document."""
        return list(self._published[self.uri(name)].diagnostics)

    def _place(self, name: str) -> tuple[types.TextDocumentIdentifier, types.Position]:
        before, _, _ = self._texts[self.uri(name)].partition(HERE)
        line = before.rpartition("\n")[2]
        position = types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)
        return types.TextDocumentIdentifier(self.uri(name)), position

    def hover(self, name: str) -> types.Hover | None:
        params = types.HoverParams(*self._place(name))
        return self._run(self._client.text_document_hover_async(params))

    def complete(self, name: str, text: str) -> dict[str, types.CompletionItem]:
        """What can be written at the cursor of a text, by label, in the order that is shown."""
        self.type(name, text)
        params = types.CompletionParams(*self._place(name))
        found = self._run(self._client.text_document_completion_async(params))
        items = sorted(found.items, key=lambda item: item.sort_text)
        return {item.label: item for item in items}

    def accept(self, name: str, item: types.CompletionItem) -> str:
        """The text when an item has been chosen."""
        assert isinstance(item.text_edit, types.TextEdit)
        return self.edited(name, [item.text_edit])

    def edited(self, name: str, edits: list[types.TextEdit]) -> str:
        """The text of a document with edits, of which the last in the text come last."""
        text = self._texts[self.uri(name)].replace(HERE, "")
        for edit in reversed(edits):
            start, end = (_offset(text, p) for p in (edit.range.start, edit.range.end))
            text = text[:start] + edit.new_text + text[end:]
        return text

    def definition(self, name: str) -> types.Location | None:
        params = types.DefinitionParams(*self._place(name))
        return self._run(self._client.text_document_definition_async(params))

    def fixes(self, name: str) -> list[types.CodeAction]:
        """The quick fixes at the cursor."""
        document, place = self._place(name)
        params = types.CodeActionParams(
            document, types.Range(place, place), types.CodeActionContext(diagnostics=[])
        )
        return self._run(self._client.text_document_code_action_async(params))

    def format(self, name: str) -> str | None:
        """The formatted text; None where it cannot be formatted."""
        params = types.DocumentFormattingParams(
            types.TextDocumentIdentifier(self.uri(name)), types.FormattingOptions(2, True)
        )
        edits = self._run(self._client.text_document_formatting_async(params))
        return None if edits is None else self.edited(name, edits)

    def send_raw(self, data: bytes) -> None:
        """Something that no editor should send."""

        async def send() -> None:
            process = self._client._server
            assert process is not None
            assert process.stdin is not None
            process.stdin.write(data)
            await process.stdin.drain()

        self._run(send())


def _offset(text: str, position: types.Position) -> int:
    lines = text.splitlines(keepends=True)
    before = "".join(lines[: position.line])
    line = lines[position.line] if position.line < len(lines) else ""
    units = line.encode("utf-16-le")[: 2 * position.character]
    return len(before) + len(units.decode("utf-16-le"))
