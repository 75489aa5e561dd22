"""A diagnostic: what is wrong, where, and what to do; printed for people or for machines."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from bertspec.core.redaction import without_secrets
from bertspec.core.terminal import json_text, printable

_LAYOUT = "\n\t"
"""What is not printable and stays in a message, such as that of a YAML parser."""


class Severity(StrEnum):
    """How bad a finding is. Only an error makes a command fail."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text file. `line` and `column` count from 1; `width` is in characters."""

    file: str
    line: int = 0
    column: int = 0
    width: int = 1
    text: str = ""
    """The whole source line, shown above the caret. Empty when there is none to show."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Diagnostic:
    """One finding. `code` is stable and has a page: `bertspec explain-code CODE`."""

    code: str
    message: str
    help: str = ""
    position: Position | None = None
    severity: Severity = Severity.ERROR
    field: tuple[str | int, ...] = ()
    """What of a spec it is about, such as `("data", "split")`; its `position` is found there."""
    replacement: str | None = None
    """The key or text that was probably meant, in place of what stands at `position`."""

    @property
    def sort_key(self) -> tuple[Position, str, str]:
        return (self.position or Position(""), self.code, self.message)


def render_text(diagnostic: Diagnostic) -> str:
    """One finding for a terminal: headline, position, the line with a caret, the advice.

    Names and values of the data are in it, so that what a terminal would obey is an escape.
    """
    message = printable(diagnostic.message, _LAYOUT)
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {message}"]
    position = diagnostic.position
    if position is not None:
        lines.append(f"  --> {printable(str(position))}")
        if position.line and position.text:
            number = str(position.line)
            gutter = " " * len(number)
            lines.append(f" {gutter} |")
            lines.append(f" {number} | " + printable(position.text, kept="\t"))
            lines.append(f" {gutter} | {_caret(position)}")
    if diagnostic.help:
        lines.append(f"  help: {printable(diagnostic.help, _LAYOUT)}")
    return "\n".join(lines)


def _caret(position: Position) -> str:
    start = position.column - 1
    before = printable(position.text[:start], kept="\t")
    under = printable(position.text[start : start + position.width], kept="\t") or " "
    # A tab stays a tab, so that the caret stands under the text at any tab width.
    indent = "".join("\t" if c == "\t" else " " * _cells(c) for c in before)
    return indent + "^" * max(1, sum(_cells(c) for c in under))


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def render(diagnostics: Iterable[Diagnostic], fmt: str) -> str:
    """All findings as `text`, `json` (one array) or `github` (workflow annotations).

    They go to terminals and logs of others, so that passwords in addresses and tokens are hidden.
    """
    found = [_without_secrets(d) for d in diagnostics]
    if fmt == "json":
        return json_text([_as_json(d) for d in found])
    if fmt == "github":
        return "\n".join(_as_github(d) for d in found)
    return "\n\n".join(render_text(d) for d in found)


def _without_secrets(diagnostic: Diagnostic) -> Diagnostic:
    position = diagnostic.position
    if position is not None:
        position = replace(position, text=without_secrets(position.text, same_length=True))
    message, advice = without_secrets(diagnostic.message), without_secrets(diagnostic.help)
    return replace(diagnostic, message=message, help=advice, position=position)


def _as_json(diagnostic: Diagnostic) -> dict[str, object]:
    position = asdict(diagnostic.position) if diagnostic.position else None
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "position": position,
        "replacement": diagnostic.replacement,
    }


def _in_repository(file: str) -> str:
    """A path as GitHub wants it: from the root of the repository, where this folder is in one."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return file
    root, path = Path(workspace).resolve(), Path(os.path.normpath(Path.cwd() / file))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file


def _as_github(diagnostic: Diagnostic) -> str:
    """See GitHub's "Workflow commands": values escape %, CR, LF, and `,` and `:` in properties."""

    def escape(text: str) -> str:
        shown = printable(text, kept="\r\n")
        return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def escape_property(text: str) -> str:
        return escape(text).replace(":", "%3A").replace(",", "%2C")

    properties = [f"title={escape_property(diagnostic.code)}"]
    if position := diagnostic.position:
        properties.insert(0, f"file={escape_property(_in_repository(position.file))}")
        if position.line:
            end = position.column + position.width - 1
            properties[1:1] = [
                f"line={position.line}",
                f"col={position.column}",
                f"endColumn={end}",
            ]
    message = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    return f"::{diagnostic.severity} {','.join(properties)}::{escape(message)}"
