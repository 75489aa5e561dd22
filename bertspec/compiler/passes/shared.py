"""Bases and tokenizations: named by a digest of what defines them, so that equal ones are one."""

from collections.abc import Sequence
from typing import Any

from bertspec.catalog.base import Base
from bertspec.compiler.passes.stages import make_stage
from bertspec.core.digest import digest
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.load import LoadedSpec

KEY_LENGTH = 8
"""Hexadecimal digits of a digest in a name."""


def base_name(loaded: LoadedSpec) -> str:
    """Name of a spec's base: readable, and equal exactly for equal bases."""
    base = loaded.spec.model.base
    parts = [base.model_dump(mode="json"), loaded.dataset_name if base.reads_data else None]
    return f"{base.slug()}-{digest(parts)[:KEY_LENGTH]}"


def tokenization_key(loaded: LoadedSpec) -> str:
    """Equal exactly for the same tokenization of the same data for the same kind of task."""
    spec = loaded.spec
    return digest(
        [
            loaded.dataset_name,
            base_name(loaded),
            spec.task.model_dump(mode="json"),
            spec.tokenization.model_dump(mode="json"),
        ]
    )[:KEY_LENGTH]


def lower_base(
    name: str, base: Base, dataset: str, origin: str, lock: Lock
) -> tuple[dict[str, Any], Stage]:
    """The base's entry in params.yaml, and its stage."""
    params = base.model_dump(mode="json")
    stage = make_stage(
        "base",
        name,
        lock,
        origin=origin,
        params={"base": ((f"bases.{name}",), params)},
        inputs={"prepared": layout.prepared(dataset)} if base.reads_data else {},
        outputs={"base": Output(layout.base(name), OutputKind.ARTIFACT)},
        packages=base.packages(),
        sources=base.dependencies(),
    )
    return params, stage


def lower_tokenization(key: str, sharing: Sequence[LoadedSpec], lock: Lock) -> Stage:
    """One stage for all specs with this key. It watches the params of each of them."""
    first = sharing[0]
    names = sorted(loaded.spec.name for loaded in sharing)
    dataset = first.dataset_name

    def param(section: str, value: Any) -> tuple[tuple[str, ...], Any]:
        return tuple(f"{name}.{section}" for name in names), value.model_dump(mode="json")

    return make_stage(
        "tokenize",
        f"{dataset}-{key}",
        lock,
        origin=first.document.name,
        params={
            "task": param("task", first.spec.task),
            "tokenization": param("tokenization", first.spec.tokenization),
        },
        inputs={
            "prepared": layout.prepared(dataset),
            "base": layout.base(base_name(first)),
        },
        outputs={"tokenized": Output(layout.tokenized(dataset, key), OutputKind.ARTIFACT)},
    )
