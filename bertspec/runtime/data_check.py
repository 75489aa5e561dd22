"""Read the data of specs at once, without building anything: for `bertspec validate --data`."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.contract.label_support import LabelSupport
from bertspec.catalog.rule import Finding
from bertspec.catalog.source import SPLITS, Source
from bertspec.catalog.task import Task
from bertspec.core.diagnostics import Diagnostic, Position, Severity
from bertspec.core.digest import canonical_json
from bertspec.core.errors import InputError, at_field
from bertspec.core.names import sentences
from bertspec.core.terminal import one_line
from bertspec.pipeline.params.contract import Contract
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.pipeline.params.prepare import PrepareParams
from bertspec.pipeline.params.split import HashSplit, KFoldSplit
from bertspec.runtime import fetch, prepare
from bertspec.runtime.context import Context
from bertspec.runtime.contract import cheap_findings, diagnostics
from bertspec.runtime.contract_report import SHOWN_IN_TERMINAL
from bertspec.runtime.prepare import labels_of, split_keys
from bertspec.runtime.reuse import Reuse
from bertspec.runtime.salts import filling_salt
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
        """What the stages stop at, then the contract's errors, then its warnings."""
        warnings = [d for d in self.broken if d.severity is Severity.WARNING]
        return [*self.unreadable, *(d for d in self.broken if d not in warnings), *warnings]


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
    raw, prepared = folder / "raw", folder / "prepared"
    raw.mkdir()
    prepared.mkdir()
    params = _prepare_params(specs[0].spec.data)
    try:
        with at_field("data"):
            _prepare(specs[0].spec.data, params, root, Reuse(folder / "kept"), raw, prepared)
    except InputError as error:
        result.unreadable += [_shown(d, specs[0]) for d in error.diagnostics]
        return
    refused = []
    for spec in _with_other_tasks(specs):
        found = _check_targets(spec.spec.task, prepared)
        refused += [_shown(d, spec) for d in found]
    result.unreadable += refused
    data = PreparedData({split: read_split(prepared, split) for split in SPLITS})
    result.rows[name] = len(data.split_codes)
    contract = specs[0].spec.data.contract
    salt = partial(_salt_for_labels, raw, params, contract.label_support.minimum)
    findings = _findings(data, contract, {d.code for d in refused}, salt)
    result.broken += [_shown(d, specs[0]) for d in findings]


def _prepare_params(data: DataSet) -> PrepareParams:
    params = data.model_dump(mode="json")
    sections = {key: params[key] for key in PrepareParams.model_fields if key in params}
    return PrepareParams.model_validate(sections)


def _prepare(
    data: DataSet, params: PrepareParams, root: Path, kept: Reuse, raw: Path, prepared: Path
) -> None:
    """Write the data set's raw and prepared shards, by the runners of the stages.

    Raises InputError as these do.
    """
    fetching = FetchParams.model_validate({"source": data.source.model_dump(mode="json")})
    with at_field("source"):
        fetch.run(Context("fetch", fetching, root, {}, {"raw": raw}, None, "fetch", kept))
    folders = {"raw": raw}, {"prepared": prepared}
    prepare.run(Context("prepare", params, root, *folders, None, "prepare", kept))


def _with_other_tasks(specs: Sequence[LoadedSpec]) -> Iterator[LoadedSpec]:
    """The first spec of each task."""
    seen = []
    for spec in specs:
        if spec.spec.task not in seen:
            seen.append(spec.spec.task)
            yield spec


def _check_targets(task: Task, prepared: Path) -> Sequence[Diagnostic]:
    """What the task refuses of the rows of all splits, each fault once."""
    import pyarrow as pa

    checked = (*task.target_columns, *task.checked_with)
    columns = [c for c in read_index(prepared).columns if c in checked]
    rows = pa.concat_tables([read_split(prepared, split, columns) for split in SPLITS])
    try:
        with at_field("data", "columns", *[c for c in task.target_columns if c in columns][:1]):
            task.check_targets(rows)
    except InputError as error:
        return error.diagnostics
    return ()


def _findings(
    data: PreparedData,
    contract: Contract,
    refused: Collection[str],
    salt_for_labels: Callable[[], str | None],
) -> Iterator[Diagnostic]:
    """What breaks the contract, without what a task refuses already, by these codes."""
    for checked in cheap_findings(data, contract):
        for finding, diagnostic in zip(checked.findings, diagnostics(checked), strict=True):
            if finding.refused_as in refused:
                continue
            message, advice = finding.message, finding.help
            places = _places(finding)
            if places and not any(place in message for place in places):
                message += f": {', '.join(places)}"
            if isinstance(checked.rule, LabelSupport) and (salt := salt_for_labels()):
                with_it = f"with `salt: {canonical_json(salt)}` each label has them in each split"
                advice = sentences(advice, with_it)
            field = ("data", *checked.rule.field(data))
            yield replace(diagnostic, message=message, help=advice, field=field)


def _salt_for_labels(raw: Path, params: PrepareParams, minimum: int) -> str | None:
    """A salt with which each label has so many rows in each split, if there is one."""
    if not isinstance(params.split, HashSplit | KFoldSplit):
        return None
    return filling_salt(params.split, split_keys(raw, params, labels_of(params)), minimum)


def _places(finding: Finding) -> list[str]:
    """The first rows of a finding."""
    rows = finding.rows.slice(0, SHOWN_IN_TERMINAL).to_pylist()
    return [f"{row['file']} row {row['row']} ({row['split']})" for row in rows]


def _place(spec: LoadedSpec, field: tuple[str | int, ...]) -> Position:
    """Where the field is, or else what it would be in: a value, and the key of several."""
    marks, path = spec.document.marks, field or ("data",)
    several = any(len(p) > len(path) and p[: len(path)] == path for p in marks)
    return spec.document.position(path, key=several)


def _shown(diagnostic: Diagnostic, spec: LoadedSpec) -> Diagnostic:
    """The diagnostic at its field of the spec, without what a terminal would obey."""
    position = _place(spec, diagnostic.field)
    return replace(
        diagnostic,
        message=one_line(diagnostic.message),
        help=one_line(diagnostic.help),
        position=position,
    )
