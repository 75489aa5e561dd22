"""E138: a spec that starts from another's model names one of the project, and none from itself."""

from collections.abc import Collection, Iterator, Sequence

from bertspec.catalog.bases.spec import SpecBase
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean, sentences
from bertspec.spec.load import LoadedSpec


def check(specs: Sequence[LoadedSpec]) -> Iterator[Diagnostic]:
    starts = {s.spec.name: _base_of(s) for s in specs}
    for loaded in specs:
        base, place = _base_of(loaded), ("model", "base", "name")
        if base is None:
            continue
        if base not in starts:
            yield finding(
                "E138",
                loaded,
                place,
                f"there is no spec `{base}` to start from, or it is not valid",
                _where_it_must_be(base, starts.keys() - {loaded.spec.name}),
            )
        elif loaded.spec.name in (chain := _chain(base, starts)):
            yield finding(
                "E138",
                loaded,
                place,
                f"`{loaded.spec.name}` would start from itself: {' from '.join(chain)}",
                "one of them must start from a model of another kind",
            )


def _where_it_must_be(name: str, others: Collection[str]) -> str:
    advice = "it must be in the folder of this one, or be given together with it"
    return sentences(did_you_mean(name, others), f"else {advice}") if others else advice


def _base_of(loaded: LoadedSpec) -> str | None:
    base = loaded.spec.model.base
    return base.name if isinstance(base, SpecBase) else None


def _chain(name: str, starts: dict[str, str | None]) -> list[str]:
    """The spec, the one that it starts from, and so on, as far as they are there and differ."""
    chain: list[str] = []
    following: str | None = name
    while following in starts and following not in chain:
        chain.append(following)
        following = starts[following]
    return chain
