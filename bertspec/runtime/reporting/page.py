"""One HTML file of a template: style and script are in it, and a browser loads nothing else."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, **content: Any) -> str:
    """A page of `template`, a file beside this one.

    Its policy lets a browser run the one script of the page, whatever texts would have it do.
    """
    script = _text("browse.js")
    hashed = b64encode(sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(**content, style=_text("style.css"), script=script, script_hash=hashed)
    )


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bertspec.runtime", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return (files("bertspec.runtime.reporting") / name).read_text(encoding="utf-8")
