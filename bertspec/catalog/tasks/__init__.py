"""The table of tasks."""

from typing import TYPE_CHECKING

from bertspec.catalog.task import Task
from bertspec.core.kinds import Kinds

TASKS: Kinds[Task] = Kinds(
    "bertspec.catalog.tasks",
    {
        "text-classification": "text_classification:TextClassification",
    },
)

if TYPE_CHECKING:
    AnyTask = Task
else:
    AnyTask = TASKS.annotation
