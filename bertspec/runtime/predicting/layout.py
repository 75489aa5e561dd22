"""What a row of predictions has, in order: the model's fields, what is carried, and the answer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bertspec.catalog.task import Answer
from bertspec.core.errors import BertspecError
from bertspec.runtime.at_once import kind_of
from bertspec.runtime.predicting.writers import require_different

if TYPE_CHECKING:
    from bertspec.catalog.task import Task
    from bertspec.runtime.predicting.row import Row

ERROR = "error"
"""Code and message of why a row has no answer; a column only where others go on."""


class Layout:
    """The columns of predictions, and rows in this order.

    `carried` has the type of each. Raises InputError (E456) for two columns of one name.
    """

    def __init__(
        self,
        task: "Task",
        fields: Sequence[str],
        carried: Mapping[str, pa.DataType],
        *,
        keep_going: bool,
    ) -> None:
        text = pa.string()
        self._kinds = {name: task.column_kind(name) for name in fields}
        self._carried = tuple(carried)
        self._answer = tuple(task.answer_types())
        self.keep_going = keep_going
        typed = {n: pa.list_(text) if k == "list" else text for n, k in self._kinds.items()}
        groups: list[Mapping[str, pa.DataType]] = [typed, carried, task.answer_types()]
        if keep_going:
            groups.append({ERROR: pa.struct([("code", text), ("message", text)])})
        self.columns = {name: kind for group in groups for name, kind in group.items()}
        require_different([name for group in groups for name in group])

    def record(self, row: "Row", answer: Answer) -> dict[str, Any]:
        """A row as it is written; None is what it has not."""
        values = {
            name: value if kind_of(value := row.values.get(name)) == kind else None
            for name, kind in self._kinds.items()
        }
        values |= {name: row.carried.get(name) for name in self._carried}
        error = None
        if isinstance(answer, BertspecError):
            first = answer.diagnostics[0]
            error = {"code": first.code, "message": first.message}
            answer = dict.fromkeys(self._answer)
        values |= answer
        return values | {ERROR: error} if self.keep_going else values
