"""A spec's own stages: train, evaluate, seeds, export and report."""

from collections.abc import Mapping
from typing import Any

from bertspec.catalog.long_documents import Windows
from bertspec.compiler.passes.seeds import lower_seeds
from bertspec.compiler.passes.shared import base_name, tokenization_key
from bertspec.compiler.passes.stages import make_stage
from bertspec.core.manifest import manifest_path
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.params.execution import Execution
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.load import LoadedSpec
from bertspec.spec.needs import TEACHER, needed_specs


def lower_model(loaded: LoadedSpec, lock: Lock) -> tuple[dict[str, Any], list[Stage]]:
    """The spec's entry in params.yaml, and its own stages."""
    params = spec_params(loaded)
    name = loaded.spec.name
    tokenized = layout.tokenized(loaded.dataset_name, tokenization_key(loaded))
    base, trained = layout.base(base_name(loaded)), layout.trained(name)
    evaluation, export = layout.evaluation(name), layout.export(name)
    metrics, parity = layout.metrics(name), layout.parity(name)
    curves = {c: layout.curve(name, c) for c in layout.CURVES}
    plots = {c: layout.plot(name, c) for c in layout.CURVES}
    prepared = layout.prepared(loaded.dataset_name)
    exports = loaded.spec.export
    by_label = {}
    if loaded.spec.task.label_names():
        options = {"template": "confusion", "x": "actual", "y": "predicted", "title": "Confusion"}
        by_label["confusion"] = Output(layout.plot(name, "confusion"), OutputKind.PLOT, options)
        by_label["reliability"] = _curve(
            layout.plot(name, "reliability"), "confidence", "accuracy", "Reliability on test"
        )

    training = loaded.spec.training
    measured_at = "epoch" if training.validate_every is None else "step"
    teacher = needed_specs(loaded.spec).get(TEACHER)
    by_loss = training.metric_for_best_model == "loss"
    aggregating = ["evaluate", "export"] if by_loss else ["train", "evaluate", "export"]

    def stage(kind: str, sections: dict[str, str], **options: Any) -> Stage:
        keys = {role: f"{name}.{section}" for role, section in sections.items()}
        if "aggregate" in params and kind in aggregating:
            keys["aggregate"] = f"{name}.aggregate"
        return make_stage(kind, name, lock, origin=loaded.document.name, params=keys, **options)

    train = stage(
        "train",
        {"task": "model.task", "head": "model.head", "training": "training"},
        execution=_execution(loaded),
        packages=training.packages(),
        # The verdict alone: a changed warning must not train again. Nor must a column that no
        # model reads, so the rows are an input only where a metric is to be computed of them.
        inputs={
            "base": base,
            "tokenized": tokenized,
            "verdict": layout.verdict(loaded.dataset_name),
        }
        | ({} if by_loss else {"prepared": prepared})
        | ({"teacher": layout.trained(teacher)} if teacher else {}),
        outputs={
            "trained": Output(trained, OutputKind.ARTIFACT),
            **{c: Output(path, OutputKind.FILE) for c, path in curves.items()},
        },
    )
    evaluate = stage(
        "evaluate",
        {"task": "task", "evaluation": "evaluation"},
        inputs={"prepared": prepared, "tokenized": tokenized, "trained": trained, **curves},
        outputs={
            "evaluation": Output(evaluation, OutputKind.ARTIFACT),
            "metrics": Output(metrics, OutputKind.METRIC),
            "decision": Output(layout.decision(name), OutputKind.FILE),
            "loss": _curve(plots["loss"], "step", "loss", "Training loss"),
            "learning_rate": _curve(
                plots["learning_rate"], "step", "learning_rate", "Learning rate"
            ),
            "validation": _curve(
                plots["validation"], measured_at, "validation_loss", "Validation loss"
            ),
            **by_label,
        },
    )
    artifacts = {
        "raw": layout.raw(loaded.dataset_name),
        "prepared": prepared,
        "contract": layout.contract(loaded.dataset_name),
        "base": base,
        "tokenized": tokenized,
        "trained": trained,
        "evaluation": evaluation,
    }
    exporting = []
    if exports:
        exporting.append(
            stage(
                "export",
                {"task": "task", "export": "export"},
                inputs={
                    "prepared": prepared,
                    "tokenized": tokenized,
                    "trained": trained,
                    "decision": layout.decision(name),
                    # What the model card tells.
                    "metrics": metrics,
                    "contract": artifacts["contract"],
                    **_manifests(artifacts),
                },
                outputs={
                    "export": Output(export, OutputKind.ARTIFACT),
                    "parity": Output(parity, OutputKind.METRIC),
                },
                packages=sorted({p for kind in exports for p in kind.packages()}),
            )
        )
    seeds = lower_seeds(loaded, train, evaluate, lock)
    parities = {"parity": parity} if exports else {}
    report = stage(
        "report",
        {},
        inputs=_manifests(artifacts | ({"export": export} if exports else {}))
        | {"prepared": artifacts["prepared"], "evaluation": evaluation, "metrics": metrics}
        | {"contract": artifacts["contract"]}
        | parities
        | ({"seeds": layout.seeds(name)} if seeds else {})
        | plots,
        outputs={"report": Output(layout.report(name), OutputKind.FILE)},
    )
    return params, [train, evaluate, *seeds, *exporting, report]


def spec_params(loaded: LoadedSpec) -> dict[str, Any]:
    """The spec's own sections, every default written out.

    What specs can share stands elsewhere: a key here that no stage reads could be changed in vain.
    """
    dumped = loaded.spec.model_dump(mode="json")
    for key in ("bertspec", "name", "description", "extends", "data", "tokenization"):
        del dumped[key]
    del dumped["model"]["base"]
    # Neither further seeds, which have stages of their own, nor what changes no result.
    dumped["training"] = loaded.spec.training.as_read_by("train")
    # How scores become predictions may change without training again.
    dumped["model"]["task"] = loaded.spec.task.as_read_by("train")
    policy = loaded.spec.tokenization.long_documents
    if isinstance(policy, Windows) and loaded.spec.task.aggregates:
        dumped["aggregate"] = policy.aggregate
    return dumped


def _manifests(artifacts: Mapping[str, str]) -> dict[str, str]:
    return {f"{role}_manifest": manifest_path(path) for role, path in artifacts.items()}


def _execution(loaded: LoadedSpec) -> dict[str, Any]:
    """How the training runs, where that is not the default."""
    execution = loaded.spec.training.execution
    return {} if execution == Execution() else execution.model_dump(mode="json")


def _curve(path: str, x: str, y: str, title: str) -> Output:
    return Output(path, OutputKind.PLOT, {"x": x, "y": y, "title": title})
