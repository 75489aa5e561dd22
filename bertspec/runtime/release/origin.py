"""What an exported model came from, as the manifests say: artifacts, and from them spec and lock.

They say what each stage was made with, so an experiment that changed params.yaml is told, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bertspec.core.digest import digest
from bertspec.core.manifest import Manifest, manifest_path
from bertspec.core.yaml import dump
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.layout import LOCK_FILE, trained
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.export import ExportParams
from bertspec.runtime.context import Context
from bertspec.runtime.release.made_by import MadeBy, lock_of
from bertspec.spec.sections import Spec

ROLES = ("raw", "prepared", "contract", "base", "tokenized", "trained", "evaluation")
"""The artifacts that an export is made from, in the order of a build."""

SPEC = "spec.yaml"
HEADER = "# The spec that this model came from, as its stages read it.\n"


@dataclass(frozen=True)
class Origin:
    """Where an exported model came from."""

    name: str
    """That of its spec."""
    made: Mapping[str, Manifest]
    """Each of ROLES."""
    export: ExportParams
    threads: int | None
    packages: Mapping[str, str]
    """Locked packages of the export itself."""
    paths: Mapping[str, str]
    """Where each of ROLES is, relative to the project."""

    @classmethod
    def read(cls, context: Context[ExportParams]) -> "Origin":
        manifests = {role: context.inputs[f"{role}_manifest"] for role in ROLES}
        made = {role: Manifest.read(path) for role, path in manifests.items()}
        paths = {
            role: path.relative_to(context.root).as_posix().removesuffix(manifest_path(""))
            for role, path in manifests.items()
        }
        name = context.stage.removesuffix("-export")
        return cls(name, made, context.params, context.threads, context.packages, paths)

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.made["raw"].stage.removesuffix("-fetch")

    @property
    def others(self) -> dict[str, str]:
        """Trained models of other specs that it starts or learns from: path -> digest."""
        return {
            path: value
            for manifest in self.made.values()
            for path, value in manifest.inputs.items()
            if path.endswith("/trained") and path != trained(self.name)
        }

    @property
    def sources(self) -> dict[str, Mapping[str, str]]:
        """The user's own files and folders that data and base were made from: path -> digests."""
        return {p: d for manifest in self.made.values() for p, d in manifest.sources.items()}

    @property
    def lineage(self) -> dict[str, str]:
        """What was made on the way: `others`, and each stage -> digest."""
        return self.others | {m.stage: digest(m.files) for m in self.made.values()}

    def params(self, role: str, name: str) -> Any:
        """A param of the stage that made an artifact."""
        return self.made[role].params[name]

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The spec in the language, with its data set inline; keys in the language's order.

        Without what made nothing of this model: descriptions, further seeds, how training ran.
        """
        own = self.export.model_dump(mode="json")
        values = {
            "bertspec": 1,
            "name": self.name,
            "task": own["task"],
            "data": {
                "name": self.dataset,
                "source": self.params("raw", "source"),
                **self.made["prepared"].params,
                "contract": self.params("contract", "contract"),
            },
            "tokenization": self._tokenization(own["aggregate"]),
            "model": {"base": self.params("base", "base"), "head": self.params("trained", "head")},
            "training": self.params("trained", "training"),
            "evaluation": self.params("evaluation", "evaluation"),
            "export": own["export"],
        }
        return complete(Spec.model_validate(values))

    def _tokenization(self, aggregate: str | None) -> dict[str, Any]:
        made = self.made["tokenized"].params
        found = made["tokenization"] | made.get("budgets", {}).get(self.name, {})
        if aggregate is not None:  # it changes no token, so it is no param of that stage
            found["long_documents"] = found["long_documents"] | {"aggregate": aggregate}
        return found

    @property
    def stages(self) -> list[MadeBy]:
        """Every stage of the build, in its order."""
        made = [
            MadeBy(
                stage=each.stage,
                version=each.version,
                packages=dict(each.packages),
                threads=each.threads,
                device=each.device,
            )
            for each in self.made.values()
        ]
        own = MadeBy(
            stage=f"{self.name}-export",
            version=STAGE_KINDS["export"].version,
            packages=dict(self.packages),
            threads=self.threads,
        )
        return [*made, own]

    def lock(self) -> Lock:
        """The part of the project's lock that the model depends on."""
        return lock_of(self.stages)

    def write(self, folder: Path) -> None:
        """Write spec and lock."""
        (folder / SPEC).write_text(spec_text(self.spec), encoding="utf-8")
        (folder / LOCK_FILE).write_text(self.lock().to_text(), encoding="utf-8")


def complete(spec: Spec) -> dict[str, Any]:
    """A spec with its data set inline as a mapping, every default written out, no descriptions."""
    values = spec.model_dump(mode="json", exclude={"description", "extends"})
    values["data"]["contract"] = spec.data.contract.model_dump(mode="json")
    del values["data"]["description"]
    return values


def spec_text(spec: Mapping[str, Any]) -> str:
    """The text of SPEC."""
    return HEADER + dump(spec)
