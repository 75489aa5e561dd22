"""A finding at a place in a spec."""

from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.spec.load import LoadedSpec

Path_ = tuple[str | int, ...]


def finding(
    code: str,
    loaded: LoadedSpec,
    path: Path_,
    message: str,
    help: str,
    *,
    key: bool = False,
    severity: Severity = Severity.ERROR,
    replacement: str | None = None,
) -> Diagnostic:
    """A diagnostic under the value at `path` of the spec, or under its key.

    `replacement` is what was probably meant instead of that value or key.
    """
    document = loaded.document
    meant = replacement if document.is_word(path, key=key) else None
    position = document.position(path, key=key)
    return Diagnostic(code, message, help, position, severity, replacement=meant)


def warning(
    code: str,
    loaded: LoadedSpec,
    path: Path_,
    message: str,
    help: str,
    *,
    replacement: str | None = None,
) -> Diagnostic:
    """A finding that does not fail a command."""
    severity = Severity.WARNING
    return finding(code, loaded, path, message, help, severity=severity, replacement=replacement)
