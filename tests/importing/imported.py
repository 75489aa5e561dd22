"""What `bertspec import` gives: a spec that is valid, and the comments above it."""

from typing import Any

from bertspec.core.yaml import load_plain
from tests.projects import Project

ELSEWHERE = "error[E110]"
"""A file of data that the spec names is not there, which is no fault of the translation."""


def imported(project: Project, *arguments: str) -> tuple[dict[str, Any], list[str]]:
    """The spec that a translation gives, which is valid, and its comments."""
    said = project.call("-q", "import", *arguments, "--output", "specs/imported.yaml")
    assert not said.stdout
    path = project.root / "specs/imported.yaml"
    text = path.read_text()
    told = project.call("validate", str(path), code=None)
    assert "error[" not in told.stdout.replace(ELSEWHERE, ""), told.stdout
    path.unlink()  # so that a project can import again
    return load_plain(text), [line for line in text.splitlines() if line.startswith("# ")]


def told(comments: list[str], about: str) -> bool:
    """Whether a comment is about this."""
    return any(line.startswith(f"# - {about}") for line in comments)


def refused(project: Project, *arguments: str) -> str:
    """What is said of what has no translation."""
    said = project.bertspec("import", *arguments, code=2)
    assert "error[E242]" in said
    return said
