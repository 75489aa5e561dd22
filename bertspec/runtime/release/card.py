"""The model card: README.md of an exported model, in the hub's format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertspec.catalog.bases import BASES
from bertspec.catalog.source import SPLITS
from bertspec.catalog.sources import SOURCES
from bertspec.pipeline.params.evaluate import Evaluation
from bertspec.runtime.bundle import Bundle
from bertspec.runtime.contract import FINDINGS
from bertspec.runtime.data_summary import count_labels
from bertspec.runtime.release.front_matter import front_matter
from bertspec.runtime.release.limits import limits
from bertspec.runtime.release.markdown import code, plain
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.reporting.content import groups
from bertspec.runtime.seal import CARD
from bertspec.runtime.shards import read_index

FILE = CARD

MOST_LABELS = 50
"""Labels whose rows are told: the most frequent ones."""

NAMES = ("id", "revision", "package", "path", "name")
"""Options of a base or a source that say which one it is."""

_SMALL, _MB = 1e-3, 1e6


def card(
    folder: Path,
    origin: Origin,
    inputs: Mapping[str, Path],
    bundle: Bundle,
    parity: Mapping[str, Any],
) -> str:
    """The text of FILE. The exported files are in the folder; `parity` is what is said of them.

    Nothing in it depends on the day, the machine or the folder: the same inputs give the same
    bytes.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - the filters make text of what is no markup
        loader=PackageLoader("bertspec.runtime", "release"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "code": code, "number": _number, "size": _size}
    shown = _content(folder, origin, inputs, bundle, parity)
    return environment.get_template("card.md.jinja").render(**shown)


def _content(
    folder: Path,
    origin: Origin,
    inputs: Mapping[str, Path],
    bundle: Bundle,
    parity: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that the template shows, by name."""
    metrics, task = _read_json(inputs["metrics"]), origin.export.task
    index = read_index(inputs["prepared"])
    rows = {split: index.rows(split) for split in SPLITS if index.rows(split)}
    splits = [split for split in SPLITS if split in metrics]
    names = dict.fromkeys(name for split in reversed(splits) for name in metrics[split])
    evaluation = Evaluation.model_validate(origin.params("evaluation", "evaluation"))
    source, base = origin.spec["data"]["source"], origin.spec["model"]["base"]
    example = {f: _example(task.column_kind(f), task.example) for f in bundle.fields}
    of_exports = dict.fromkeys(key for values in parity.values() for key in values)
    return {
        "front_matter": front_matter(origin, metrics),
        "origin": origin,
        "task": task,
        "purpose": _about(type(task)),
        "bundle": bundle,
        "runs": bundle.default in bundle.models,
        "kinds": {field: task.column_kind(field) for field in bundle.fields},
        "answer": list(task.answer_types()),
        "example": json.dumps(example, ensure_ascii=False),
        "source": _about(SOURCES[source["type"]]),
        "source_names": [source[key] for key in NAMES if source.get(key)],
        "base": _about(BASES[base["type"]]),
        "base_names": [base[key] for key in NAMES if base.get(key)],
        "rows": rows,
        "split": {k: v for k, v in origin.spec["data"]["split"].items() if v not in (None, "")},
        "labels": count_labels(inputs["prepared"]),
        "most_labels": MOST_LABELS,
        "contract": _read_json(inputs["contract"] / FINDINGS),
        "metrics": metrics,
        "splits": splits,
        "names": [*(n for n in names if n != "loss"), "loss"],
        "lower_is_better": [n for n in task.lower_is_better if n in names],
        "intervals": metrics.get("intervals", {}),
        "measured": evaluation,
        "groups": list(groups(metrics)),
        "parity": parity,
        "of_exports": list(of_exports),
        "sizes": {
            e.name: e.size(folder / e.filename)
            for e in sorted(origin.export.export, key=lambda e: e.name)
        },
        "limits": list(limits(origin, bundle, metrics, inputs["tokenized"], rows["test"])),
        "lock": origin.lock(),
        "training": origin.spec["training"],
    }


def _about(kind: Any) -> str:
    """What one of the kinds of a table says of itself."""
    description: str = kind.model_fields["type"].description
    return description.rstrip(".")


def _example(kind: str, text: str) -> str | list[str]:
    return [text, "Another one."] if kind == "list" else text


def _number(value: Any) -> str:
    """A cell of a table: counts in full, others to four places, or in powers where these are 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-" if value is None else plain(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if value == 0 or abs(value) >= _SMALL else f"{value:.1e}"


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / _MB:,.1f} MB" if count >= _MB else f"{count / 1e3:,.1f} kB"


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
