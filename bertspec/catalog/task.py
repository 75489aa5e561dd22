"""The contract of a task: what its rows mean, its head, its loss, its predictions and metrics."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bertspec.core.model import Model

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

ID_COLUMN = "id"
"""Digest of a row's content; made by prepare, carried through tokens and predictions."""


@dataclass(frozen=True)
class LossOptions:
    """What training adds to the plain loss."""

    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    """One weight a label, in the order of the task's labels."""


class Task(Model, ABC):
    """Options and behaviour of one kind of task."""

    required_columns: ClassVar[tuple[str, ...]]
    optional_columns: ClassVar[tuple[str, ...]] = ()
    """Fields of `data.columns` that rows of this task must and may have."""

    exports: ClassVar[tuple[str, ...]]
    """Kinds of export that this task has."""

    metrics: ClassVar[tuple[str, ...]]
    """Names that `evaluation.metrics` may ask for, beside `loss`, which is always measured."""

    headline: ClassVar[str]
    """The metric that the over- or underfitting verdict looks at. Higher is better."""

    type: str

    @abstractmethod
    def label_names(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs; empty for a task without labels."""

    @abstractmethod
    def unfit_metric(self, name: str) -> str | None:
        """Why one of `metrics` cannot be measured with these options, and what to ask instead."""

    @abstractmethod
    def check_targets(self, rows: "pa.Table") -> None:
        """Raise InputError naming file and row for targets that the task does not have.

        `rows` is a whole prepared table: the error counts in all of it.
        """

    @abstractmethod
    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """Rows of the prepared table as token ids and targets.

        The result has ID_COLUMN, `input_ids` (list<int32>), `token_type_ids` (list<int8>),
        `length` and `unknown` (int32, see `Encoded`) and the task's own target columns, one row
        for each row given, in order. The targets are those that `check_targets` let pass.
        """

    @abstractmethod
    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        """The pretrained model of a base folder with this task's head, in 32-bit floats.

        `dropout` replaces the head's own when it is given. Draws new weights from torch's RNG.
        Raises InputError (E402) for weights that are not those of the architecture.
        """

    @abstractmethod
    def targets(self, tokens: "pa.Table") -> "np.ndarray":
        """The targets of tokenized rows as `loss` takes them: one entry a row."""

    @abstractmethod
    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", options: LossOptions
    ) -> "torch.Tensor":
        """Mean loss of a batch; `logits` is (batch, outputs)."""

    @abstractmethod
    def predictions(
        self, ids: "pa.Array", targets: "np.ndarray", logits: "np.ndarray"
    ) -> "pa.Table":
        """One row an example: id, gold, prediction, scores. Enough to recompute every metric."""

    @abstractmethod
    def measure(self, names: Sequence[str], predictions: "pa.Table") -> Mapping[str, float]:
        """The named metrics of a predictions table, without those that it does not define.

        A rank metric, such as ROC-AUC, has no value where all rows have one label.
        """
