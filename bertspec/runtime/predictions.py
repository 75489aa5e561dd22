"""The predictions table: what a model says of each row, and what is right."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.task import ID_COLUMN, Decision, Task
from bertspec.runtime.examples import Examples

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def predicted(
    task: Task, examples: Examples, kept: "Sequence[np.ndarray]", decision: Decision
) -> "pa.Table":
    """One row an example: its id, the columns of `Task.gold`, and those of `Task.predictions`."""
    import pyarrow as pa

    found = task.predictions(examples.rows, examples.tokens, kept, decision)
    columns = {ID_COLUMN: examples.rows[ID_COLUMN], **task.gold(examples.rows)}
    return pa.table(columns | {name: found[name] for name in found.column_names})
