"""A finding at a place in a spec."""

from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.spec.load import LoadedSpec


def finding(
    code: str,
    loaded: LoadedSpec,
    path: tuple[str | int, ...],
    message: str,
    help: str,
    *,
    key: bool = False,
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    """A diagnostic under the value at `path` of the spec, or under its key."""
    return Diagnostic(code, message, help, loaded.document.position(path, key=key), severity)


def warning(
    code: str, loaded: LoadedSpec, path: tuple[str | int, ...], message: str, help: str
) -> Diagnostic:
    """A finding that does not fail a command."""
    return finding(code, loaded, path, message, help, severity=Severity.WARNING)
