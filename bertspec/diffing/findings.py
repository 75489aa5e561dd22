"""What the data contract found of each of two models' data."""

import json
from collections.abc import Mapping, Sequence

from bertspec.diffing.model import ComparedModel
from bertspec.pipeline import layout
from bertspec.runtime.contract import FINDINGS

Found = tuple[tuple[str, str, str, str], ...]
"""Code and name of a rule, and what it says of each side."""


def both_findings(models: Sequence[ComparedModel]) -> tuple[Found, list[str]]:
    """Rules of both sides, and why those of a side are not to be had."""
    told: list[Mapping[str, tuple[str, str]]] = []
    missing = []
    for model in models:
        place = model.artifact(layout.contract(model.there.spec(model.spec).loaded.dataset_name))
        if isinstance(place, str):
            missing.append(f"no findings of the data contract: {place}")
            continue
        rules = json.loads((place / FINDINGS).read_text(encoding="utf-8"))
        told.append({rule["code"]: (rule["name"], _said(rule)) for rule in rules})
    if missing:
        return (), missing
    one, other = told
    nothing = ("", "-")
    found = []
    for rule in sorted({*one, *other}):
        (name, first), (other_name, second) = one.get(rule, nothing), other.get(rule, nothing)
        found.append((rule, name or other_name, first, second))
    return tuple(found), []


def _said(rule: Mapping[str, object]) -> str:
    if rule["status"] != "failed":
        return str(rule["status"])
    return f"{rule['severity']}: {rule['count']:,} rows"
