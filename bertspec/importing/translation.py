"""A spec in the making: what was carried over, and what was not, each with the reason."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertspec.core.errors import BertspecError, InputError
from bertspec.core.names import slugify
from bertspec.core.terminal import one_line

_ORDER = (
    "bertspec",
    "name",
    "task",
    "data",
    "tokenization",
    "model",
    "training",
    "evaluation",
    "export",
)

PLACEHOLDERS = ("first", "second")
"""Labels of a spec whose author alone knows them."""


@dataclass
class Translation:
    """Sections of a spec, and what has no place in them."""

    title: str
    """Where the spec comes from, for readers: its first line."""
    spec: dict[str, Any] = field(default_factory=lambda: {"bertspec": 1, "name": "imported"})
    left: list[str] = field(default_factory=list)
    """What was not carried over, and why."""
    open: list[str] = field(default_factory=list)
    """What the spec needs and its author alone knows."""

    def name(self, text: str) -> None:
        """Call the spec so, as far as a name can be."""
        self.spec["name"] = slugify(text)[:64].strip("-")

    def text(self) -> str:
        """The spec as YAML, with what was left out as comments above it.

        Raises InputError (E242) for a value with half of a surrogate pair, as JSON can have it.
        """
        from bertspec.core.yaml import dump

        lines = [self.title]
        for title, found in (("To be filled in:", self.open), ("Not carried over:", self.left)):
            lines += [title, *(f"- {line}" for line in found)] if found else []
        ordered = {key: self.spec[key] for key in _ORDER if key in self.spec}
        # A line break in a key of the other tool would end the comment, and go on as YAML.
        comments = "".join(f"# {one_line(line)}\n" for line in lines)
        try:
            return comments + dump(ordered)
        except UnicodeEncodeError as error:
            raise cannot(f"a value is no text: {error.reason}", "put it right") from None

    def has_validation(self) -> bool:
        """Whether the data of the spec, which is there already, has a validation split."""
        data = self.spec["data"]
        given = data["source"].get("files") or data["source"].get("splits") or {}
        share = data["split"].get("validation", 0.1 if data["split"]["type"] == "hash" else 0.0)
        return "validation" in given or share > 0


def cannot(what: str, advice: str) -> BertspecError:
    """An InputError (E242) for what has no translation at all."""
    return InputError.of("E242", what, advice)


def read_text(path: Path) -> str:
    """Raises InputError (E242) for a file that is not there, or no text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise cannot(f"{path} cannot be read: {reason}", "check the path") from None


def revision_of(given: str | None) -> str:
    """The revision to write: the lock fixes a branch."""
    return given or "main"


def base_of(name: str, revision: str | None = None) -> dict[str, Any]:
    """A base from what `from_pretrained` is given: a folder, or a name on the hub."""
    if Path(name).is_dir():
        return {"type": "local", "path": name}
    return {"type": "hub", "id": name, "revision": revision_of(revision)}
