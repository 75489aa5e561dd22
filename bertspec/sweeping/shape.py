"""What of a spec's stages stands in dvc.yaml and in their records, which are those of the commit in
every trial: values that would change it cannot be tried.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.adopting.places import Compiled
from bertspec.compiler.passes.shared import base_name, tokenization_key
from bertspec.spec.load import LoadedSpec

Shape = Mapping[str, Mapping[str, Any]]
"""Stage -> what of it is the same in all trials, without the digests in names."""

_WHAT = {
    "params": "is given",
    "inputs": "reads",
    "sources": "reads",
    "outputs": "writes",
    "packages": "needs",
}


def shape_of(compiled: Compiled, spec: LoadedSpec) -> Shape:
    """That of the stages that a trial of `spec` runs."""
    stages = {stage.name: stage for stage in compiled.pipeline.stages}
    makers = {o.path: s.name for s in stages.values() for o in s.outputs.values()}
    found: dict[str, dict[str, Any]] = {}
    left = [f"{spec.spec.name}-evaluate"]
    while left:
        stage = stages[left.pop()]
        if stage.name not in found:
            found[stage.name] = {**stage.record, "sources": list(stage.sources)}
            left += [makers[path] for path in stage.inputs.values() if path in makers]
    text = json.dumps(found)
    for digest, instead in ((base_name(spec), "(base)"), (tokenization_key(spec), "(digest)")):
        text = text.replace(digest, instead)
    shape: Shape = json.loads(text)
    return shape


def differences(before: Shape, after: Shape) -> Iterator[str]:
    """In words, what stages do after and not before, and the reverse."""
    for stage in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(stage), after.get(stage)
        if old is None or new is None:
            yield f"there is {'a' if old is None else 'no'} stage {stage}"
            continue
        for key, verb in _WHAT.items():
            was, now = _items(old[key]), _items(new[key])
            if key == "params" and "budgets" not in now:
                was.pop("budgets", None)  # of another spec that shares the tokenization
            for item in now.keys() | was.keys():
                if item not in was or (item in now and was[item] != now[item]):
                    yield f"{stage} {verb} {_named(item, now[item])}"
                elif item not in now:
                    yield f"{stage} no longer {verb} {_named(item, was[item])}"


def _items(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else dict.fromkeys(value, "")


def _named(item: str, value: str) -> str:
    return f"`{item}`" if "/" not in value else f"`{item}` ({value})"
