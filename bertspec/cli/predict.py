"""`bertspec predict`."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import tee
from pathlib import Path
from typing import Any, BinaryIO

import click

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.core.terminal import one_line

Value = str | list[str]
"""A text, or a list of texts."""

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
    help="Take the inputs from a file: .txt (one a line), .csv or .tsv with a header, .jsonl.",
)
@click.option(
    "--column",
    "columns",
    metavar="[FIELD=]COLUMN",
    multiple=True,
    help="Column of the file that is a field of the model, such as `context=passage`; for a model "
    "of one field, the column alone. By default columns are named as the fields.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json"]),
    default="text",
    help="A line to read, or one JSON object, for each input.",
)
def command(
    model: str, texts: tuple[str, ...], file: Path | None, columns: tuple[str, ...], fmt: str
) -> None:
    """Predict with an exported ONNX model.

    MODEL is the name of a spec that has been built, or an export folder. For a model of one text,
    each of TEXTS is an input; for one of several, such as a question and its context, TEXTS are the
    fields of one input, in order. Without TEXTS and --file, standard input is read, a text a line.

    \b
      bertspec predict sentiment "Never a false note." "I left early."
      bertspec predict sentiment --file reviews.csv --column review --format json
      bertspec predict entailment --file pairs.jsonl --column text=premise --column text_pair=claim
    """  # noqa: D301 - click wants the character
    from bertspec.runtime.predict import Predictor

    if texts and file is not None:
        raise click.UsageError("give texts or --file, not both")
    if columns and file is None:
        raise click.UsageError("--column names a column of a --file")
    predictor = Predictor(_folder(model))
    fields = predictor.fields
    source: Iterable[Sequence[Value]]
    if texts:
        source = _given(texts, fields)
    elif file is not None:
        source = _from_file(file, _columns(columns, fields))
    elif len(fields) > 1:
        raise click.UsageError(f"the model takes {' and '.join(fields)}: give both, or a --file")
    elif sys.stdin is None:  # closed by the caller
        raise click.UsageError("there is no standard input: give texts or --file")
    else:
        if sys.stdin.isatty():
            click.echo("Type texts, one a line; Ctrl-D ends.", err=True)
        source = ((line,) for line in _plain(sys.stdin.buffer, "standard input"))
    lists = [predictor.task.column_kind(field) == "list" for field in fields]
    shown, asked = tee(_as_lists(values, lists) for values in source)
    answers = predictor.predict(dict(zip(fields, values, strict=True)) for values in asked)
    for values, answer in zip(shown, answers, strict=True):
        if fmt == "json":
            _show_json(dict(zip(fields, values, strict=True)) | answer)
        else:
            texts_of = [v if isinstance(v, str) else " ".join(v) for v in values]
            line = predictor.task.answer_line(answer)
            click.echo(f"{one_line(line)}  {one_line(' | '.join(texts_of))}")


def _given(texts: Sequence[str], fields: Sequence[str]) -> Iterable[Sequence[str]]:
    """Texts of the command line as inputs."""
    if len(fields) == 1:
        return [(text,) for text in texts]
    if len(texts) == len(fields):
        return [texts]
    raise InputError.of(
        "E453",
        f"the model takes {len(fields)} texts: {', '.join(fields)}; {len(texts)} were given",
        "give them all, or name a --file",
    )


def _columns(given: Sequence[str], fields: Sequence[str]) -> list[str]:
    """The file's column of each field. Raises InputError (E453) for a field that is not there."""
    columns = dict(zip(fields, fields, strict=True))
    for name in given:
        field, equals, column = name.partition("=")
        if not equals and len(fields) == 1:
            field, column = fields[0], name
        if field not in columns or not column:
            raise InputError.of(
                "E453",
                f"--column {name} names no field of the model, which takes {', '.join(fields)}",
                did_you_mean(field, fields),
            )
        columns[field] = column
    return list(columns.values())


def _as_lists(values: Sequence[Value], lists: Sequence[bool]) -> list[Value]:
    """The values with those that are to be lists as lists."""
    return [
        _as_list(value) if wanted and isinstance(value, str) else value
        for value, wanted in zip(values, lists, strict=True)
    ]


def _as_list(text: str) -> list[str]:
    """A list written as JSON; any other text is cut at white space."""
    if text.startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(text)
            if all(isinstance(item, str) for item in value):
                return list(value)
    return text.split()


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


def _from_file(path: Path, columns: Sequence[str]) -> Iterator[Sequence[Value]]:
    """Inputs of a file: the values of these columns.

    Raises InputError: E301 for no file, E302 for a line that is not UTF-8, E309 for a column that
    is not there, E452 for what cannot be read otherwise.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError.of("E301", f"{path} {what}", "name a file")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        if suffix == ".txt":
            if len(columns) > 1:
                raise InputError.of(
                    "E452", f"{path} has one text a line, and the model takes {len(columns)}",
                    "name a .csv, .tsv or .jsonl file",
                )  # fmt: skip
            yield from ((line,) for line in _plain(file, str(path)))
            return
        if suffix == ".jsonl":
            yield from _from_jsonl(file, str(path), columns)
        elif suffix in _TABLES:
            yield from _from_table(file, str(path), columns)
        else:
            raise InputError.of(
                "E452", f"cannot read {path}", "name a .txt, .csv, .tsv or .jsonl file"
            )


def _from_jsonl(file: BinaryIO, name: str, columns: Sequence[str]) -> Iterator[list[Value]]:
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
            value = row[column]
            is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
            if not is_list and not isinstance(value, str):
                raise InputError.of(
                    "E452", f"{place}: `{column}` is not a text, nor a list of texts", "quote it"
                )
        yield [row[column] for column in columns]


def _from_table(file: BinaryIO, name: str, columns: Sequence[str]) -> Iterator[list[Value]]:
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
                f"choose another with --column; {did_you_mean(column, known)}",
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


def _show_json(value: Mapping[str, Any]) -> None:
    # JSON is UTF-8 in any locale; half a surrogate pair, which UTF-8 has not, becomes an escape.
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))
