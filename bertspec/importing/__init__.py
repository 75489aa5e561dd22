"""First specs: of a task and a file of data, or from what another tool is told."""

from collections.abc import Callable, Sequence
from importlib import import_module

from bertspec.importing.translation import Translation

Translator = Callable[[Sequence[str]], Translation]

IMPORTERS = ("run_glue", "trainer", "ludwig", "spacy")
"""What can be translated. Each is a module here with a function `translate`."""


def translator(kind: str) -> Translator:
    found: Translator = import_module(f"bertspec.importing.{kind}").translate
    return found
