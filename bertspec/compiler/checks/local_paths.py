"""The files and folders of the project that a spec names, and where it says so."""

from collections.abc import Iterator
from typing import Any

from bertspec.spec.load import LoadedSpec

Place = tuple[str | int, ...]


def local_paths(loaded: LoadedSpec) -> Iterator[tuple[Place, str]]:
    """Each path that the data or the base comes from, with the place of its text."""
    data, model = loaded.spec.data, loaded.spec.model
    sections: tuple[tuple[Place, tuple[str, ...]], ...] = (
        (("data", "source"), data.source.dependencies()),
        (("model", "base"), model.base.dependencies()),
    )
    for section, names in sections:
        value: Any = loaded.document.value
        for key in section:
            value = value[key]
        places = {text: place for place, text in _texts(value, section)}
        for name in names:
            yield places.get(name, section), name


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Every text in a value but the name of its kind."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "type":
                yield from _texts(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
    elif isinstance(value, str):
        yield place, value
