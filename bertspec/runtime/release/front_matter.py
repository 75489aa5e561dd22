"""The front matter of a model card: what the Hugging Face hub reads, and lists the model by."""

from collections.abc import Mapping
from typing import Any

from bertspec.catalog.task import Task
from bertspec.runtime.release.origin import Origin


def front_matter(origin: Origin, metrics: Mapping[str, Any]) -> str:
    """YAML, by the hub's own library. Licence and languages are nowhere said, so not here.

    `metrics` is what metrics.json has.
    """
    from huggingface_hub.repocard_data import EvalResult, ModelCardData

    task: Task = origin.export.task
    source, base = origin.spec["data"]["source"], origin.spec["model"]["base"]
    data: dict[str, Any] = {"dataset_type": origin.dataset, "dataset_split": "test"}
    if source["type"] == "hub":
        data = {
            "dataset_type": source["id"],
            "dataset_config": source["config"],
            "dataset_split": source["splits"].get("test", "test"),
            "dataset_revision": source["revision"],
        }
    results = [
        EvalResult(
            task_type=task.hub_task,
            dataset_name=origin.dataset,
            metric_type=name,
            metric_name=name,
            metric_value=value,
            **data,
        )
        for name, value in metrics["test"].items()
    ]
    kinds = [export.type for export in origin.export.export]
    card = ModelCardData(
        base_model=base["id"] if base["type"] == "hub" else None,
        datasets=[source["id"]] if source["type"] == "hub" else None,
        eval_results=results,
        library_name="bertspec",
        metrics=[name for name in metrics["test"] if name != "loss"],
        model_name=origin.name,
        pipeline_tag=task.hub_task,
        tags=["bertspec", task.type, *kinds],
    )
    return card.to_yaml(line_break="\n")
