"""The table of tasks."""

from typing import TYPE_CHECKING

from bertspec.catalog.task import Task
from bertspec.core.kinds import Kinds

TASKS: Kinds[Task] = Kinds(
    "bertspec.catalog.tasks",
    {
        "text-classification": "text_classification:TextClassification",
        "multi-label-classification": "multi_label_classification:MultiLabelClassification",
        "token-classification": "token_classification:TokenClassification",
        "text-regression": "text_regression:TextRegression",
        "question-answering": "question_answering:QuestionAnswering",
        "masked-lm": "masked_lm:MaskedLm",
        "causal-lm": "causal_lm:CausalLm",
        "multiple-choice": "multiple_choice:MultipleChoice",
        "sentence-embedding": "sentence_embedding:SentenceEmbedding",
    },
)

if TYPE_CHECKING:
    AnyTask = Task
else:
    AnyTask = TASKS
