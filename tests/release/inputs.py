"""What an export is made from, written by hand: no model is trained, and every number is known."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from bertspec.compiler.lower import lower, packages_used
from bertspec.core.digest import digest, file_digest
from bertspec.core.manifest import Manifest
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.export import ExportParams
from bertspec.pipeline.stage import Pipeline, Stage, StageRecord
from bertspec.runtime.bundle import VERSION, Bundle, read_bundle
from bertspec.runtime.context import Context
from bertspec.runtime.release import sbom, statement
from bertspec.runtime.release.card import FILE, card
from bertspec.runtime.release.origin import ROLES, Origin
from bertspec.runtime.release.provenance import seal_with_provenance
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.shards import Index, ShardFile
from bertspec.runtime.stage import read_params, values_of
from bertspec.runtime.tables import write_arrow
from bertspec.spec.load import load
from tests.projects import SPEC, Project
from tests.stages import write_shards

ROWS = {"train": 60, "validation": 10, "test": 32}
CUT = 3
"""Test rows of which a token is cut off."""

METRICS: dict[str, Any] = {
    "train": {"accuracy": 0.975, "f1": 0.96, "loss": 0.104},
    "validation": {"accuracy": 0.9, "f1": 0.88, "loss": 0.3},
    "test": {"accuracy": 0.875, "f1": 0.8571428571428571, "loss": 0.0000625},
    "fit": {"verdict": "good fit", "evidence": "accuracy 0.975 on train and 0.875 on test"},
    "intervals": {"accuracy": {"low": 0.75, "high": 0.96875}},
    "classes": {"bad": {"f1": 0.75, "rows": 16}, "good": {"f1": 0.8, "rows": 16}},
    "slices": {"short": {"accuracy": 0.5, "rows": 1200}},
    "baselines": {"majority": {"accuracy": 0.5, "f1": 0.0}},
}
PARITY = {
    "onnx": {"rows": 32, "flips": 0, "max_difference": 2.5e-06, "tolerance": 1e-4},
    "torchscript": {"rows": 32, "flips": 0, "max_difference": 0.0, "tolerance": 1e-4},
}
FINDINGS = [
    {"code": "E603", "name": "contradicting_labels", "severity": "error", "status": "passed",
     "count": 0},
    {"code": "E607", "name": "empty_text", "severity": "warn", "status": "failed", "count": 2},
]  # fmt: skip


def compiled(root: Path) -> Pipeline:
    """The pipeline of the specs of a project, with a version of its own for each package."""
    loaded = load([Path("specs")], root)
    assert not loaded.diagnostics
    versions = {p: f"{i}.0" for i, p in enumerate(packages_used(loaded.specs), 1)}
    return lower(loaded.specs, Lock(threads=2, packages=versions))


def _values(stage: Stage, pipeline: Pipeline) -> dict[str, Any]:
    """The params of a stage, as its runner reads them from params.yaml."""
    return values_of(pipeline.params, StageRecord.model_validate(stage.record))


def described(project: Project, exported: Path, target: Path) -> None:
    """A copy of exported models with spec, lock, card, bill and statement of a built project."""
    shutil.copytree(exported, target)
    params = read_params(project.root)
    record = StageRecord.model_validate(params["bertspec"]["stages"]["tiny-export"])
    context = Context(
        "tiny-export",
        ExportParams.model_validate(values_of(params, record)),
        project.root,
        {role: project.root / path for role, path in record.inputs.items()},
        {"export": target},
        record.threads,
        "",
        Reuse(target.with_name("kept")),
        packages=record.packages,
    )
    parity = json.loads((exported.parent / "parity.json").read_text())
    origin = Origin.read(context)
    origin.write(target)
    text = card(exported, origin, context.inputs, read_bundle(exported), parity)
    (target / FILE).write_text(text, encoding="utf-8")
    for name in (statement.FILE, sbom.FILE):
        (target / name).unlink()
    seal_with_provenance(target, origin)


def export_stage(pipeline: Pipeline) -> Stage:
    (stage,) = [stage for stage in pipeline.stages if stage.kind == "export"]
    return stage


def manifests(pipeline: Pipeline) -> dict[str, Manifest]:
    """Those of the stages that a model is made with, each of one file, by ROLES."""
    wanted = {export_stage(pipeline).inputs[f"{role}_manifest"]: role for role in ROLES}
    found = {}
    for stage in pipeline.stages:
        if "manifest" in stage.outputs and (role := wanted.get(stage.outputs["manifest"].path)):
            found[role] = Manifest(
                stage=stage.name,
                version=stage.version,
                params=_values(stage, pipeline),
                packages=stage.packages,
                threads=stage.threads,
                inputs={path: digest(path) for path in stage.inputs.values()},
                files={"file": digest(stage.name)},
                device=stage.device,
                sources={path: {"sha256": digest(path)} for path in stage.sources},
            )
    return {role: found[role] for role in ROLES}


def origin_of(pipeline: Pipeline) -> Origin:
    stage = export_stage(pipeline)
    params = ExportParams.model_validate(_values(stage, pipeline))
    name = stage.name.removesuffix("-export")
    made = manifests(pipeline)
    paths = {r: stage.inputs[f"{r}_manifest"].removesuffix(".manifest.json") for r in made}
    return Origin(name, made, params, stage.threads, stage.packages, paths)


@dataclass(frozen=True)
class Made:
    """An export folder without models, and what its card is made from."""

    folder: Path
    context: Context[ExportParams]
    bundle: Bundle

    def card(self, parity: Mapping[str, Any] = PARITY) -> str:
        """The text of its card."""
        origin = Origin.read(self.context)
        return card(self.folder, origin, self.context.inputs, self.bundle, parity)


def write_made(root: Path, spec: Mapping[str, Any] = SPEC, **changes: Any) -> Made:
    """Write a project with a spec, and what its export reads; every label has as many rows.

    `changes` are of METRICS; None leaves one out.
    """
    Project.create(root).write_spec(dict(spec))
    pipeline = compiled(root)
    stage = export_stage(pipeline)
    inputs = {role: root / path for role, path in stage.inputs.items()}
    for role, manifest in manifests(pipeline).items():
        inputs[f"{role}_manifest"].parent.mkdir(parents=True, exist_ok=True)
        manifest.write(inputs[f"{role}_manifest"])
    params = ExportParams.model_validate(_values(stage, pipeline))
    labels = params.task.known_labels() or ("",)
    write_shards(
        inputs["prepared"],
        {split: [_rows(labels, count)] for split, count in ROWS.items()},  # type: ignore[misc]
    )
    _write_tokens(inputs["tokenized"])
    metrics = {k: v for k, v in (METRICS | changes).items() if v is not None}
    inputs["metrics"].parent.mkdir(parents=True, exist_ok=True)
    inputs["metrics"].write_text(json.dumps(metrics))
    inputs["contract"].mkdir(parents=True)
    (inputs["contract"] / "findings.json").write_text(json.dumps(FINDINGS))
    folder = root / "models/tiny/export"
    folder.mkdir(parents=True)
    for export in params.export:
        (folder / export.filename).write_bytes(bytes(1234 if export.type == "onnx" else 5_678_901))
    (tokenize,) = [stage for stage in pipeline.stages if stage.kind == "tokenize"]
    tokenization = _values(tokenize, pipeline)["tokenization"]
    bundle = Bundle(
        version=VERSION,
        task=params.task.model_dump(mode="json"),
        max_length=tokenization["max_length"],
        long_documents=tokenization["long_documents"],
        fields=("text",),
        decision={},
        pad_id=0,
        models={export.name: export.filename for export in params.export},
    )
    reuse = Reuse(root / ".kept")
    context = Context(
        stage.name, params, root, inputs, {"export": folder}, 2, "", reuse, packages=stage.packages
    )
    return Made(folder, context, bundle)


def _rows(labels: tuple[str, ...], count: int) -> pa.Table:
    return pa.table(
        {
            "id": [f"r{i}" for i in range(count)],
            "text": ["a text"] * count,
            "label": [labels[i % len(labels)] for i in range(count)],
            "row": pa.array(range(count), pa.int64()),
        }
    )


def _write_tokens(folder: Path) -> None:
    """Ten tokens in each test row."""
    folder.mkdir(parents=True)
    count = ROWS["test"]
    table = pa.table(
        {
            "example": pa.array(range(count), pa.int32()),
            "length": pa.array([10] * count, pa.int32()),
            "lost": pa.array([1 if i < CUT else 0 for i in range(count)], pa.int32()),
            "unknown": pa.array([0] * count, pa.int32()),
        }
    )
    write_arrow(table, folder / "test.arrow")
    shard = ShardFile("test.arrow", count, file_digest(folder / "test.arrow"), "table", 1)
    Index(("example",), {"test": [shard]}).write(folder)
