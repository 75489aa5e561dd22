"""Data sets: one fetch, prepare and contract each, however many specs name them."""

from bertspec.compiler.passes.stages import make_stage
from bertspec.pipeline import layout
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import Output, OutputKind, Stage
from bertspec.spec.sections import DataSet

PREPARED_BY = ("columns", "where", "split")


def lower_data_set(
    name: str, data: DataSet, origin: str, lock: Lock
) -> tuple[dict[str, object], list[Stage]]:
    """The data set's entry in params.yaml, and its stages."""
    dumped = data.model_dump(mode="json")
    sections = [section for section in PREPARED_BY if section in dumped]
    params = {section: dumped[section] for section in ("source", *sections)}
    params["contract"] = data.contract.model_dump(mode="json")

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
        params={section: key(section) for section in sections},
        inputs={"raw": raw},
        outputs={"prepared": Output(prepared, OutputKind.ARTIFACT)},
    )
    contract = make_stage(
        "contract",
        name,
        lock,
        origin=origin,
        params={"contract": key("contract")},
        inputs={"prepared": prepared},
        outputs={
            "contract": Output(layout.contract(name), OutputKind.ARTIFACT),
            "verdict": Output(layout.verdict(name), OutputKind.FILE),
        },
        packages=data.contract.packages(),
    )
    return params, [fetch, prepare, contract]
