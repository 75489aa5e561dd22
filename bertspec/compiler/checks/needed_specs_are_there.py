"""E138: a spec that needs another's model names one of the project, and none that needs its own."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, nearest, sentences
from bertspec.spec.load import LoadedSpec
from bertspec.spec.needs import BASE, TEACHER, needed_specs

_DOING = {BASE: "start from", TEACHER: "learn from"}
_ADVICE = {
    BASE: "one of them must start from a model of another kind",
    TEACHER: "one of them must do without a teacher, or have another one",
}


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    needs = {s.spec.name: tuple(needed_specs(s.spec).values()) for s in specs}
    for loaded in specs:
        name = loaded.spec.name
        for place, needed in needed_specs(loaded.spec).items():
            if needed not in needs:
                yield finding(
                    "E138",
                    loaded,
                    place,
                    f"there is no spec `{needed}` to {_DOING[place]}, or it is not valid",
                    _where_it_must_be(needed, needs.keys() - {name}),
                    replacement=nearest(needed, needs.keys() - {name}),
                )
            elif chain := _chain(needed, name, needs):
                yield finding(
                    "E138",
                    loaded,
                    place,
                    f"`{name}` would {_DOING[place]} itself: {' from '.join(chain)}",
                    _ADVICE[place],
                )


def _where_it_must_be(name: str, others: Collection[str]) -> str:
    advice = "it must be in the folder of this one, or be given together with it"
    return sentences(did_you_mean(name, others), f"else {advice}") if others else advice


def _chain(first: str, last: str, needs: Mapping[str, Sequence[str]]) -> list[str]:
    """From a spec to one that it needs, and so on to `last`; empty where none does."""
    chains, seen = [[first]], {first}
    for chain in chains:
        if chain[-1] == last:
            return chain
        new = [name for name in needs.get(chain[-1], ()) if name not in seen]
        seen.update(new)
        chains.extend([*chain, name] for name in new)
    return []
