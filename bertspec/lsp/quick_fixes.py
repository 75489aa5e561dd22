"""Fixes from did-you-mean: the word that was meant in place of the one that stands there."""

import re
from collections.abc import Iterable, Iterator

from lsprotocol import types

from bertspec.lsp.lines import Lines
from bertspec.lsp.words import written

_QUOTED = re.compile(r"""^("([^"\\]|\\.)*"|'([^']|'')*')$""")
_PLAIN = re.compile(r"^[^\s\"'&*!|>{}\[\]#][^\r\n]*$")


def quick_fixes(
    uri: str,
    lines: Lines,
    asked: types.Range,
    diagnostics: Iterable[types.Diagnostic],
    *,
    is_json: bool,
) -> Iterator[types.CodeAction]:
    """A fix for each of the file's diagnostics in the range that tells what was meant."""
    for diagnostic in diagnostics:
        if not isinstance(diagnostic.data, dict) or not _touch(diagnostic.range, asked):
            continue
        meant = str(diagnostic.data["replacement"])
        start, end = lines.offset(diagnostic.range.start), lines.offset(diagnostic.range.end)
        new = _instead(lines.text[start:end], meant, is_json=is_json)
        if new is None:
            continue
        edit = types.TextEdit(range=diagnostic.range, new_text=new)
        yield types.CodeAction(
            title=f"Write `{meant}`",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[diagnostic],
            edit=types.WorkspaceEdit(changes={uri: [edit]}),
            is_preferred=True,
        )


def _instead(old: str, meant: str, *, is_json: bool) -> str | None:
    """What to write for a word, in its quotes; None for what is no word."""
    if _QUOTED.match(old):
        return f"{old[0]}{written(meant, quote=old[0])}{old[0]}"
    return written(meant, is_json=is_json) if _PLAIN.match(old) else None


def _touch(one: types.Range, other: types.Range) -> bool:
    return one.start <= other.end and other.start <= one.end
