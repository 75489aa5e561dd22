"""`bertspec predict`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bertspec.cli.completing import exported_models, onnx_exports
from bertspec.core.errors import (
    BertspecError,
    EnvironmentFault,
    InputError,
    Interrupted,
    is_disk_full,
)
from bertspec.core.names import did_you_mean
from bertspec.core.terminal import one_line
from bertspec.core.verbosity import note

if TYPE_CHECKING:
    from bertspec.catalog.task import Answer, Task
    from bertspec.runtime.predicting.row import Row, Rows


@click.command()
@click.argument("model", shell_complete=exported_models)
@click.argument("texts", nargs=-1)
@click.option(
    "--input",
    "--file",
    "source",
    type=click.Path(path_type=Path),
    help="Take the inputs from a file: .txt (one a line), .csv or .tsv with a header, .jsonl, "
    ".parquet. It may have any size.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write the fields and the answers to a file, a row for each input, in their order: .csv, "
    ".jsonl or .parquet. It appears when all rows are in it.",
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
    "--carry",
    "carried",
    metavar="[NAME=]COLUMN",
    multiple=True,
    help="Another column of the file, such as `id`, that is to stand beside the answers.",
)
@click.option(
    "--keep-going",
    is_flag=True,
    help="Go on after a row that cannot be predicted; code and message are in its `error`.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json"]),
    help="What is printed without --output: a line to read, which is the default, or one JSON "
    "object, for each input.",
)
@click.option(
    "--export",
    "export",
    metavar="NAME",
    shell_complete=onnx_exports,
    help="Which of several ONNX exports to run, such as onnx-int8; by default the first of the "
    "spec.",
)
def command(
    model: str,
    texts: tuple[str, ...],
    source: Path | None,
    output: Path | None,
    columns: tuple[str, ...],
    carried: tuple[str, ...],
    keep_going: bool,  # noqa: FBT001 - click passes it by name
    fmt: str | None,
    export: str | None,
) -> None:
    """Predict with an exported ONNX model.

    MODEL is the name of a spec that has been built, or an export folder. For a model of one text,
    each of TEXTS is an input; for one of several, such as a question and its context, TEXTS are the
    fields of one input, in order. Without TEXTS and --input, standard input is read, a text a line.

    \b
    Examples:
      bertspec predict sentiment "Never a false note." "I left early."
      bertspec predict sentiment --input reviews.csv --column review --format json
      bertspec predict sentiment --input reviews.csv --carry id --output said.parquet
      bertspec predict entailment --input pairs.jsonl --column text=premise --column text_pair=claim
    """  # noqa: D301 - click wants the character
    if texts and source is not None:
        raise click.UsageError("give texts or --input, not both")
    if (columns or carried) and source is None:
        raise click.UsageError("--column and --carry name columns of an --input")
    if fmt is not None and output is not None:
        raise click.UsageError("--format is of what is printed, and --output writes a file")
    if output is not None:
        from bertspec.runtime.predicting.writers import require_writer

        require_writer(output)
    folder = export_folder(model)
    import_numpy()
    from bertspec.runtime.predict import Predictor

    predictor = Predictor(folder, export)
    # After it, as it has imported Arrow while it waited for the model.
    from bertspec.runtime.predicting.layout import Layout
    from bertspec.runtime.predicting.stream import predicted, write_predictions
    from bertspec.runtime.predicting.values import json_line

    task, fields = predictor.task, predictor.fields
    given = _rows(texts, source, columns, carried, fields)
    layout = Layout(task, fields, given.types, keep_going=keep_going)
    if output is not None:
        from bertspec.core.files import removed_on_signals

        with removed_on_signals():
            count, wrong = write_predictions(predictor, given.rows, output, layout)
        errors = f", {wrong:,} of them with an error" if wrong else ""
        note(f"{output}: {count:,} rows{errors}")
        return
    with _printing():
        for row, answer in predicted(predictor, given.rows, keep_going=keep_going):
            record = layout.record(row, answer)
            if fmt == "json":
                click.echo(json_line(record))
            else:
                click.echo(_line(task, [record[name] for name in fields], answer))


@contextmanager
def _printing() -> Iterator[None]:
    """Tell, where it ends before its time, that what is printed may not be all."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("what is printed may not be all") from None
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise EnvironmentFault.of(
            "E503",
            "the disk is full, and what is printed is not all",
            "make room and run it again; with --output there is a whole file or none",
        ) from None


