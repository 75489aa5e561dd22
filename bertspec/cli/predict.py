"""`bertspec predict`."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from bertspec.runtime.predict import Prediction, Text


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1)
@click.option(
    "--file", "file", type=click.Path(path_type=Path), help="Texts: .txt, .csv, .tsv, .jsonl."
)
@click.option("--column", default="text", help="Column of the text in the file.", show_default=True)
@click.option("--pair-column", help="Column of the second text of a pair.")
@click.option("--format", "fmt", type=click.Choice(["text", "json"]), default="text")
def command(
    model: str, texts: tuple[str, ...], file: Path | None, column: str, pair_column: str | None,
    fmt: str,
) -> None:  # fmt: skip
    """Label texts with the exported ONNX model.

    MODEL is a spec's name or an export folder. Texts come from the command line, from --file, or
    else from standard input, a line each. The JSON format is one object a line.
    """
    from bertspec.pipeline.layout import export
    from bertspec.runtime.predict import Predictor

    folder = Path(model) if Path(model).is_dir() else Path(export(model))
    predictor = Predictor(folder)
    source: Iterator[Text]
    if texts:
        source = iter(texts)
    elif file is not None:
        source = _from_file(file, column, pair_column)
    else:
        source = _lines(sys.stdin.buffer, "standard input")
    show = _show_json if fmt == "json" else _show_text
    for prediction in predictor.predict(source):
        show(prediction)


def _from_file(path: Path, column: str, pair_column: str | None) -> "Iterator[Text]":
    from bertspec.core.errors import InputError

    if not path.is_file():
        raise InputError.of("E301", f"{path} does not exist", "check the path")
    if path.suffix == ".txt":
        with path.open("rb") as file:
            yield from _lines(file, str(path))
        return
    for number, row in enumerate(_rows(path), start=1):
        wanted = [column] if pair_column is None else [column, pair_column]
        for name in wanted:
            if not isinstance(row.get(name), str):
                raise InputError.of(
                    "E309",
                    f"{path}, row {number} has no text in column `{name}`",
                    f"choose one with --column (columns: {', '.join(map(str, row))})",
                )
        yield row[column] if pair_column is None else (row[column], row[pair_column])


def _rows(path: Path) -> "Iterator[dict[str, Any]]":
    from bertspec.core.errors import InputError

    if path.suffix not in (".csv", ".tsv", ".jsonl"):
        raise InputError.of("E452", f"cannot read {path}", "name a .txt, .csv, .tsv or .jsonl file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                yield from (json.loads(line) for line in file if line.strip())
            elif path.suffix == ".csv":
                yield from csv.DictReader(file, strict=True)
            else:
                yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise InputError.of(
            "E452", f"{path} cannot be read: {error}", "check its format and that it is UTF-8"
        ) from None


def _lines(stream: Any, name: str) -> Iterator[str]:
    from bertspec.core.errors import InputError

    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError.of(
                "E302", f"{name}, line {number}: not UTF-8: {error}", "convert it to UTF-8"
            ) from None


def _show_text(prediction: "Prediction") -> None:
    text = prediction.text if isinstance(prediction.text, str) else " | ".join(prediction.text)
    share = prediction.probabilities[prediction.label]
    width = max(len(label) for label in prediction.probabilities)
    click.echo(f"{prediction.label:{width}}  {share:6.1%}  {text}")


def _show_json(prediction: "Prediction") -> None:
    value = {
        "text": prediction.text,
        "label": prediction.label,
        "probabilities": dict(prediction.probabilities),
    }
    click.echo(json.dumps(value, ensure_ascii=False))
