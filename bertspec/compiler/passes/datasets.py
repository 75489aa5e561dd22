"""Data sets: one fetch and one prepare each, however many specs name them."""

from bertspec.compiler.passes.stages import make_stage
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.sections import DataSet

SECTIONS = ("source", "columns", "split")


def lower_data_set(
    name: str, data: DataSet, origin: str, lock: Lock
) -> tuple[dict[str, object], list[Stage]]:
    """The data set's entry in params.yaml, and its stages."""
    dumped = data.model_dump(mode="json")
    params = {section: dumped[section] for section in SECTIONS}

    def key(section: str) -> str:
        return f"datasets.{name}.{section}"

    raw, prepared = layout.raw(name), layout.prepared(name)
    fetch = make_stage(
        "fetch",
        name,
        lock,
        origin=origin,
        params={"source": key("source")},
        inputs={},
        outputs={"raw": Output(raw, OutputKind.ARTIFACT)},
        packages=data.source.packages,
        sources=data.source.dependencies(),
    )
    prepare = make_stage(
        "prepare",
        name,
        lock,
        origin=origin,
        params={"columns": key("columns"), "split": key("split")},
        inputs={"raw": raw},
        outputs={"prepared": Output(prepared, OutputKind.ARTIFACT)},
    )
    return params, [fetch, prepare]
