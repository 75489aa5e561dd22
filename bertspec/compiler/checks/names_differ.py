"""E125: no two specs have the same name."""

from collections.abc import Iterator, Sequence

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.spec.load import LoadedSpec


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    first: dict[str, LoadedSpec] = {}
    for loaded in specs:
        name = loaded.spec.name
        if name in first:
            yield finding(
                "E125",
                loaded,
                ("name",),
                f"`{name}` is also the name of {first[name].document.name}",
                "a spec's name is its folder in models/: choose another",
            )
        first.setdefault(name, loaded)
