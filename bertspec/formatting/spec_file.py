"""The file of a spec or a data set, laid out anew and compared with what it was."""

import json
import re
from pathlib import Path

import yaml

from bertspec.core.diagnostics import Position
from bertspec.core.errors import InputError
from bertspec.core.model import Model
from bertspec.formatting.as_json import json_laid_out
from bertspec.formatting.layout import UnusualError, laid_out
from bertspec.formatting.order import in_order
from bertspec.formatting.tokens import Tokens
from bertspec.spec.document import read_document, read_text, shown
from bertspec.spec.extends import DATA_SETS
from bertspec.spec.sections import DataSetFile, Spec
from bertspec.spec.unsaved import unsaved

_SEPARATORS = re.compile("[\x85\u2028\u2029]")
"""Line breaks to libyaml, and to nobody else."""


def formatted(path: Path, root: Path) -> tuple[str, str]:
    """The text of a file, and what it is to be.

    Raises InputError: what reading it raises, and E233 for what cannot be laid out so that every
    value and comment stays.
    """
    name = shown(path, root)
    document = read_document(path, name)
    text = read_text(path, name)
    model = document_model(path)
    if path.suffix.lower() == ".json":
        new = json_laid_out(text, model)
        comments = new_comments = []
    else:
        plain = text.replace("\r\n", "\n").replace("\r", "\n")
        if found := _SEPARATORS.search(plain):
            raise _refused(name, plain.count("\n", 0, found.start()) + 1, plain)
        try:
            new = laid_out(_ending(in_order(plain, model, document.value)))
            comments, new_comments = (sorted(Tokens(t).comments()) for t in (plain, new))
        except UnusualError as error:
            raise _refused(name, error.line + 1, plain) from None
        except yaml.YAMLError:
            raise _refused(name, 0, "") from None
    if comments != new_comments or _value(path, new) != json.dumps(document.value, sort_keys=True):
        raise _refused(name, 0, "")
    return text, new.replace("\n", "\r\n") if "\r\n" in text else new


def document_model(path: Path) -> type[Model]:
    """What the file at a path holds: a data set in a folder of them, else a spec."""
    return DataSetFile if path.parent.name == DATA_SETS else Spec


def _value(path: Path, text: str) -> str | None:
    with unsaved({path.resolve(): text}):
        try:
            return json.dumps(read_document(path, path.name).value, sort_keys=True)
        except InputError:
            return None


def _ending(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _refused(name: str, line: int, text: str) -> InputError:
    shown_line = text.split("\n")[line - 1] if line else ""
    return InputError.of(  # type: ignore[return-value]
        "E233",
        "this cannot be laid out so that every value and comment stays",
        "write it in a plainer form; the file is as it was",
        Position(name, line, 1 if line else 0, max(1, len(shown_line)), shown_line),
    )
