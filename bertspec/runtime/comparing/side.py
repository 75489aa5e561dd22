"""One side of a comparison: what a model predicts for its test split, here or at a revision."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bertspec.catalog.task import Task
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.pipeline.layout import PARAMS_FILE
from bertspec.pipeline.params.evaluate import EvaluateParams
from bertspec.pipeline.params.where import Where
from bertspec.pipeline.stage import RECORDS, StageRecord
from bertspec.runtime.revision import Revision
from bertspec.runtime.stage import read_params, validated, values_of
from bertspec.runtime.tables import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "evaluate"


@dataclass(frozen=True)
class Side:
    """A model, and those of its further seeds."""

    name: str
    """As it was asked for."""
    task: Task
    metrics: Sequence[str]
    """Those that the spec asks for."""
    tables: "Sequence[pa.Table]"
    """Predictions for the test split: the model's own, then those of further seeds."""
    prepared: str = ""
    """Where the rows with their texts are, relative to the project."""
    slices: Mapping[str, Where] = field(default_factory=dict)


def read_side(asked: str, root: Path) -> Side:
    """The side that `asked` names: NAME of a spec, or NAME@REVISION of git.

    At a revision, params.yaml is taken from git, and the predictions by `dvc get`, from DVC's cache
    or remote. Raises InputError: E204 for no such model, E206 for predictions that are not here,
    E490 for a revision, or predictions of one, that cannot be had or read.
    """
    name, _, revision = asked.partition("@")
    if not revision:
        return _read(asked, name, root, read_params(root))
    at = Revision.of(root, revision)
    with TemporaryDirectory() as folder, _of_another_bertspec(revision):
        there = Path(folder)
        (there / PARAMS_FILE).write_text(at.text(PARAMS_FILE), encoding="utf-8")
        params = read_params(there)
        for record in _records(params, name):
            path = record.outputs["evaluation"]
            at.get(path, there / path)
        return _read(asked, name, there, params)


@contextmanager
def _of_another_bertspec(revision: str) -> Iterator[None]:
    """What does not fit in the params.yaml of a revision is no fault of the specs here."""
    try:
        yield
    except InputError as error:
        if {d.code for d in error.diagnostics} != {"E203"}:
            raise
        raise InputError.of(
            "E490",
            f"this bertspec cannot read what was compiled at {revision}: {error}",
            "check it out, run `bertspec lock`, `bertspec compile` and `dvc repro`, and name the "
            "commit of that; or compare with the bertspec of its lock",
        ) from None


def _read(asked: str, name: str, root: Path, params: Mapping[str, Any]) -> Side:
    records = _records(params, name)
    own = validated(EvaluateParams, values_of(params, records[0]), f"{name}-{KIND}")
    tables = []
    for record in records:
        path = f"{record.outputs['evaluation']}/predictions.parquet"
        if not (root / path).is_file():
            advice = "`dvc repro` builds it, `dvc pull` fetches it"
            raise InputError.of("E206", f"{path} is missing", advice)
        table = read_parquet(root / path)
        tables.append(table.filter([split == "test" for split in table["split"].to_pylist()]))
    prepared = records[0].inputs["prepared"]
    evaluation = own.evaluation
    return Side(asked, own.task, evaluation.metrics, tables, prepared, evaluation.slices)


def _records(params: Mapping[str, Any], name: str) -> list[StageRecord]:
    """What evaluates a model, and then each of its further seeds."""
    stages = (params.get(RECORDS) or {}).get("stages") or {}
    records = {n: r for n, r in stages.items() if isinstance(r, dict) and r.get("kind") == KIND}
    stage = f"{name}-{KIND}"
    if stage not in records:
        models = [n.removesuffix(f"-{KIND}") for n, r in records.items() if r.get("seed") is None]
        raise InputError.of("E204", f"there is no model `{name}`", did_you_mean(name, models))
    seeds = [n for n, r in records.items() if n == f"{stage}-seed{r.get('seed')}"]
    return [_record(records[each], each) for each in (stage, *seeds)]


def _record(values: Mapping[str, Any], stage: str) -> StageRecord:
    """The record, whatever more another bertspec has written into it, as it is only looked at."""
    known = {key: value for key, value in values.items() if key in StageRecord.model_fields}
    record = validated(StageRecord, known, stage)
    if "evaluation" in record.outputs and "prepared" in record.inputs:
        return record
    raise InputError.of("E203", f"{stage} has other inputs and outputs", "run `bertspec compile`")
