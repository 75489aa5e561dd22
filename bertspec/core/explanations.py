"""The page of each error code, kept as Markdown in core/codes."""

import re
from importlib.resources import files

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean

_FOLDER = files("bertspec.core") / "codes"
_REMARK = re.compile(r"<!--.*?-->\n*", re.DOTALL)
"""What stands in a page for those who write it, such as why no test runs an example."""


def known_codes() -> tuple[str, ...]:
    """All codes that have a page."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def explanation(code: str) -> str:
    """The page of a code, in Markdown. Raises InputError (E902) for an unknown one."""
    return _REMARK.sub("", page(code))


def page(code: str) -> str:
    """The same with the remarks of its file, which nobody is shown."""
    if code not in known_codes():
        raise InputError.of(
            "E902", f"there is no code `{code}`", did_you_mean(code.upper(), known_codes())
        )
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")
