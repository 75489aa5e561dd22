"""First specs: of a task and a file of data, or from what another tool is told."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from bertspec.importing.translation import Translation

Translator = Callable[[Sequence[str]], Translation]

IMPORTERS: Mapping[str, str] = {
    "run_glue": "Arguments of transformers' example run_glue.py, or a JSON file of them.",
    "trainer": "A folder that transformers' Trainer has saved: config.json, trainer_state.json.",
    "ludwig": "A configuration of Ludwig, and the file of its data.",
    "spacy": "A config.cfg of spaCy with a transformer.",
}
"""What can be translated -> what it takes. Each is a module here with a function `translate`."""


def translator(kind: str) -> Translator:
    found: Translator = import_module(f"bertspec.importing.{kind}").translate
    return found
