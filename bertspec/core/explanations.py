"""The page of each error code, kept as Markdown in core/codes."""

from importlib.resources import files

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean

_FOLDER = files("bertspec.core") / "codes"


def known_codes() -> tuple[str, ...]:
    """All codes that have a page."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def explanation(code: str) -> str:
    """The page of a code, in Markdown. Raises InputError (E902) for an unknown one."""
    if code not in known_codes():
        raise InputError.of(
            "E902", f"there is no code `{code}`", did_you_mean(code.upper(), known_codes())
        )
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")
