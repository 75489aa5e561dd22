"""Two models side by side: all that a comparison report says, gathered from where it lies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.diffing.changed_rows import ChangedRows, changed_rows
from bertspec.diffing.diff import Diff, diff_sides, sides_of
from bertspec.diffing.findings import both_findings
from bertspec.diffing.locked import stages_of
from bertspec.diffing.metrics import read_metrics
from bertspec.diffing.model import ComparedModel
from bertspec.diffing.side import SPECS
from bertspec.diffing.wanted import Wanted
from bertspec.pipeline import layout
from bertspec.runtime.comparing.paired import Compared, in_common, rows_of
from bertspec.runtime.comparing.side import Side
from bertspec.runtime.reporting.charts import Chart
from bertspec.runtime.reporting.curves import Training
from bertspec.runtime.reporting.figures import both_trainings, calibration_chart, score_charts
from bertspec.runtime.reporting.lineage import SUFFIX, lineage_chart
from bertspec.runtime.reporting.mistakes import Judged
from bertspec.runtime.revision import Revision
from bertspec.spec.load import load


@dataclass(frozen=True)
class Beside:
    """What the comparison report shows."""

    names: tuple[str, str]
    sides: tuple[Side, Side]
    compared: Compared
    level: float
    """Share of the resamples inside an interval."""
    diff: Diff
    confusions: Mapping[str, Any]
    """Of the rows of both, by model; none for a task without labels."""
    parts: Mapping[str, Any]
    """`classes` and `slices` of metrics.json: by name, metric and model."""
    charts: tuple[Chart, ...]
    curves: tuple[Chart, ...]
    graph: Chart | None
    rows: ChangedRows
    findings: tuple[tuple[str, str, str, str], ...]
    """Code and name of a rule of the data contract, and what it says of each side."""
    notes: tuple[str, ...]
    """What could not be had."""


def beside(
    sides: tuple[Side, Side], compared: Compared, level: float, root: Path, folder: Path
) -> Beside:
    """Put it together; what is needed of revisions goes into the empty `folder`.

    Raises InputError for specs and locks that cannot be read.
    """
    wanted = (_wanted(sides[0].name, root), _wanted(sides[1].name, root))
    read = sides_of(wanted, root, load([SPECS], root), folder)
    found = diff_sides(wanted, read, root, folder)
    models = [
        ComparedModel(side.name, each.name or "", there, folder / f"of-{i}")
        for i, (side, each, there) in enumerate(zip(sides, wanted, read, strict=True))
    ]
    notes: list[str] = []
    ids, _ = in_common(*sides)
    names = _told_apart(sides)
    judged = {
        name: (side.task, rows_of(side.tables[0], ids))
        for name, side in zip(names, sides, strict=True)
    }
    reliability = {name: task.reliability(table) for name, (task, table) in judged.items()}
    labels = sides[0].task.label_names()  # those of the other, too, or they are not compared
    trainings = {}
    for name, model in zip(names, models, strict=True):
        plots = [model.file(layout.plot(model.spec, curve)) for curve in layout.CURVES]
        if None in plots:
            notes.append(f"the curves of {name} are not in git")
        else:
            loss, rate, validation = (path for path in plots if path)
            trainings[name] = Training.read(loss, rate, validation)
    rows = changed_rows(judged, sides, models)
    findings, missing = both_findings(models)
    return Beside(
        names=names,
        sides=sides,
        compared=compared,
        level=level,
        diff=found,
        confusions=dict(_confusions(judged, labels)),
        parts=_parts(models),
        charts=(
            *score_charts(judged),
            *calibration_chart(reliability, multi_label=not labels),
        ),
        curves=tuple(both_trainings(trainings)),
        graph=_graph(models),
        rows=rows,
        findings=findings,
        notes=tuple(dict.fromkeys([*found.notes, *notes, *rows.notes, *missing])),
    )


def _wanted(asked: str, root: Path) -> Wanted:
    name, _, revision = asked.partition("@")
    return Wanted(name, Revision.of(root, revision) if revision else None)


def _told_apart(sides: tuple[Side, Side]) -> tuple[str, str]:
    one, other = (side.name for side in sides)
    return (one, other) if one != other else (f"{one} (first)", f"{other} (second)")


def _confusions(sides: Mapping[str, Judged], labels: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not labels:
        return
    from sklearn.metrics import confusion_matrix

    for name, (_, table) in sides.items():
        gold, said = (table[column].to_pylist() for column in ("gold", "prediction"))
        matrix = confusion_matrix(gold, said, labels=list(labels)).tolist()
        yield name, {"labels": list(labels), "matrix": matrix}


def _parts(models: list[ComparedModel]) -> dict[str, Any]:
    """Of each kind of part the metrics that both sides have: name -> metric -> two numbers."""
    found: dict[str, Any] = {}
    one, other = (read_metrics(model.there, model.spec) or {} for model in models)
    for path in one:
        kind, *rest = path
        if kind in ("classes", "slices") and path in other and len(rest) == 2:  # noqa: PLR2004
            part, metric = map(str, rest)
            values = (one[path], other[path])
            found.setdefault(str(kind), {}).setdefault(part, {})[metric] = values
    return found


def _graph(models: list[ComparedModel]) -> Chart | None:
    """Stages of the second model, those marked that made something else; by both dvc.locks."""
    one, other = (dict(_made(model)) for model in models)
    own = stages_of(models[1].there.records, models[1].spec)
    if not one or not other:
        return None
    kinds = list(reversed(own))
    makers = {path: kind for kind, record in own.items() for path in record.outputs.values()}
    edges = [
        (makers[path], kind)
        for kind, record in own.items()
        for path in record.inputs.values()
        if makers.get(path, kind) != kind
    ]
    changed = {kind: one.get(kind) != other.get(kind) for kind in kinds}
    told = {kind: "other" if changed[kind] else "the same" for kind in kinds}
    return lineage_chart(told, edges, changed)


def _made(model: ComparedModel) -> Iterator[tuple[str, list[str]]]:
    """Kinds of stage, and digests of what each made; a manifest also tells what it was made of."""
    records, built = model.there.records, model.there.built
    own = stages_of(records, model.spec)
    for name, record in records.items():
        if own.get(record.kind) is record and name in built:
            outs = built[name].outs
            yield record.kind, [made for path, made in outs.items() if not path.endswith(SUFFIX)]
