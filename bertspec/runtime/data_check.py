"""Read the data of specs at once, without building anything: for `bertspec validate --data`."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.source import SPLITS, Source
from bertspec.catalog.task import Task
from bertspec.core.diagnostics import Diagnostic, Position, Severity
from bertspec.core.errors import InputError
from bertspec.core.terminal import one_line
from bertspec.pipeline.params.contract import Contract
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.pipeline.params.prepare import PrepareParams
from bertspec.runtime import fetch, prepare
from bertspec.runtime.context import Context
from bertspec.runtime.contract import cheap_findings, diagnostics
from bertspec.runtime.contract_report import SHOWN_IN_TERMINAL, Checked
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.shards import read_index, read_split
from bertspec.spec.load import Loaded, LoadedSpec
from bertspec.spec.sections import DataSet


@dataclass
class DataCheck:
    """What was found in the data sets of some specs."""

    unreadable: list[Diagnostic] = field(default_factory=list)
    """Data that cannot be read, prepared or learned from: the stages would stop."""
    broken: list[Diagnostic] = field(default_factory=list)
    """What breaks the contract."""
    notes: list[str] = field(default_factory=list)
    """Which data sets were not read, and why."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each data set that was prepared."""

    @property
    def found(self) -> list[Diagnostic]:
        return [*self.unreadable, *self.broken]


def check_data(loaded: Loaded, root: Path) -> DataCheck:
    """Fetch and prepare the local data sets of valid specs, and look at their rows.

    Everything is written to a temporary folder, a data set at a time. Nothing is downloaded.
    """
    result = DataCheck()
    valid = _by_data_set(_valid(loaded))
    for name in sorted({spec.dataset_name for spec in loaded.specs} - set(valid)):
        result.notes.append(f"data set `{name}` is not read: its spec has errors")
    for name, specs in valid.items():
        if why := _not_here(specs[0].spec.data.source, root):
            result.notes.append(f"data set `{name}` is not read: {why}")
            continue
        with tempfile.TemporaryDirectory(prefix="bertspec-") as folder:
            _check(name, specs, root, Path(folder), result)
    return result


def _valid(loaded: Loaded) -> Iterator[LoadedSpec]:
    """Specs without an error in any of their files."""
    errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
    wrong = {d.position.file for d in errors if d.position is not None}
    for spec in loaded.specs:
        files = {marks.value.file for marks in spec.document.marks.values()}
        if not wrong & {spec.document.name, *files}:
            yield spec


def _by_data_set(specs: Iterator[LoadedSpec]) -> dict[str, list[LoadedSpec]]:
    found: dict[str, list[LoadedSpec]] = {}
    for spec in specs:
        found.setdefault(spec.dataset_name, []).append(spec)
    return found


def _not_here(source: Source, root: Path) -> str:
    """Why a source's rows are not on this machine; empty where they are."""
    from bertspec.catalog.sources.hub import Hub
    from bertspec.catalog.sources.joined import Joined
    from bertspec.catalog.sources.url import Url, cached

    if isinstance(source, Joined):
        return next(filter(None, (_not_here(part.source, root) for part in source.parts)), "")
    if isinstance(source, Hub):
        return f"{source.id} is on the hub"
    if isinstance(source, Url):
        for wanted in source.files.values():
            if cached(root, wanted) is None:
                return f"{wanted.url} has not been downloaded"
    return ""


def _check(
    name: str, specs: Sequence[LoadedSpec], root: Path, folder: Path, result: DataCheck
) -> None:
    place = _place(specs[0])
    try:
        prepared = _prepared(specs[0].spec.data, root, folder)
    except InputError as error:
        result.unreadable += [_shown(d, place) for d in error.diagnostics]
        return
    for spec in _with_other_tasks(specs):
        found = _check_targets(spec.spec.task, prepared)
        result.unreadable += [_shown(d, _place(spec)) for d in found]
    data = PreparedData({split: read_split(prepared, split) for split in SPLITS})
    result.rows[name] = len(data.split_codes)
    result.broken += [_shown(d, place) for d in _findings(data, specs[0].spec.data.contract)]


def _prepared(data: DataSet, root: Path, folder: Path) -> Path:
    """The data set's prepared shards, by the runners of the stages and from the same params.

    Raises InputError as these do.
    """
    params = data.model_dump(mode="json")
    raw, prepared = folder / "raw", folder / "prepared"
    raw.mkdir()
    prepared.mkdir()
    fetching = FetchParams.model_validate({"source": params["source"]})
    sections = {key: params[key] for key in PrepareParams.model_fields if key in params}
    preparing = PrepareParams.model_validate(sections)
    kept = Reuse(folder / "kept")
    fetch.run(Context("fetch", fetching, root, {}, {"raw": raw}, None, "fetch", kept))
    prepare.run(
        Context(
            "prepare", preparing, root, {"raw": raw}, {"prepared": prepared}, None, "prepare", kept
        )
    )
    return prepared


def _with_other_tasks(specs: Sequence[LoadedSpec]) -> Iterator[LoadedSpec]:
    """The first spec of each task."""
    seen = []
    for spec in specs:
        if spec.spec.task not in seen:
            seen.append(spec.spec.task)
            yield spec


def _check_targets(task: Task, prepared: Path) -> Iterator[Diagnostic]:
    checked = (*task.target_columns, *task.checked_with)
    targets = [c for c in read_index(prepared).columns if c in checked]
    for split in SPLITS:
        try:
            task.check_targets(read_split(prepared, split, targets))
        except InputError as error:
            yield from error.diagnostics


def _findings(data: PreparedData, contract: Contract) -> Iterator[Diagnostic]:
    for checked in cheap_findings(data, contract):
        for finding, places in zip(diagnostics(checked), _places(checked), strict=True):
            named = any(place in finding.message for place in places)
            rows = "" if named or not places else f": {', '.join(places)}"
            yield replace(finding, message=finding.message + rows)


def _places(checked: Checked) -> Iterator[list[str]]:
    """The first rows of each finding."""
    for finding in checked.findings:
        rows = finding.rows.slice(0, SHOWN_IN_TERMINAL).to_pylist()
        yield [f"{row['file']} row {row['row']} ({row['split']})" for row in rows]


def _place(spec: LoadedSpec) -> Position:
    return spec.document.position(("data",), key=True)


def _shown(diagnostic: Diagnostic, position: Position) -> Diagnostic:
    """The diagnostic at the data set of its spec, without what a terminal would obey."""
    return replace(
        diagnostic,
        message=one_line(diagnostic.message),
        help=one_line(diagnostic.help),
        position=position,
    )
