"""What is in a prepared data set: counts, labels, lengths of texts, some rows; shard by shard."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.catalog.task import ID_COLUMN, TEXT_FIELDS
from bertspec.core.errors import InputError, reason
from bertspec.core.names import did_you_mean
from bertspec.core.progress import progress
from bertspec.pipeline import layout
from bertspec.pipeline.params.columns import TARGETS
from bertspec.runtime.contract import FINDINGS
from bertspec.runtime.shards import ROW, Index, ShardFile, read_index
from bertspec.runtime.stage import read_params
from bertspec.runtime.tables import read_arrow, read_parquet
from bertspec.runtime.tokenized import FILE as ABOUT
from bertspec.runtime.tokenized import first_sequences

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

BINS = 16
"""Most bins of a histogram."""

PERCENTILES = {"min": 0, "p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}

MOST_LABELS = 20
"""Labels of which rows are shown: the most frequent ones."""

Kind = Literal["label", "list", "number", "answers"]


@dataclass(frozen=True)
class Labels:
    """What a model is to say, and how often in each split."""

    column: str
    kind: Kind
    counts: Mapping[str, Mapping[SplitName, int]]
    """Rows (of tags: words) that have a label; the most frequent label first."""
    totals: Mapping[SplitName, int]
    """All rows (of tags: words)."""
    numbers: Mapping[SplitName, Mapping[str, float]]
    """min, median and max, for numbers."""


@dataclass(frozen=True)
class Lengths:
    """How long the texts of all splits are."""

    of: str
    """The column, or the tokenization's folder."""
    unit: str
    percentiles: Mapping[str, int]
    start: int
    width: int
    """Of each bin; the last one holds all that are longer, too."""
    bins: Sequence[int]
    max_length: int | None = None
    """What is cut off behind it, for tokens."""
    longer: int = 0
    """Rows that are longer than that."""


@dataclass(frozen=True)
class Sample:
    """One row."""

    label: str
    """Which group of rows it is from; empty where there are none."""
    split: SplitName
    file: str
    row: int
    id: str
    values: Mapping[str, Any]
    """What it has in the columns that are read, and its target."""


@dataclass(frozen=True)
class Summary:
    """A data set, as it is built."""

    name: str
    rows: Mapping[SplitName, int]
    labels: Labels | None
    lengths: Sequence[Lengths]
    samples: Sequence[Sample]
    contract: Sequence[Mapping[str, Any]] | None
    """findings.json; None where the contract has not been run."""
    notes: Sequence[str] = ()
    """What could not be read beside the data itself."""


def summarize(name: str, root: Path, samples: int) -> Summary:
    """Look at what is built of a data set; `samples` rows of each label, those first by id.

    Raises InputError: E211 for a name that params.yaml does not have, E206 for a data set that
    has not been prepared, or cannot be read.
    """
    import pyarrow as pa

    params = read_params(root)
    known = params.get("datasets") or {}
    if name not in known:
        raise InputError.of("E211", f"there is no data set `{name}`", did_you_mean(name, known))
    folder = root / layout.prepared(name)
    if not folder.is_dir():
        raise InputError.of(
            "E206",
            f"{layout.prepared(name)} is missing",
            f"`dvc repro {name}-prepare` builds it, or `dvc pull {name}-prepare` fetches it",
        )
    index = read_index(folder)
    notes: list[str] = []
    try:
        collected = _collect(folder, index, samples)
        found = list(collected.samples(folder, samples))
    except (pa.ArrowException, OSError) as error:
        raise InputError.of(
            "E206",
            f"{layout.prepared(name)} cannot be read: {reason(error)}",
            f"`dvc repro {name}-prepare` builds it again",
        ) from None
    tokens = _token_lengths(name, root, params, notes)
    return Summary(
        name,
        {split: index.rows(split) for split in SPLITS},
        collected.labels(),
        [*collected.lengths(), *tokens],
        found,
        _findings(name, root, notes),
        notes,
    )


def count_labels(prepared: Path) -> Labels | None:
    """The labels of a prepared data set, without looking at its texts; None where it has none."""
    return _collect(prepared, read_index(prepared), 0, texts=False).labels()


@dataclass(frozen=True)
class _Place:
    """A row that may be shown: ordered by its id."""

    id: str
    split: SplitName
    shard: ShardFile
    at: int


