"""provenance.json of an exported model: an in-toto statement with SLSA provenance, version 1.

https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance have what the keys mean,
and docs/provenance.md what is in them. No time, host, user or folder is: an equal build has equal
bytes.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from bertspec.core.digest import digest, dir_hash
from bertspec.core.manifest import Manifest
from bertspec.core.model import Model
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.runtime.release.made_by import MadeBy
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.seal import STATEMENT
from bertspec.spec.needs import needed_specs
from bertspec.spec.sections import Spec

FILE = STATEMENT
BUILDER = "urn:bertspec:builder:v1"
MATERIALS = ("raw", "base")
"""The artifacts that a build begins with; others are made on the way."""


class _Json(Model):
    """Keys are written as SLSA has them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class Resource(_Json):
    """in-toto's resource descriptor."""

    name: str | None = None
    uri: str | None = None
    digest: dict[str, str] = Field(default={})


class ExternalParameters(_Json):
    """What a user has a say in."""

    spec: dict[str, Any]
    """As spec.yaml has it."""


class InternalParameters(_Json):
    """What the lock decides."""

    stages: tuple[MadeBy, ...] = Field(min_length=1)
    """In the order of the build."""


class BuildDefinition(_Json):
    build_type: Literal["urn:bertspec:export:v1"]
    external_parameters: ExternalParameters
    internal_parameters: InternalParameters
    resolved_dependencies: tuple[Resource, ...]
    """`known_materials`, files of the user's own, and the artifacts that the build begins with."""


class Builder(_Json):
    id: str
    version: dict[str, str]


class RunDetails(_Json):
    builder: Builder
    byproducts: tuple[Resource, ...]
    """What was made on the way."""


class Provenance(_Json):
    build_definition: BuildDefinition
    run_details: RunDetails


class Statement(_Json):
    """Raises pydantic.ValidationError for what is none, or has a key that we do not know."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Resource, ...]
    predicate_type: Literal["https://slsa.dev/provenance/v1"]
    predicate: Provenance

    def to_text(self) -> str:
        """The text of FILE; equal for equal statements."""
        values = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def statement_of(origin: Origin, files: Mapping[str, str]) -> Statement:
    """The statement of a model whose folder has these files: path -> SHA-256."""
    spec, lock = Spec.model_validate(origin.spec), origin.lock()
    artifacts = {role: _artifact(origin.paths[role], origin.made[role]) for role in origin.made}
    teachers = [
        Resource(name=path, digest={"bertspecFiles": value})
        for path, value in sorted(origin.others.items())
    ]
    return Statement(
        type="https://in-toto.io/Statement/v1",
        subject=subjects(files),
        predicate_type="https://slsa.dev/provenance/v1",
        predicate=Provenance(
            build_definition=BuildDefinition(
                build_type="urn:bertspec:export:v1",
                external_parameters=ExternalParameters(spec=origin.spec),
                internal_parameters=InternalParameters(stages=tuple(origin.stages)),
                resolved_dependencies=(
                    *known_materials(spec, lock, files[layout.LOCK_FILE]),
                    *(Resource(name=n, digest=dict(d)) for n, d in sorted(origin.sources.items())),
                    *(artifacts[role] for role in MATERIALS),
                    *teachers,
                ),
            ),
            run_details=RunDetails(
                builder=builder(lock),
                byproducts=tuple(
                    artifact for role, artifact in artifacts.items() if role not in MATERIALS
                ),
            ),
        ),
    )


def subjects(files: Mapping[str, str]) -> tuple[Resource, ...]:
    """What a statement is of."""
    return tuple(Resource(name=n, digest={"sha256": files[n]}) for n in sorted(files))


def known_materials(spec: Spec, lock: Lock, lock_digest: str) -> list[Resource]:
    """The materials that spec and lock name: what is elsewhere, the lock itself, bertspec.

    The data set stands inline, as in the spec of an exported model.
    """
    elsewhere = [*spec.data.source.materials(), *spec.model.base.materials()]
    version = lock.packages.get("bertspec", "")
    return [
        *(Resource(uri=each.uri, digest=dict(each.digest)) for each in elsewhere),
        Resource(name=layout.LOCK_FILE, digest={"sha256": lock_digest}),
        Resource(name="bertspec", uri=f"pkg:pypi/bertspec@{version}"),
    ]


def made_from(spec: Spec) -> set[str]:
    """What a model of the spec begins with, by its path: the user's own files, and all artifacts
    but the base.
    """
    own = (*spec.data.source.dependencies(), *spec.model.base.dependencies())
    teachers = needed_specs(spec).values()
    return {*own, layout.raw(spec.data.name or spec.name), *map(layout.trained, teachers)}


def builder(lock: Lock) -> Builder:
    """bertspec, on whatever machine it ran."""
    return Builder(id=BUILDER, version={"bertspec": lock.packages.get("bertspec", "")})


def _artifact(path: str, made: Manifest) -> Resource:
    found = {"bertspecFiles": digest(made.files), "dirHash": dir_hash(made.files)}
    return Resource(name=path, digest=found)
