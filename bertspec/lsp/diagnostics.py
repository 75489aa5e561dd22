"""What `bertspec validate` says of a file, as diagnostics of the protocol."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from lsprotocol import types

from bertspec.compiler.checks import load_checked
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.redaction import without_secrets
from bertspec.lsp.lines import Lines

SOURCE = "bertspec"

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
}


def check(paths: Iterable[Path], root: Path) -> dict[Path, list[Diagnostic]]:
    """The findings of each of the files by itself, put together, by the file that they are in."""
    found: dict[Path, dict[Diagnostic, None]] = {}
    for path in paths:
        for diagnostic in load_checked([path], root).diagnostics:
            place = diagnostic.position
            file = root / place.file if place and place.file else path
            found.setdefault(file.resolve(), {})[diagnostic] = None
    return {file: list(diagnostics) for file, diagnostics in found.items()}


def as_protocol(diagnostic: Diagnostic, lines: Lines) -> types.Diagnostic:
    """A finding as editors show it, with its advice and a link to the page of its code."""
    advice = f"\nhelp: {diagnostic.help}" if diagnostic.help else ""
    page = Path(str(files("bertspec.core") / "codes" / f"{diagnostic.code}.md"))
    return types.Diagnostic(
        range=lines.of(diagnostic.position),
        message=without_secrets(diagnostic.message + advice),
        severity=_SEVERITIES[diagnostic.severity],
        code=diagnostic.code,
        code_description=types.CodeDescription(href=page.as_uri()),
        source=SOURCE,
        data=None if diagnostic.replacement is None else {"replacement": diagnostic.replacement},
    )
