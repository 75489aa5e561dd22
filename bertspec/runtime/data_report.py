"""A summary of a data set, for a terminal and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bertspec.catalog.source import SPLITS, SplitName
from bertspec.core.terminal import one_line
from bertspec.runtime.data_summary import MOST_LABELS, PERCENTILES, Labels, Lengths, Sample, Summary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", ".:-=+*#@"

LONGEST_LABEL = 32
"""Characters of a label in a table."""

LONGEST = 4096
"""Characters of a text that are looked at: more than any terminal is wide."""

_STYLES = {"failed error": "bold red", "failed warn": "yellow", "passed": "green"}


def as_json(summary: Summary) -> dict[str, Any]:
    """For machines: all labels, and the texts as they are."""
    return {
        "name": summary.name,
        "rows": dict(summary.rows),
        "labels": asdict(summary.labels) if summary.labels else None,
        "lengths": [asdict(lengths) for lengths in summary.lengths],
        "samples": [asdict(sample) for sample in summary.samples],
        "contract": summary.contract,
        "notes": list(summary.notes),
    }


def show(summary: Summary, console: "Console") -> None:
    """For people, as wide as the console. Only a terminal gets its messages wrapped."""
    from rich.text import Text

    with console.capture() as captured:
        for part in _parts(summary, console):
            if isinstance(part, str):
                console.print(_text(part), soft_wrap=not console.is_terminal)
            else:
                console.print(part, no_wrap=isinstance(part, Text), overflow="ellipsis")
    lines = captured.get().splitlines()
    console.file.write("\n".join(line.rstrip() for line in lines) + "\n")


def _parts(summary: Summary, console: "Console") -> "Iterator[Table | Text | str]":
    """Tables, lines that are cut, and messages that are not."""
    yield _rows(summary, console)
    if summary.labels is not None:
        yield ""
        yield (
            _numbers(summary, console)
            if summary.labels.kind == "number"
            else _balance(summary.labels, _used(summary.rows), console)
        )
    if summary.lengths:
        yield ""
        yield _lengths(summary.lengths, console)
    if summary.samples:
        yield ""
        yield from _samples(summary.samples)
    yield ""
    yield from _contract(summary, console)
    for note in summary.notes:
        yield ""
        yield f"note: {note}"


def _table(console: "Console", title: str, *columns: str, numbers: Sequence[str] = ()) -> "Table":
    """Lines between the columns only where somebody looks at them."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _text(text: str, longest: int = LONGEST) -> "Text":
    """Text of the data; what looks like markup is none."""
    from rich.text import Text

    line = one_line(text[:LONGEST])
    return Text(line if len(line) <= longest else line[: longest - 1] + "…")


def _used(rows: Mapping[SplitName, int]) -> list[SplitName]:
    return [split for split in SPLITS if rows[split]]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _rows(summary: Summary, console: "Console") -> "Table":
    total = sum(summary.rows.values())
    table = _table(console, f"{summary.name}: {total:,} rows", "split", numbers=("rows",))
    for split in SPLITS:
        table.add_row(split, _share(summary.rows[split], total))
    return table


def _balance(labels: Labels, splits: list[SplitName], console: "Console") -> "Table":
    title = f"{labels.column}: {len(labels.counts):,} different"
    table = _table(console, title, labels.column, numbers=splits)
    for name, counts in list(labels.counts.items())[:MOST_LABELS]:
        cells = [_share(counts[s], labels.totals[s]) for s in splits]
        table.add_row(_text(name, LONGEST_LABEL), *cells)
    if (more := len(labels.counts) - MOST_LABELS) > 0:
        rest = list(labels.counts.values())[MOST_LABELS:]
        table.add_row(f"{more:,} more", *(f"{sum(c[s] for c in rest):,}" for s in splits))
    return table


def _numbers(summary: Summary, console: "Console") -> "Table":
    labels = summary.labels
    assert labels is not None  # noqa: S101 - for mypy
    table = _table(console, labels.column, "split", numbers=("min", "median", "max"))
    for split, values in labels.numbers.items():
        table.add_row(split, *(f"{values[key]:g}" for key in ("min", "median", "max")))
    return table


def _lengths(lengths: Sequence[Lengths], console: "Console") -> "Table":
    table = _table(console, "length", "of", "in", numbers=(*PERCENTILES, ""))
    table.columns[-1].justify = "left"
    for found in lengths:
        cells = [f"{value:,}" for value in found.percentiles.values()]
        table.add_row(found.of, found.unit, *cells, _histogram(found, console))
        if found.max_length is not None and found.longer:
            rows = "1 row is" if found.longer == 1 else f"{found.longer:,} rows are"
            table.caption = _joined(
                table.caption, f"{rows} longer than the {found.max_length} tokens of {found.of}"
            )
    table.caption_justify = "left"
    return table


def _joined(before: Any, text: str) -> str:
    return f"{before}\n{text}" if before else text


def _histogram(lengths: Lengths, console: "Console") -> str:
    """From the shortest to the 99th percentile; what is longer is in the last bin."""
    blocks = ASCII_BLOCKS if console.options.ascii_only else BLOCKS
    most = max(lengths.bins)
    return "".join(
        " " if not count else blocks[(count * len(blocks) - 1) // most] for count in lengths.bins
    )


def _samples(samples: Sequence[Sample]) -> "Iterator[Text]":
    """The rows of each label, a line each; the file is told where there are several."""
    from rich.text import Text

    several = len({sample.file for sample in samples}) > 1
    places = [f"{one_line(s.file)} row {s.row}" if several else f"row {s.row}" for s in samples]
    width = max(map(len, places))
    label: str | None = None
    title = "samples" if several else f"samples of {one_line(samples[0].file)}"
    yield Text(title, "bold")
    for sample, place in zip(samples, places, strict=True):
        if sample.label != label and sample.label:
            yield _text(sample.label, LONGEST_LABEL)
        label = sample.label
        yield Text.assemble(
            "  ", (f"{place:{width}}  {sample.split:10}  ", "dim"), _text(_content(sample))
        )


def _content(sample: Sample) -> str:
    """What a model reads of a row, and a number that it is to say."""
    target = [v for v in sample.values.values() if isinstance(v, float)]
    texts = [
        " ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in sample.values.items()
        if name not in ("label", "tags", "answers")
    ]
    return " | ".join([*(f"{number:g}" for number in target), *texts])


def _contract(summary: Summary, console: "Console") -> "Iterator[Table | Text | str]":
    from rich.text import Text

    if summary.contract is None:
        advice = f"`dvc repro {summary.name}-contract` does that"
        yield f"The contract has not been checked: {advice}."
        return
    table = _table(console, "contract", "code", "rule", "severity", "status", numbers=("rows",))
    for entry in summary.contract:
        status = entry["status"]
        style = _STYLES.get(f"{status} {entry['severity']}" if status == "failed" else status, "")
        table.add_row(
            *(_text(entry[key]) for key in ("code", "name", "severity")),
            Text(one_line(status), style),
            f"{entry['count']:,}",
        )
    yield table
    for entry in summary.contract:
        for found in entry["findings"]:
            kind = "error" if entry["severity"] == "error" else "warning"
            yield ""
            yield f"{kind}[{entry['code']}]: {found['message']}"
            yield f"help: {found['help']}"
