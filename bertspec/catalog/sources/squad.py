"""SQuAD's JSON, 1.1 and 2.0: articles of paragraphs, each with questions and their answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.json_text import JsonText
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import read_blocks
from bertspec.catalog.json_rows import clean
from bertspec.catalog.source import Piece
from bertspec.catalog.tables import pieces_of
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**31 - 1


class Squad(FileSource):
    """SQuAD files. A row is a question; `answers` has the texts and where they start.

    Starts are counted in characters (code points) of `context`. `is_impossible` is false where
    the file does not say it, as in 1.1; `title` is null where an article has none.
    """

    type: Literal["squad"] = Field(description="SQuAD's JSON, 1.1 or 2.0.")

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        return pieces_of(_tables(path, name), name)


def _tables(path: Path, name: str) -> Iterator["pa.Table"]:
    """The questions of each article."""
    number = 0
    for number, article in enumerate(_articles(path, name), 1):
        yield _table(list(_questions(article, f"{name}, article {number}")))
    if not number:
        raise InputError.of(
            "E352", f"{name} has no article", 'a file of SQuAD is `{"data": [{"paragraphs": ...`'
        )


def _articles(path: Path, name: str) -> Iterator[Any]:
    """Each item of `data`, without the others in memory."""
    text = JsonText(read_blocks(path, name), name)
    for key in text.members():
        if key != "data":
            text.skip()
            continue
        for _ in text.items():
            yield json.loads(text.value())
    if text.peek():
        raise text.fault("there is more behind its end")


def _questions(article: Any, place: str) -> Iterator[dict[str, Any]]:
    title = _get(article, "title", str, place, default=None)
    if title is not None:
        place = f"{place} (`{title}`)"
    paragraphs = _get(article, "paragraphs", list, place)
    for number, paragraph in enumerate(paragraphs, 1):
        inside = f"{place}, paragraph {number}"
        context = _get(paragraph, "context", str, inside)
        for question_number, question in enumerate(_get(paragraph, "qas", list, inside), 1):
            here = f"{inside}, question {question_number}"
            yield {
                "id": str(_get(question, "id", (str, int), here)),
                "title": title,
                "context": context,
                "question": _get(question, "question", str, here),
                "answers": _answers(_get(question, "answers", list, here), here),
                "is_impossible": _get(question, "is_impossible", bool, here, default=False),
            }


def _answers(answers: list[Any], place: str) -> dict[str, list[Any]]:
    texts, starts = [], []
    for number, answer in enumerate(answers, 1):
        here = f"{place}, answer {number}"
        texts.append(_get(answer, "text", str, here))
        starts.append(_get(answer, "answer_start", int, here))
        if not 0 <= starts[-1] <= _LARGEST:
            raise _wrong(here, f"`answer_start` is {starts[-1]}")
    return {"text": texts, "answer_start": starts}


_MISSING = object()
_NAMES = {str: "text", list: "a list", bool: "true or false", int: "a whole number"}


def _get(
    value: Any,
    key: str,
    kind: type | tuple[type, ...],
    place: str,
    default: Any = _MISSING,
) -> Any:
    """What an object has for a key. Raises InputError (E351) unless it is of the kind."""
    if not isinstance(value, dict):
        raise _wrong(place, "it is not an object")
    found = value.get(key, default)
    if found is _MISSING:
        raise _wrong(place, f"no `{key}`")
    if found is default:
        return found
    # bool is a kind of int, and here it is not
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise _wrong(place, f"`{key}` is not {' or '.join(_NAMES[k] for k in kinds)}")
    return clean(found) if isinstance(found, str) else found


def _wrong(place: str, what: str) -> Exception:
    return InputError.of(
        "E351",
        f"{place}: {what}",
        "an article has `title` and `paragraphs`; a paragraph `context` and `qas`; a question "
        "`id`, `question` and `answers`, each with `text` and `answer_start`",
    )


def _table(rows: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    text = pa.string()
    answers = pa.struct([("text", pa.list_(text)), ("answer_start", pa.list_(pa.int32()))])
    return pa.Table.from_pylist(
        rows,
        pa.schema(
            [
                ("id", text),
                ("title", text),
                ("context", text),
                ("question", text),
                ("answers", answers),
                ("is_impossible", pa.bool_()),
            ]
        ),
    )
