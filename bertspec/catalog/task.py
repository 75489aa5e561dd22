"""The contract of a task: what its rows mean, its head, its loss, its predictions and metrics."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from bertspec.catalog.batch import Batch, Draw, Tokens, tokens_of_new
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.telling import Telling
from bertspec.core.errors import BertspecError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder
    from bertspec.catalog.source import SplitName

ID_COLUMN = "id"
"""Digest of a row's content; made by prepare, carried through tokens and predictions."""

CLASSES = "classes."
"""Of the path of a class's metric in metrics.json."""

TEXT_FIELDS = ("text", "text_pair", "negative", "tokens", "question", "context", "choices")
"""Fields of `data.columns` that models read: texts, and lists of texts."""

Decision = Mapping[str, float]
"""How scores become predictions, as far as it is fitted on the validation split: thresholds and
the like, by name. Without one, the task's defaults hold.
"""

Measure = Callable[["np.ndarray"], Mapping[str, float]]
"""How often each row of a predictions table counts, (rows,) whole numbers -> metrics of those.

What they do not define is left out, such as ROC-AUC where all rows have one label.
"""


Answer = dict[str, Any] | BertspecError
"""What is said of a new row, or why nothing can be."""

RunTokens = Callable[[Tokens], "Sequence[np.ndarray]"]
"""Runs a model over sequences; gives `Task.keep` of each."""


class Split(Protocol):
    """Rows of the data, and the sequences that they became."""

    @property
    def rows(self) -> "pa.Table":
        """Prepared rows."""

    @property
    def tokens(self) -> Tokens: ...


Splits = Mapping["SplitName", Split]
"""Train, validation and test; without those that have no row."""


@dataclass(frozen=True)
class LossOptions:
    """What training adds to the plain loss."""

    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    """One weight a label, in the order of the task's labels."""
    focal_gamma: float | None = None


