"""Rows with their answers: predicted as they come, and written as they go."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bertspec.catalog.task import Answer
from bertspec.core.errors import BertspecError, at_place
from bertspec.runtime.at_once import characters, chunks
from bertspec.runtime.predict import Predictor
from bertspec.runtime.predicting.layout import Layout
from bertspec.runtime.predicting.row import Row
from bertspec.runtime.predicting.values import size_of

WORDS = "tokens"
"""The field that a sentence will do for: it is split into its words."""


def predicted(
    predictor: Predictor, rows: Iterable[Row], *, keep_going: bool
) -> Iterator[tuple[Row, Answer]]:
    """Each row and its answer, in order, a chunk of rows at a time.

    With `keep_going` an error may be in place of an answer; without, the first one is raised, and
    says where the row is.
    """
    lists = [name for name in predictor.fields if predictor.task.column_kind(name) == "list"]
    for chunk in chunks((_with_lists(row, lists) for row in rows), _size):
        answers = predictor.outcomes([row.fault or row.values for row in chunk])
        for row, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, BertspecError) and not keep_going:
                raise at_place(row.place, answer)
            yield row, answer


def _size(row: Row) -> int:
    """With what is carried, which waits for its answer, too."""
    return characters(row.values) + size_of(row.carried)


def _with_lists(row: Row, names: Sequence[str]) -> Row:
    """The row with texts as lists, where lists are wanted; one that is no list stays a text."""
    texts = {name: row.values[name] for name in names if isinstance(row.values.get(name), str)}
    if not texts:
        return row
    lists = {n: as_list(text, split=n == WORDS) for n, text in texts.items()}
    return replace(row, values={**row.values, **lists})


def as_list(text: str, *, split: bool) -> list[str] | str:
    """A list of texts that is written as JSON. With `split`, what begins with no `[` is a sentence,
    and its words are at white space. Any other text is itself, which no model takes for a list.
    """
    if not text.lstrip().startswith("["):
        return text.split() if split else text
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        if all(isinstance(item, str) for item in value):
            return list(value)
    return text


def write_predictions(
    predictor: Predictor, rows: Iterable[Row], path: Path, layout: Layout
) -> tuple[int, int]:
    """Write a file of the rows and their answers, which is there whole or not at all.

    Gives how many rows there are, and how many of them have no answer.
    """
    from bertspec.core.files import writing
    from bertspec.runtime.predicting.writers import WRITERS

    count = wrong = 0
    with writing(path) as file, WRITERS[path.suffix.lower()](file, layout.columns) as writer:
        for row, answer in predicted(predictor, rows, keep_going=layout.keep_going):
            writer.write(layout.record(row, answer))
            count += 1
            wrong += isinstance(answer, BertspecError)
    return count, wrong
