"""What an exported model came from, as the manifests say: artifacts, and from them spec and lock.

They say what each stage was made with, so an experiment that changed params.yaml is told, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bertspec.core.digest import digest
from bertspec.core.manifest import Manifest
from bertspec.core.yaml import dump
from bertspec.pipeline.layout import LOCK_FILE, trained
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.export import ExportParams
from bertspec.runtime.context import Context
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

    @classmethod
    def read(cls, context: Context[ExportParams]) -> "Origin":
        made = {role: Manifest.read(context.inputs[f"{role}_manifest"]) for role in ROLES}
        name = context.stage.removesuffix("-export")
        return cls(name, made, context.params, context.threads, context.packages)

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
        found = Spec.model_validate(values)
        spec = found.model_dump(mode="json", exclude={"description", "extends"})
        spec["data"]["contract"] = found.data.contract.model_dump(mode="json")
        del spec["data"]["description"]
        return spec

    def _tokenization(self, aggregate: str | None) -> dict[str, Any]:
        made = self.made["tokenized"].params
        found = made["tokenization"] | made.get("budgets", {}).get(self.name, {})
        if aggregate is not None:  # it changes no token, so it is no param of that stage
            found["long_documents"] = found["long_documents"] | {"aggregate": aggregate}
        return found

    def lock(self) -> Lock:
        """The part of the project's lock that the model depends on.

        Stages that are frozen may be of another lock; then what is later in a build counts.
        """
        packages: dict[str, str] = {}
        for each in (*(manifest.packages for manifest in self.made.values()), self.packages):
            packages |= each
        training = self.made["trained"]
        return Lock(
            threads=self.threads or training.threads or 1,
            device="cuda" if training.device == "cuda" else "cpu",
            packages=dict(sorted(packages.items())),
        )

    def write(self, folder: Path) -> None:
        """Write spec and lock."""
        (folder / SPEC).write_text(HEADER + dump(self.spec), encoding="utf-8")
        (folder / LOCK_FILE).write_text(self.lock().to_text(), encoding="utf-8")
