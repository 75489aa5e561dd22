"""Templates, and what they say of values: text is escaped, and without secrets that stand in it."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bertspec import __version__
from bertspec.core.diagnostics import Diagnostic, render
from bertspec.core.redaction import without_secrets
from bertspec.core.terminal import printable
from bertspec.core.values import dotted, shown
from bertspec.diffing.metrics import worth_telling
from bertspec.diffing.report import difference_text, number_text
from bertspec.planning.text import duration, total_line
from bertspec.ui.history import History
from bertspec.ui.pipeline import state_of

_FOLDER = files(__package__)

STYLE = _FOLDER.joinpath("style.css").read_text(encoding="utf-8")
ICON = _FOLDER.joinpath("icon.svg").read_text(encoding="utf-8")


class Pages:
    """Makes pages of templates. Each says of which project and commit it is."""

    def __init__(self, root: Path, history: History) -> None:
        self._root = root
        self._history = history
        self._environment = _environment()

    def page(self, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
        head = self._history.head()
        text = self._environment.get_template(f"{template}.html").render(
            folder=self._root.name or str(self._root),
            branch=self._history.branch() if head else None,
            head=head.commit[:10] if head else None,
            **values,
        )
        return HTMLResponse(text, status)

    def problems(self, status: int, title: str, diagnostics: Sequence[Diagnostic]) -> HTMLResponse:
        """A page in the place of another one, which cannot be made."""
        return self.page("problems", status, title=title, diagnostics=diagnostics)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_said,
    )  # fmt: skip
    environment.filters |= {
        "difference": difference_text,
        "dotted": dotted,
        "duration": duration,
        "number": number_text,
        "shown": shown,
        "total": total_line,
        "rendered": _rendered,
    }
    environment.globals |= {
        "state_of": state_of,
        "style": sha256(STYLE.encode("utf-8")).hexdigest()[:12],
        "version": __version__,
        "worth_telling": worth_telling,
    }
    return environment


def _rendered(diagnostic: Diagnostic) -> tuple[str, str]:
    """What is wrong, and where, with the line; without the advice."""
    said, arrow, place = render([replace(diagnostic, help="")], "text").partition("\n  --> ")
    return said, arrow.strip("\n") + place


def _said(value: Any) -> Any:
    """What a template says of a value."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(without_secrets(value), kept="\n\t")
    return value