class Task(Telling):
    """Options and behaviour of one kind of task.

    An example is a row of the data. It becomes one sequence of token ids or several, such as
    windows of a long text or the choices of a question. A model gives an output for each.
    """

    required_columns: ClassVar[tuple[str, ...]]
    optional_columns: ClassVar[tuple[str, ...]] = ()
    """Fields of `data.columns` that rows of this task must and may have."""

    target_columns: ClassVar[tuple[str, ...]] = ()
    """Those of them that the model learns to say: a text to predict has none."""

    checked_with: ClassVar[tuple[str, ...]] = ()
    """Those that `check_targets` sees beside the targets, such as the text that answers are in."""

    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "head-tail", "windows")
    """Kinds of `tokenization.long_documents` that this task has."""

    aggregates: ClassVar[tuple[Aggregate, ...]] = ("mean", "max", "first", "vote")
    """How this task can put the scores of windows together; one for a task that has no need to."""

    together: ClassVar[bool] = False
    """Whether the sequences of an example must be in one batch."""

    rows_at_once: ClassVar[int] = 64
    """Units of a batch outside training. Part of what results depend on, so it is no option."""

    constant_inputs: ClassVar[bool] = True
    """Whether a model sees the same of a sequence in every epoch."""

    adds_head: ClassVar[bool] = True
    """Whether the model has weights of the task's own, above those of the base."""

    families: ClassVar[tuple[str, ...]] = ()
    """The `model_type` of each family that transformers has this task's head for; none for all."""

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    """The class of transformers that builds and loads models of this task."""

    loss_options: ClassVar[tuple[str, ...]] = ("label_smoothing", "class_weights", "focal_gamma")
    """Options of `training` that the loss of this task takes."""

    distillation_options: ClassVar[tuple[str, ...] | None] = None
    """Options of `training.distillation` that change how far a model of this task is from its
    teacher; None for a task that is learned from no teacher.
    """

    metrics: ClassVar[tuple[str, ...]]
    """Names that `evaluation.metrics` may ask for, beside `loss`, which is always measured."""

    lower_is_better: ClassVar[tuple[str, ...]] = ()
    """Those of them, of which less is better; so it is with `loss`."""

    class_metrics: ClassVar[tuple[str, ...]] = ("precision", "recall", "f1")
    """What `measure_classes` gives of each of `classes`, beside `rows`."""

    metric_columns: ClassVar[Mapping[str, str]] = {}
    """Metrics that need one of the optional columns, and which."""

    hub_task: ClassVar[str]
    """What the Hugging Face hub calls it, on model cards."""

    example: ClassVar[str] = "A text of yours."
    """A text to predict, for people to try."""

    type: str

    @property
    @abstractmethod
    def headline(self) -> str:
        """The metric that the over- or underfitting verdict looks at. Higher is better."""

    @classmethod
    def input_columns(cls) -> tuple[str, ...]:
        """The fields that a prediction is made from."""
        columns = (*cls.required_columns, *cls.optional_columns)
        return tuple(c for c in columns if c not in cls.target_columns)

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        """What the values of one of the fields are."""
        return "text"

    def label_names(self) -> tuple[str, ...]:
        """The labels, one of which each example has, in the order of the model's outputs.

        Empty for a task of another kind.
        """
        return ()

    def outputs(self) -> int | None:
        """Size of the last dimension of the model's output, where the options alone say it."""
        return None

    def known_labels(self) -> tuple[str, ...]:
        """The labels that examples have, each of them however many; see `label_names`."""
        return self.label_names()

    def output_names(self) -> tuple[str, ...]:
        """What each of the model's outputs is of, in their order.

        Empty where the options do not say it.
        """
        return self.known_labels()

    def classes(self) -> tuple[str, ...]:
        """What `measure_classes` gives metrics of; empty for a task without."""
        return self.known_labels()

    def class_paths(self) -> Mapping[str, tuple[str, str]]:
        """Classes and their metrics by where metrics.json has them, such as `classes.good.f1`."""
        return {f"{CLASSES}{c}.{m}": (c, m) for c in self.classes() for m in self.class_metrics}

    @property
    def loss_is_a_sum(self) -> bool:
        """Whether the loss of a batch is that of its examples put together, whatever they are."""
        return True

    def unfit_aggregate(self, name: Aggregate) -> str | None:
        """Why one of `aggregates` does not go with these options."""
        return None

    def unfit_metric(self, name: str) -> str | None:
        """Why one of `metrics` cannot be measured with these options, and what to ask instead."""
        return None

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Options that do not go together, or not with these fields of the data.

        Of each: its path in the task, what is wrong, and what to do.
        """
        yield from ()

    def check_targets(self, rows: "pa.Table") -> None:
        """Raise InputError naming file and row for targets that the task does not have.

        `rows` has the targets of prepared rows, `checked_with`, and `file` and `row`.
        """

    @abstractmethod
    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """Rows of the prepared table as sequences of token ids, with targets where rows have them.

        The result has the columns of `Encoded.columns` and the task's own, one row a sequence,
        those of an example one after another, and at least one of each example. The targets are
        those that `check_targets` let pass; rows that have some have `file` and `row`, too.
        """

    @abstractmethod
    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        """The pretrained model of a base folder with this task's head, in 32-bit floats.

        `dropout` replaces the head's own when it is given. Draws new weights from torch's RNG.
        Raises InputError (E402) for weights that are not those of the architecture.
        """

    def forward(
        self, model: "PreTrainedModel", inputs: "Mapping[str, torch.Tensor]"
    ) -> "torch.Tensor":
        """The model's output for (batch, sequence) inputs, (batch, ...): what is exported."""
        logits: torch.Tensor = model(**inputs).logits
        return logits

    def complete_folder(self, folder: Path, max_length: int) -> None:
        """Write what else those read of a folder that transformers loads who use such models.

        Model and tokenizer are there; `max_length` is the most tokens that the model is given.
        """

    def forward_for_loss(self, model: "PreTrainedModel", batch: Batch) -> "torch.Tensor":
        """What `loss` takes: the model's output, or what of it the targets of the batch need."""
        return self.forward(model, batch.inputs)

    def label_numbers(self, tokens: Tokens) -> "np.ndarray":
        """For a task with labels: the number of each sequence's label."""
        return tokens.numbers("label")

    def label_counts(self, tokens: Tokens) -> "np.ndarray":
        """How many sequences have each of `known_labels`."""
        import numpy as np

        labels = self.known_labels()
        numbers = self.label_numbers(tokens) if labels else np.zeros(0, np.int64)
        return np.bincount(numbers, minlength=len(labels))

    def balanced_weights(self, tokens: Tokens) -> Sequence[float]:
        """Class weights that make up for how rare each of `known_labels` is, as in scikit-learn."""
        counts = self.label_counts(tokens)
        weights: list[float] = (counts.sum() / (len(counts) * counts)).tolist()
        return weights

    @abstractmethod
    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        """The batch with its targets. Inputs may be changed, as a function of rows and `draw`."""

    @abstractmethod
    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of the losses of what the batch has targets for, and of their weights.

        `outputs` are those of `forward`, or of `forward_for_loss`.
        The loss of several batches is the one sum divided by the other.
        """

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        """For a task with `distillation_options`: sum of how far outputs are from a teacher's.

        Both are as `loss` takes them, and what the batch has targets for has the same weights.
        """
        raise NotImplementedError

    def keep(
        self,
        outputs: "np.ndarray",
        inputs: "Mapping[str, np.ndarray]",
        targets: "np.ndarray | None",
    ) -> "Sequence[np.ndarray]":
        """What predictions need of each sequence's output, (batch, ...) float32, without padding.

        `targets` is None where there are none: for new inputs. With them, `outputs` may be those of
        `forward_for_loss`.
        """
        return list(outputs)

    def decide(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]"
    ) -> dict[str, float]:
        """Fit on validation rows, and what the model says of them, what is to be fitted."""
        return {}

    def fitted(self) -> Mapping[str, str | None]:
        """Options that ask for something to be fitted on validation, and what holds without it.

        None where nothing does, so that the option is not met.
        """
        return {}

    def unfitted(self, rows: "pa.Table", decision: Decision) -> Mapping[str, str]:
        """Those of `fitted` for which these validation rows gave no `decision`, and why."""
        return {}

    @abstractmethod
    def predictions(
        self,
        rows: "pa.Table",
        tokens: Tokens,
        kept: "Sequence[np.ndarray]",
        decision: Decision,
    ) -> "pa.Table":
        """One row an example: `prediction`, and what else tells of it, such as `scores`.

        `rows` are the prepared rows that `tokens` are of; `kept` has an entry a sequence.
        """

    @abstractmethod
    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        """The columns of a predictions table that say what is right, such as `gold`.

        With them and the predictions every metric can be computed.
        """

    @abstractmethod
    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        """How the named metrics of a table of predictions and gold are computed."""

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        """Why prepared rows do not define one of `metrics`, whatever is predicted for them."""
        return None

    def measure(self, names: Sequence[str], predictions: "pa.Table") -> Mapping[str, float]:
        """The named metrics of a table, each of its rows once."""
        import numpy as np

        return self.measurer(names, predictions)(np.ones(len(predictions), np.int64))

    def measure_classes(self, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
        """Metrics of each class of a table of predictions and gold, and how many `rows` it has."""
        return {}

    @abstractmethod
    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """Tables of predictions and gold on `test` of simple models, by name, made of `train`.

        They have what `measurer` reads.
        """

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        """The headline metric of who has learned nothing of the text, and who that is."""
        return 0.0, "nothing learned"

    def respond(
        self, rows: "pa.Table", encoder: "Encoder", run: "RunTokens", decision: Decision
    ) -> Sequence[Answer]:
        """`answer` for each of some new rows, which have `input_columns` alone.

        For a row that the task cannot answer an InputError (E453) is in its place.
        """
        tokens = tokens_of_new(self.encode(rows, encoder), encoder.aggregate)
        found = self.predictions(rows, tokens, run(tokens), decision)
        return [self.answer(prediction) for prediction in found.to_pylist()]

    @abstractmethod
    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `predictions` as `bertspec predict` gives it; with no key of a column."""

    @abstractmethod
    def answer_types(self) -> "Mapping[str, pa.DataType]":
        """The keys of every answer, in their order, and of what type a table has their values."""

    @abstractmethod
    def answer_line(self, answer: Mapping[str, Any]) -> str:
        """An answer in a line, for people."""
