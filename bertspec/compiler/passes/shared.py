"""Bases and tokenizations: named by a digest of what defines them, so that equal ones are one."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from bertspec.catalog.base import Base
from bertspec.compiler.passes.stages import make_stage
from bertspec.core.digest import digest
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.tokenize import Budgets, Tokenization
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.load import LoadedSpec

KEY_LENGTH = 8
"""Hexadecimal digits of a digest in a name."""


@lru_cache(maxsize=1024)
def base_name(loaded: LoadedSpec) -> str:
    """Name of a spec's base: readable, and equal exactly for equal bases."""
    return name_base(loaded.spec.model.base, loaded.dataset_name)


def name_base(base: Base, dataset: str) -> str:
    """Name of a base that begins with this data set, if it reads any data."""
    parts = [base.model_dump(mode="json"), dataset if base.reads_data else None]
    return f"{base.slug()}-{digest(parts)[:KEY_LENGTH]}"


@lru_cache(maxsize=1024)
def tokenization_key(loaded: LoadedSpec) -> str:
    """Equal exactly for the same tokenization of the same data for the same task."""
    return key_tokenization(loaded.dataset_name, base_name(loaded), _tokenize_params(loaded))


def key_tokenization(dataset: str, base: str, params: Mapping[str, Any]) -> str:
    """Key of the tokenization of a data set for a base; `params` are its own, without budgets."""
    return digest([dataset, base, params])[:KEY_LENGTH]


def tokenization_name(loaded: LoadedSpec) -> str:
    """Name of a spec's tokenization: its data set, and the key."""
    return f"{loaded.dataset_name}-{tokenization_key(loaded)}"


def _tokenize_params(loaded: LoadedSpec) -> dict[str, Any]:
    spec = loaded.spec
    tokenization = spec.tokenization.as_read_by("tokenize")
    return {
        "task": spec.task.as_read_by("tokenize"),
        "tokenization": {name: tokenization[name] for name in Tokenization.model_fields},
    }


def _budgets(loaded: LoadedSpec) -> dict[str, Any]:
    tokenization = loaded.spec.tokenization.as_read_by("tokenize")
    return {name: tokenization[name] for name in Budgets.model_fields if name in tokenization}


def lower_base(
    name: str, base: Base, dataset: str, origin: str, lock: Lock
) -> tuple[dict[str, Any], Stage]:
    """The base's entry in params.yaml, and its stage."""
    params = base.model_dump(mode="json")
    inputs = {"prepared": layout.prepared(dataset)} if base.reads_data else {}
    if base.type == "spec":
        from bertspec.catalog.bases.spec import SpecBase

        assert isinstance(base, SpecBase)  # noqa: S101 - for mypy
        inputs["trained"] = base.trained
    stage = make_stage(
        "base",
        name,
        lock,
        origin=origin,
        params={"base": f"bases.{name}"},
        inputs=inputs,
        outputs={"base": Output(layout.base(name), OutputKind.ARTIFACT)},
        packages=base.packages(),
        sources=base.dependencies(),
    )
    return params, stage


def lower_tokenization(sharing: Sequence[LoadedSpec], lock: Lock) -> tuple[dict[str, Any], Stage]:
    """The entry in params.yaml of the tokenization that some specs share, and its stage."""
    loaded = sharing[0]
    budgets = {spec.spec.name: of_spec for spec in sharing if (of_spec := _budgets(spec))}
    params = _tokenize_params(loaded) | ({"budgets": budgets} if budgets else {})
    name, key = tokenization_name(loaded), tokenization_key(loaded)
    stage = make_stage(
        "tokenize",
        name,
        lock,
        origin=loaded.document.name,
        params={section: f"tokenizations.{name}.{section}" for section in params},
        inputs={
            "prepared": layout.prepared(loaded.dataset_name),
            "base": layout.base(base_name(loaded)),
        },
        outputs={
            "tokenized": Output(layout.tokenized(loaded.dataset_name, key), OutputKind.ARTIFACT)
        },
    )
    return params, stage
