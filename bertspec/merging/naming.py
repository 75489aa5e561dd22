"""Name what is merged as the compiler does, from what params.yaml has of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bertspec.catalog.bases import AnyBase
from bertspec.compiler.passes.shared import key_tokenization, name_base
from bertspec.merging.sharing import Names, Shared, Sides, merged_paths
from bertspec.merging.values import Key
from bertspec.pipeline import layout
from bertspec.pipeline.stage import RECORDS

Params = Mapping[str, Any]


def merged_names(
    specs: Iterable[str],
    merged: Params,
    apart: Sequence[Params],
    shared: Sides,
    conflicts: list[Key],
) -> tuple[dict[str, Shared], Names]:
    """Where what the specs share is once merged, and what of it has a name that no side has.

    `merged` and the sides `apart` have what the specs share as each one's own, and `shared` says
    where the sides have it. A name that cannot be computed is a conflict.
    """
    places, names = {}, Names()
    for spec in specs:
        places[spec], sure = merged_paths(spec, shared, {})
        if sure:
            continue
        three = [side.get(spec, Shared("", "")) for side in shared]
        found = _named(spec, merged)
        # Another bertspec may have named it, or someone may have changed params.yaml by hand.
        known = zip(apart, three, strict=True)
        if found and all(_named(spec, side) == of for side, of in known if of.base):
            for path in ("base", "tokenized"):
                before, ours, theirs = (getattr(of, path) for of in three)
                names[before, ours, theirs] = getattr(found, path)
            places[spec], _ = merged_paths(spec, shared, names)
        else:
            conflicts.append(("tokenizations", spec))
    return places, names


def _named(spec: str, params: Params) -> Shared | None:
    """The names of what is the spec's own; None where it is not what a base can be."""
    own = Shared.own(spec)
    try:
        base = _BASE.validate_python(params["bases"][own.base_name])
        inputs = params[RECORDS]["stages"][own.stages[1]]["inputs"]
        dataset = inputs["prepared"].split("/")[1]
        tokenization = dict(params["tokenizations"][own.tokenization_name])
    except (KeyError, ValidationError):
        return None
    tokenization.pop("budgets", None)
    name = name_base(base, dataset)
    key = key_tokenization(dataset, name, tokenization)
    return Shared(layout.base(name), layout.tokenized(dataset, key))


_BASE: TypeAdapter[Any] = TypeAdapter(AnyBase)
