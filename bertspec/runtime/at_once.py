"""What predict runs at once: so many inputs are held, and so many of their sequences are a batch.

Exports are compared with PyTorch on the same batches.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bertspec.catalog.task import Task
from bertspec.core.errors import InputError
from bertspec.runtime.training.batches import batches_by_length

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

_NEVER_OF_TEXTS = (bytes, bytearray, memoryview, range)
"""Sequences that hold no texts, also where they are empty."""

CHUNK = 1024
"""Inputs held at once: enough to sort by length, few enough for any number of inputs."""

CHARACTERS = 1 << 21
"""The same for their characters, so that a chunk of long texts has fewer of them."""

TOKENS_AT_ONCE = 512
"""Tokens of a run of the model, padding included: enough for its cores, as more makes none faster,
and few enough that sequences of about equal length are together."""


def chunks(inputs: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """The inputs, as many at a time as are held at once. `size` is what CHARACTERS is of.

    Raises InputError (E453) for one input and for a table, which are no inputs one by one.
    """
    if isinstance(inputs, (str, bytes, Mapping)):
        raise InputError.of("E453", "one input was given, in place of several", "write `[...]`")
    if hasattr(inputs, "columns"):  # as tables of pandas, Polars and Arrow have, which give no rows
        raise InputError.of(
            "E453",
            "a table was given, in place of several inputs",
            'give its rows, `table.to_dict("records")` of pandas, `table.to_dicts()` of Polars or '
            "`table.to_pylist()` of Arrow; or one column",
        )
    chunk: list[T] = []
    held = 0
    for value in inputs:
        chunk.append(value)
        held += size(value)
        if len(chunk) == CHUNK or held >= CHARACTERS:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


def runs(task: Task, lengths: "np.ndarray", *, alone: bool) -> "Iterator[np.ndarray]":
    """The sequences of a chunk, which have so many tokens each, in the batches that are run.

    `alone` is that of the export.
    """
    return batches_by_length(lengths, 1 if alone else task.rows_at_once, TOKENS_AT_ONCE)


def characters(value: Any) -> int:
    """How many there are in an input, whatever it is."""
    parts = value.values() if isinstance(value, Mapping) else [value]
    texts = (part if kind_of(part) == "list" else [part] for part in parts)
    return sum(len(text) for some in texts for text in some if isinstance(text, str))


def kind_of(value: object) -> str:
    """`text`, `list` for one of texts, or `other`."""
    if isinstance(value, str):
        return "text"
    if not isinstance(value, Sequence) or isinstance(value, _NEVER_OF_TEXTS):
        return "other"
    return "list" if all(isinstance(item, str) for item in value) else "other"