@dataclass
class _Collected:
    """What has been seen of the shards so far."""

    target: str | None
    read: Sequence[str]
    kind: Kind | None = None
    counts: dict[SplitName, Counter[str]] = field(default_factory=dict)
    totals: Counter[SplitName] = field(default_factory=Counter)
    numbers: "dict[SplitName, list[np.ndarray]]" = field(default_factory=dict)
    sizes: "dict[str, list[np.ndarray]]" = field(default_factory=dict)
    places: dict[str, list[_Place]] = field(default_factory=dict)

    def add(self, table: "pa.Table", split: SplitName, shard: ShardFile, samples: int) -> None:
        import numpy as np

        for name in self.read:
            self.sizes.setdefault(name, []).append(_sizes(table[name]))
        kind, parents, labels = _exploded(table, self.target)
        self.kind = kind
        if kind == "number":
            values = table[self.target].to_numpy()
            self.numbers.setdefault(split, []).append(values[~np.isnan(values)])
        elif kind is not None:
            found = {v["values"]: v["counts"] for v in labels.value_counts().to_pylist()}
            found.pop(None, None)
            self.counts.setdefault(split, Counter()).update(found)
        self.totals[split] += len(labels) if self.target == "tags" else len(table)
        if samples:
            for label, at, id_ in _first(parents, labels, table[ID_COLUMN], samples):
                place = _Place(id_, split, shard, at)
                self.places.setdefault(label, []).append(place)
                _keep(self.places[label], samples)

    def labels(self) -> Labels | None:
        import numpy as np

        if self.target is None or self.kind is None:
            return None
        total: Counter[str] = sum(self.counts.values(), Counter())
        order = sorted(total, key=lambda label: (-total[label], label))
        numbers = {}
        for split, parts in self.numbers.items():
            if len(values := np.concatenate(parts)):
                numbers[split] = {
                    "min": float(values.min()),
                    "median": float(np.median(values)),
                    "max": float(values.max()),
                }
        return Labels(
            self.target,
            self.kind,
            {name: {s: self.counts.get(s, Counter())[name] for s in SPLITS} for name in order},
            {s: self.totals[s] for s in SPLITS},
            numbers,
        )

    def lengths(self) -> Iterator[Lengths]:
        import numpy as np

        for name, parts in self.sizes.items():
            sizes = np.concatenate(parts)
            if len(sizes):
                yield _lengths(name, "words" if name == "tokens" else "characters", sizes)

    def samples(self, folder: Path, count: int) -> Iterator[Sample]:
        """Read the rows that are shown, each from its shard."""
        labels = self.labels()
        groups = list(labels.counts)[:MOST_LABELS] if labels and labels.counts else [""]
        columns = [*self.read, *([self.target] if self.target else [])]
        for label in groups:
            for place in self.places.get(label, [])[:count]:
                path = folder / place.shard.path
                row = read_parquet(path, [*columns, ROW]).slice(place.at, 1).to_pylist()[0]
                number = place.shard.first + row.pop(ROW)
                yield Sample(label, place.split, place.shard.file, number, place.id, row)


def _collect(folder: Path, index: Index, samples: int, *, texts: bool = True) -> _Collected:
    target = next((name for name in TARGETS if name in index.columns), None)
    read = [name for name in TEXT_FIELDS if texts and name in index.columns]
    collected = _Collected(target, read)
    columns = [ID_COLUMN, *read, *([target] if target else [])]
    with progress("read", sum(index.rows(split) for split in SPLITS)) as bar:
        for split, shards in index.splits.items():
            for shard in shards:
                collected.add(read_parquet(folder / shard.path, columns), split, shard, samples)
                bar(shard.rows)
    return collected


def _is_list(values: "pa.Array") -> bool:
    import pyarrow as pa

    return pa.types.is_list(values.type) or pa.types.is_large_list(values.type)


def _sizes(column: "pa.ChunkedArray") -> "np.ndarray":
    """Length of each text in characters, of each list in items."""
    import pyarrow as pa
    from pyarrow import compute as pc

    found = pc.list_value_length(column) if _is_list(column) else pc.utf8_length(column)
    return pc.fill_null(found, 0).cast(pa.int32()).to_numpy()


