"""Columns of answers, as SQuAD has them: the texts, and where in the context each starts."""

from typing import TYPE_CHECKING, Any

from bertspec.core.errors import InputError
from bertspec.runtime.json_cells import is_text, value_of
from bertspec.runtime.raw_shard import Shard, blank, refuse_missing

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**31 - 1

_HELP = (
    'write {"text": ["Rollo"], "answer_start": [14]}, and two empty lists where there is no answer'
)


def read_answers(shard: Shard, column: str, field: str) -> "pa.StructArray":
    """A column as structs of `text` (list of text) and `answer_start` (list of int32).

    It holds such structs, or JSON of the same shape. Raises InputError (E319) for other values,
    and (E310) for a missing one: an answer that does not exist is an empty list.
    """
    import pyarrow as pa
    from pyarrow import compute as pc

    kind = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])
    raw = shard.raw(column, field)
    if pa.types.is_struct(raw.type):
        try:
            lists = [pc.struct_field(raw, part.name).cast(part.type) for part in kind]
        except pa.ArrowException:
            raise InputError.of(
                "E319", f"column `{column}` holds {raw.type}, which is no answers", _HELP
            ) from None
        refuse_missing(shard, column, pc.or_(*(pc.is_null(values) for values in lists)))
        return pa.StructArray.from_arrays(lists, fields=list(kind))
    text = shard.cast(raw, column)
    refuse_missing(shard, column, blank(text))
    encoded = text.dictionary_encode()
    read = [_of_json(value) for value in encoded.dictionary.to_pylist()]
    wrong = pa.array([value is None for value in read], pa.bool_()).take(encoded.indices)
    shard.refuse("E319", wrong, f"column `{column}` is no answers", _HELP, text)
    return pa.array(read, kind).take(encoded.indices)


def _of_json(text: str) -> dict[str, Any] | None:
    found = value_of(text)
    if not isinstance(found, dict):
        return None
    texts, starts = found.get("text"), found.get("answer_start")
    if not isinstance(texts, list) or not all(map(is_text, texts)):
        return None
    if not isinstance(starts, list) or not all(
        type(start) is int and abs(start) <= _LARGEST for start in starts
    ):
        return None
    return {"text": texts, "answer_start": starts}
