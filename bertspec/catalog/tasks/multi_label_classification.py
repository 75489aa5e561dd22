"""Multi-label classification: any number of labels for a text, or for a pair of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from bertspec.catalog.batch import Batch, Draw, Tokens
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.metrics.multi_label import (
    EVEN,
    best_constant,
    best_threshold,
    indicators,
    label_numbers,
    measure_labels,
    measurer,
)
from bertspec.catalog.task import Decision, LossOptions, Measure, Splits, Task
from bertspec.catalog.task_parts.baselines import simple_labellers
from bertspec.catalog.task_parts.decisions import reliability
from bertspec.catalog.task_parts.distillation import binary_divergences
from bertspec.catalog.task_parts.focal import binary_focal_factors
from bertspec.catalog.task_parts.known_labels import SHOWN, require_known
from bertspec.catalog.task_parts.sequence_model import (
    aggregated,
    encode_texts,
    of_labels,
    sequence_model,
    sigmoid,
)
from bertspec.catalog.tasks.text_classification import Label
from bertspec.catalog.telling import Told
from bertspec.core.model import affecting, either_text_or_number

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

    Threshold = Literal["tuned"] | float
else:
    Threshold = Annotated[
        Annotated[Literal["tuned"], Tag("text")]
        | Annotated[Annotated[float, Field(gt=0, lt=1)], Tag("number")],
        either_text_or_number(),
    ]


class MultiLabelClassification(Task):
    """Each label is said or not, by itself: it is where its probability reaches its threshold."""

    required_columns: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_columns: ClassVar[tuple[str, ...]] = ("text_pair",)
    target_columns: ClassVar[tuple[str, ...]] = ("label",)
    distillation_options: ClassVar[tuple[str, ...] | None] = ("temperature",)
    aggregates: ClassVar[tuple[Aggregate, ...]] = ("mean", "max", "first")
    headline: ClassVar[str] = "f1_micro"
    metrics: ClassVar[tuple[str, ...]] = (
        "f1_micro",
        "f1_macro",
        "f1_weighted",
        "f1_samples",
        "precision_micro",
        "precision_macro",
        "recall_micro",
        "recall_macro",
        "exact_match",
        "hamming_loss",
        "roc_auc_macro",
    )
    lower_is_better: ClassVar[tuple[str, ...]] = ("hamming_loss",)
    hub_task: ClassVar[str] = "text-classification"

    type: Literal["multi-label-classification"] = Field(
        description="Any number of labels for each text or pair."
    )
    labels: Annotated[tuple[Label, ...], Field(strict=False, min_length=2)] = Field(
        description="The labels as the data has them, in the order of the model's outputs."
    )
    threshold: Threshold = affecting(
        "evaluate",
        "export",
        default="tuned",
        description="The probability from which on a label is predicted; `tuned` is for each "
        "label the one with the best F1 on validation, and 0.5 for a label without a row there.",
    )

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        return "list" if name == "label" else "text"

    def known_labels(self) -> tuple[str, ...]:
        return self.labels

    def check_targets(self, rows: "pa.Table") -> None:
        from pyarrow import compute as pc

        labels = rows["label"].combine_chunks()
        places = rows.select(["file", "row"]).take(pc.list_parent_indices(labels))
        require_known(places.append_column("label", labels.flatten()), self.labels)

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        import pyarrow as pa

        encoded = encode_texts(rows, encoder)
        columns = encoded.columns()
        if "label" in rows.column_names:
            numbers = label_numbers(rows["label"], self.labels)
            columns["label"] = numbers.take(pa.array(encoded.parts.texts))
        return pa.table(columns)

    def outputs(self) -> int:
        return len(self.labels)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        return sequence_model(
            self.auto_class,
            base,
            dropout,
            **of_labels(self.labels),
            problem_type="multi_label_classification",
        )

    def _indicators(self, tokens: Tokens, rows: "np.ndarray") -> "np.ndarray":
        """Which labels some sequences have, (sequences, labels) bool."""
        import pyarrow as pa

        lists = tokens.columns["label"].take(pa.array(rows)).combine_chunks()
        return indicators(lists, len(self.labels))

    def _of_names(self, labels: "pa.ChunkedArray") -> "np.ndarray":
        """Which labels prepared rows have, (rows, labels) bool."""
        return indicators(label_numbers(labels, self.labels), len(self.labels))

    def label_counts(self, tokens: Tokens) -> "np.ndarray":
        import numpy as np

        return self._indicators(tokens, np.arange(len(tokens))).sum(axis=0)

    def balanced_weights(self, tokens: Tokens) -> Sequence[float]:
        """Sequences without a label for each one with it, as PyTorch's BCEWithLogitsLoss advises.

        1 for a label that all have: there is nothing to balance.
        """
        import numpy as np

        counts = self.label_counts(tokens)
        without = len(tokens) - counts
        weights: list[float] = np.where(without > 0, without / counts, 1.0).tolist()
        return weights

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        import torch

        targets = self._indicators(tokens, batch.rows).astype("float32")
        return replace(batch, targets=torch.from_numpy(targets))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of the binary cross entropies of every row and label, and how many there are.

        Label smoothing moves targets towards 0.5, as in Keras. Class weights are those of rows
        with the label against rows without.
        """
        import torch

        smoothing, weights, gamma = (
            options.label_smoothing, options.class_weights, options.focal_gamma
        )  # fmt: skip
        targets = batch.targets * (1 - smoothing) + smoothing / 2
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            outputs,
            targets,
            pos_weight=None if weights is None else outputs.new_tensor(weights),
            reduction="sum" if gamma is None else "none",
        )
        if gamma is not None:
            losses = losses * binary_focal_factors(outputs, targets, gamma)
        return losses.sum(), outputs.new_full((), outputs.numel())

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        return binary_divergences(outputs, teacher, temperature).sum()

    def decide(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]"
    ) -> dict[str, float]:
        return self._fitted(rows, sigmoid(aggregated(tokens, kept)))

    def _fitted(self, rows: "pa.Table", scores: "np.ndarray") -> dict[str, float]:
        """The threshold of each label, where they are tuned."""
        if self.threshold != "tuned":
            return {}
        gold = self._of_names(rows["label"])
        return {
            _key(label): best_threshold(scores[:, i], gold[:, i])
            for i, label in enumerate(self.labels)
        }

    def fitted(self) -> Mapping[str, str | None]:
        return {"threshold": f"{EVEN}"} if self.threshold == "tuned" else {}

    def unfitted(self, rows: "pa.Table", decision: Decision) -> Mapping[str, str]:
        if self.threshold != "tuned":
            return {}
        counts = self._of_names(rows["label"]).sum(axis=0).tolist()
        names = [f"`{name}`" for name, n in zip(self.labels, counts, strict=True) if not n]
        if not names:
            return {}
        names[SHOWN:] = [f"{len(names) - SHOWN} more labels"] if len(names) > SHOWN else []
        return {"threshold": f"it has no row with {', '.join(names)}"}

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, a list of labels, and `scores`, a probability for each label."""
        return self._table(sigmoid(aggregated(tokens, kept)), decision)

    def _table(self, scores: "np.ndarray", decision: Decision) -> "pa.Table":
        import numpy as np
        import pyarrow as pa

        default = EVEN if self.threshold == "tuned" else self.threshold
        thresholds = np.array([decision.get(_key(label), default) for label in self.labels])
        chosen = scores >= thresholds
        offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int32)
        labels = pa.array(self.labels, pa.string()).take(pa.array(np.nonzero(chosen)[1]))
        return pa.table(
            {
                "prediction": pa.ListArray.from_arrays(pa.array(offsets), labels),
                "scores": pa.array(list(scores), pa.list_(pa.float32())),
            }
        )

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        return {"gold": rows["label"]}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        return measurer(names, self.labels, predictions)

    def measure_classes(self, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
        return measure_labels(self.labels, predictions)

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        if name == "roc_auc_macro":
            gold = self._of_names(rows["label"])
            if (gold == gold[:1]).all():
                return "all rows of the split have the same labels"
        return None

    def chances(self, predictions: "pa.Table") -> "tuple[np.ndarray, np.ndarray]":
        from bertspec.catalog.metrics.counting import scores_of

        return self._of_names(predictions["gold"]), scores_of(predictions, len(self.labels))

    def reliability(self, predictions: "pa.Table") -> Sequence[Mapping[str, float]]:
        """Of all labels of all rows: how many have the label, by its probability."""
        gold, scores = self.chances(predictions)
        return reliability(scores.ravel(), gold.ravel())

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """How far the probabilities of wrong labels are from those of right ones, put together."""
        import numpy as np

        from bertspec.catalog.metrics.counting import scores_of

        gold, said = (self._of_names(predictions[name]) for name in ("gold", "prediction"))
        far = np.abs(scores_of(predictions, len(self.labels)) - gold)
        return np.where(gold == said, 0.0, np.maximum(far, 1e-9)).sum(axis=1)

    def told(self, row: Mapping[str, Any]) -> Told:
        shares = dict(zip(self.labels, row["scores"], strict=True))
        said = [(label, f"{label} ({shares[label]:.3f})") for label in row["prediction"]]
        # What was not said and should have been: how near it was.
        gold = [
            (label, label if label in row["prediction"] else f"{label} ({shares[label]:.3f})")
            for label in row["gold"]
        ]
        return Told(gold, said)

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """Their labels are decided as the model's are, with thresholds of their own."""
        import pyarrow as pa

        train, test = splits["train"].rows, splits["test"].rows
        tuning = splits["validation"].rows if "validation" in splits else test.slice(0, 0)
        found = {}
        simple = simple_labellers(
            train, self._of_names(train["label"]), pa.concat_tables([tuning, test])
        )
        for name, scores in simple.items():
            unseen = scores.astype("float32")
            decision = self._fitted(tuning, unseen[: len(tuning)]) if len(tuning) else {}
            table = self._table(unseen[len(tuning) :], decision)
            found[name] = table.append_column("gold", test["label"])
        return found

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        return best_constant(self.labels, predictions), "always saying the commonest labels"

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        shares = dict(zip(self.labels, prediction["scores"], strict=True))
        return {"labels": prediction["prediction"], "probabilities": shares}

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        shares = pa.struct([(label, pa.float32()) for label in self.labels])
        return {"labels": pa.list_(pa.string()), "probabilities": shares}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        said = (f"{label} {answer['probabilities'][label]:.1%}" for label in answer["labels"])
        return ", ".join(said) or "no label"


def _key(label: str) -> str:
    """What `decision` calls the label's threshold."""
    return f"threshold.{label}"
