"""`bertspec predict`."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.core.terminal import one_line

if TYPE_CHECKING:
    from bertspec.runtime.predict import Prediction, Text

_LONGEST_FIELD = 2**31 - 1

_TABLES: Mapping[str, dict[str, Any]] = {
    ".csv": {"strict": True},
    ".tsv": {"delimiter": "\t", "quoting": csv.QUOTE_NONE},
}
"""Options of the csv module by the suffix of a file."""


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="Label the texts in a file: .txt (one a line), .csv or .tsv with a header, .jsonl.",
)
@click.option("--column", default="text", help="Column of the text in the file.", show_default=True)
@click.option("--pair-column", help="Column of the second text, for a model of pairs.")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json"]),
    default="text",
    help="A line to read, or one JSON object, for each text.",
)
def command(
    model: str, texts: tuple[str, ...], file: Path | None, column: str, pair_column: str | None,
    fmt: str,
) -> None:  # fmt: skip
    """Label texts with an exported ONNX model.

    MODEL is the name of a spec that has been built, or an export folder. Without TEXTS and --file,
    standard input is read, a text a line.

    \b
      bertspec predict sentiment "Never a false note." "I left early."
      bertspec predict sentiment --file reviews.csv --column review --format json
      bertspec predict entailment --file pairs.jsonl --column premise --pair-column claim
    """  # noqa: D301 - click wants the character
    from bertspec.runtime.predict import Predictor

    if texts and file is not None:
        raise click.UsageError("give texts or --file, not both")
    if pair_column is not None and file is None:
        raise click.UsageError("--pair-column names a column of a --file")
    predictor = Predictor(_folder(model))
    source: Iterable[Text]
    if texts:
        source = texts
    elif file is not None:
        source = _from_file(file, (column,) if pair_column is None else (column, pair_column))
    elif sys.stdin is None:  # closed by the caller
        raise click.UsageError("there is no standard input: give texts or --file")
    else:
        if sys.stdin.isatty():
            click.echo("Type texts, one a line; Ctrl-D ends.", err=True)
        source = _plain(sys.stdin.buffer, "standard input")
    show = _show_json if fmt == "json" else _show_text
    for prediction in predictor.predict(source):
        show(prediction)


def _folder(model: str) -> Path:
    """The export folder of a built spec, or the folder itself; a path is never a name."""
    from bertspec.pipeline.layout import export

    named = [Path(export(model))] if Path(model).name == model else []
    for folder in (*named, Path(model)):
        if folder.is_dir():
            return folder
    built = [path.parent.name for path in Path().glob(export("*"))]
    raise InputError.of(
        "E451",
        f"there is no exported model `{model}`",
        did_you_mean(model, built) if built else "build one with `dvc repro`, or name its folder",
    )


def _from_file(path: Path, columns: Sequence[str]) -> "Iterator[Text]":
    """Texts of a file, or pairs for two columns.

    Raises InputError: E301 for no file, E302 for a line that is not UTF-8, E309 for a column that
    is not there, E452 for what cannot be read otherwise.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError.of("E301", f"{path} {what}", "name a file")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        if suffix == ".txt":
            yield from _plain(file, str(path))
            return
        if suffix == ".jsonl":
            values = _from_jsonl(file, str(path), columns)
        elif suffix in _TABLES:
            values = _from_table(file, str(path), columns)
        else:
            raise InputError.of(
                "E452", f"cannot read {path}", "name a .txt, .csv, .tsv or .jsonl file"
            )
        for value in values:
            yield value[0] if len(value) == 1 else (value[0], value[1])


def _from_jsonl(file: BinaryIO, name: str, columns: Sequence[str]) -> Iterator[list[str]]:
    for number, line in enumerate(_lines(file, name), start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError.of(
                "E452", f"{place} is not JSON: {error}", "write one object a line"
            ) from None
        if not isinstance(row, dict):
            raise InputError.of("E452", f"{place} is not an object", 'write {"text": "..."}')
        _require_columns(columns, list(row), place)
        for column in columns:
            if not isinstance(row[column], str):
                raise InputError.of("E452", f"{place}: `{column}` is not a text", "quote it")
        yield [row[column] for column in columns]


def _from_table(file: BinaryIO, name: str, columns: Sequence[str]) -> Iterator[list[str]]:
    csv.field_size_limit(_LONGEST_FIELD)
    # A line of bytes may hold carriage returns, which end lines of a table, too.
    lines = (part for line in _lines(file, name) for part in io.StringIO(line, newline=""))
    reader = csv.reader(lines, **_TABLES[Path(name).suffix.lower()])
    try:
        records = filter(None, reader)  # no blank lines
        header = next(records, None)
        if header is None:
            return
        _require_columns(columns, header, name)
        places = [header.index(column) for column in columns]
        for number, record in enumerate(records, start=1):
            if len(record) != len(header):
                raise InputError.of(
                    "E452",
                    f"{name}, row {number}: {len(record)} fields, and there are {len(header)} "
                    "columns",
                    "quote a field of CSV that holds a comma or a line break; TSV has a tab "
                    "between fields and nowhere else",
                )
            yield [record[place] for place in places]
    except csv.Error as error:
        raise InputError.of(
            "E452",
            f"{name}, line {reader.line_num}: {error}",
            'a quote inside a quoted field is written twice (""); each opened one is closed',
        ) from None


def _require_columns(columns: Sequence[str], known: Sequence[str], place: str) -> None:
    for column in columns:
        if column not in known:
            raise InputError.of(
                "E309",
                f"{place} has no column `{column}`",
                f"choose another with --column or --pair-column; {did_you_mean(column, known)}",
            )


def _plain(stream: BinaryIO, name: str) -> Iterator[str]:
    """A text a line."""
    return (line.rstrip("\r\n") for line in _lines(stream, name))


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Lines of UTF-8 with their ends, without a byte-order mark."""
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError.of(
                "E302",
                f"{name}, line {number}: not UTF-8: {error}",
                "convert it, such as with `iconv -f latin1 -t utf-8`",
            ) from None


def _show_text(prediction: "Prediction") -> None:
    text = prediction.text if isinstance(prediction.text, str) else " | ".join(prediction.text)
    share = prediction.probabilities[prediction.label]
    width = max(len(one_line(label)) for label in prediction.probabilities)
    click.echo(f"{one_line(prediction.label):{width}}  {share:6.1%}  {one_line(text)}")


def _show_json(prediction: "Prediction") -> None:
    value = {
        "text": prediction.text,
        "label": prediction.label,
        "probabilities": dict(prediction.probabilities),
    }
    # JSON is UTF-8 in any locale; half a surrogate pair, which UTF-8 has not, becomes an escape.
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))