def _exploded(table: "pa.Table", target: str | None) -> "tuple[Kind | None, np.ndarray, pa.Array]":
    """Label by label: the row that each is of. Rows without labels are of the group ''."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    rows = np.arange(len(table))
    one_group = pa.repeat(pa.scalar("", pa.string()), len(table))
    if target is None:
        return None, rows, one_group
    values = table[target].combine_chunks()
    if target == "answers":
        answers = pc.struct_field(values, "text") if pa.types.is_struct(values.type) else values
        size = pc.list_value_length(answers) if _is_list(answers) else pc.utf8_length(answers)
        answered = pc.greater(pc.fill_null(size, 0), 0)
        return "answers", rows, pc.if_else(answered, "with an answer", "without an answer")
    if pa.types.is_floating(values.type):
        return "number", rows, one_group
    if _is_list(values):
        items = pc.list_flatten(values)
        if pa.types.is_struct(items.type):
            items = pc.struct_field(items, "label")  # of spans
        items = items.cast(pa.string())
        return "list", pc.list_parent_indices(values).to_numpy(), items
    return "label", rows, values.cast(pa.string())


def _first(
    parents: "np.ndarray", labels: "pa.Array", ids: "pa.ChunkedArray", count: int
) -> Iterator[tuple[str, int, str]]:
    """For each label its `count` rows whose ids come first: label, row, id; equal rows once."""
    import numpy as np
    import pyarrow as pa

    table = pa.table({"label": labels, "id": ids.take(pa.array(parents)), "at": parents})
    order = [("label", "ascending"), ("id", "ascending"), ("at", "ascending")]
    table = table.sort_by(order).combine_chunks()
    label, id_ = (_codes(table[name]) for name in ("label", "id"))
    new_label = np.diff(label, prepend=-1) != 0
    kept = np.flatnonzero(new_label | (np.diff(id_, prepend=-1) != 0))
    starts = np.flatnonzero(new_label[kept])
    rank = np.arange(len(kept)) - np.repeat(starts, np.diff(np.append(starts, len(kept))))
    for row in table.take(pa.array(kept[rank < count])).to_pylist():
        if row["label"] is not None:
            yield row["label"], row["at"], row["id"]


def _codes(column: "pa.ChunkedArray") -> "np.ndarray":
    return column.combine_chunks().dictionary_encode().indices.fill_null(-2).to_numpy()


def _keep(places: list[_Place], count: int) -> None:
    """The first `count` by id, each content once."""
    places.sort(key=lambda place: (place.id, SPLITS.index(place.split)))
    unique = {place.id: place for place in reversed(places)}
    places[:] = sorted(unique.values(), key=lambda place: place.id)[:count]


def _lengths(of: str, unit: str, sizes: "np.ndarray", max_length: int | None = None) -> Lengths:
    import numpy as np

    values = np.percentile(sizes, list(PERCENTILES.values()), method="inverted_cdf")
    percentiles = dict(zip(PERCENTILES, (int(v) for v in values), strict=True))
    start, end = percentiles["min"], percentiles["p99"]
    width = max(1, -(-(end - start + 1) // BINS))
    last = (end - start) // width
    bins = np.bincount(np.minimum((sizes - start) // width, last), minlength=last + 1)
    longer = 0 if max_length is None else int((sizes > max_length).sum())
    return Lengths(of, unit, percentiles, start, width, bins.tolist(), max_length, longer)


def _token_lengths(
    name: str, root: Path, params: Mapping[str, Any], notes: list[str]
) -> Iterator[Lengths]:
    """Of each tokenization that is compiled and built."""
    import numpy as np
    import pyarrow as pa

    for full in sorted(params.get("tokenizations") or {}):
        key = full.removeprefix(f"{name}-")
        path = layout.tokenized(name, key)
        folder = root / path
        if not full.startswith(f"{name}-") or not folder.is_dir():
            continue
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            parts = [
                first_sequences(read_arrow(folder / shard.path))["length"].to_numpy()
                for shards in read_index(folder).splits.values()
                for shard in shards
            ]
            max_length = int(about["tokenization"]["max_length"])
        except (InputError, pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            notes.append(f"{path} cannot be read ({reason(error)}): `dvc repro` builds it again")
            continue
        if len(sizes := np.concatenate(parts)):
            yield _lengths(key, "tokens", sizes, max_length)


def _findings(name: str, root: Path, notes: list[str]) -> Sequence[Mapping[str, Any]] | None:
    """What contract wrote, when it is as contract writes it."""
    path = f"{layout.contract(name)}/{FINDINGS}"
    try:
        found = json.loads((root / path).read_text(encoding="utf-8"))
        for entry in found:
            texts = [entry[key] for key in ("code", "name", "severity", "status")]
            texts += [f[key] for f in entry["findings"] for key in ("message", "help")]
            if not all(isinstance(t, str) for t in texts) or not isinstance(entry["count"], int):
                raise ValueError("a value of another type than contract writes")  # noqa: TRY301
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        notes.append(f"{path} cannot be read ({reason(error)}): `dvc repro {name}-contract`")
        return None
    else:
        return found