def _line(task: "Task", values: Sequence[str | Sequence[str] | None], answer: "Answer") -> str:
    """An answer, or why there is none, and what it is to, for people."""
    if isinstance(answer, BertspecError):
        first = answer.diagnostics[0]
        said = f"error[{first.code}]: {first.message}"
    else:
        said = task.answer_line(answer)
    texts = [value if isinstance(value, str) else " ".join(value or ()) for value in values]
    return f"{one_line(said)}  {one_line(' | '.join(texts))}"


def _rows(
    texts: Sequence[str],
    source: Path | None,
    columns: Sequence[str],
    carried: Sequence[str],
    fields: Sequence[str],
) -> "Rows":
    """The inputs, wherever they are from."""
    from bertspec.runtime.predicting.row import Rows, Wanted

    if source is not None:
        from bertspec.runtime.predicting.readers import read_rows

        return read_rows(source, Wanted(_columns(columns, fields), _carried(carried)))
    if texts:
        return Rows(_given(texts, fields))
    if len(fields) > 1:
        raise click.UsageError(f"the model takes {' and '.join(fields)}: give both, or an --input")
    if sys.stdin is None:  # closed by the caller
        raise click.UsageError("there is no standard input: give texts or --input")
    if sys.stdin.isatty():
        note("Type texts, one a line; Ctrl-D ends.")
    from bertspec.runtime.predicting.lines import text_rows

    return Rows(text_rows(sys.stdin.buffer, "standard input", fields[0]))


def _given(texts: Sequence[str], fields: Sequence[str]) -> Iterator["Row"]:
    """Texts of the command line as inputs."""
    from bertspec.runtime.predicting.row import Row

    if len(fields) == 1:
        return (Row(f"text {n}", {fields[0]: text}) for n, text in enumerate(texts, start=1))
    if len(texts) == len(fields):
        return iter([Row("the texts", dict(zip(fields, texts, strict=True)))])
    raise InputError.of(
        "E453",
        f"the model takes {len(fields)} texts: {', '.join(fields)}; {len(texts)} were given",
        "give them all, or name an --input",
    )


def _columns(given: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """The file's column of each field. Raises InputError (E453) for a field that is not there."""
    columns: dict[str, str] = {}
    for name in given:
        field, equals, column = name.partition("=")
        if not equals and len(fields) == 1:
            field, column = fields[0], name
        if field not in fields or not column:
            raise InputError.of(
                "E453",
                f"--column {name} names no field of the model, which takes {', '.join(fields)}",
                did_you_mean(field, fields),
            )
        if field in columns:
            raise click.UsageError(
                f"--column says twice what `{field}` is: `{columns[field]}` and `{column}`"
            )
        columns[field] = column
    return {field: columns.get(field, field) for field in fields}


def _carried(given: Sequence[str]) -> dict[str, str]:
    """The file's column of each name in the output."""
    columns: dict[str, str] = {}
    for text in given:
        name, equals, column = text.partition("=")
        if not name or (equals and not column):
            raise click.UsageError(f"--carry {text} is neither COLUMN nor NAME=COLUMN")
        column = column or name
        if name in columns:
            raise click.UsageError(
                f"--carry gives the name `{name}` twice: to `{columns[name]}` and to `{column}`"
            )
        columns[name] = column
    return columns


def import_numpy() -> None:
    """Numpy without threads for products of matrices, of which prediction has none.

    They look for work for a tenth of a second before they sleep, on cores that load the model.
    """
    name = "OPENBLAS_NUM_THREADS"
    is_said = name in os.environ
    os.environ.setdefault(name, "1")
    import numpy as np  # noqa: F401 - it reads that now

    if not is_said:
        del os.environ[name]


def export_folder(model: str) -> Path:
    """The export folder of a built spec, or the folder itself; a path is never a name."""
    from bertspec.pipeline.layout import export

    named = [Path(export(model))] if Path(model).name == model else []
    for folder in (*named, Path(model)):
        if folder.is_dir():
            return folder
    from bertspec.spec.load import spec_named

    built = [path.parent.name for path in Path().glob(export("*"))]
    if named and (spec := spec_named(model, Path("specs"))) is not None:
        advice = f"{spec} is there, and must be built: `dvc repro`"
    elif built:
        advice = did_you_mean(model, built)
    else:
        advice = "build one with `dvc repro`, or name its folder"
    raise InputError.of("E451", f"there is no exported model `{model}`", advice)
