"""Text classification: one label for a text, or for a pair of texts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.batch import Batch, Draw, Tokens
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.task import Decision, LossOptions, Measure, Splits, Task
from bertspec.catalog.task_parts.baselines import simple_classifiers
from bertspec.catalog.task_parts.decisions import (
    Likeliest,
    Rule,
    fit_temperature,
    fit_threshold,
    reliability,
)
from bertspec.catalog.task_parts.known_labels import numbers_of, require_known
from bertspec.catalog.task_parts.losses import weighted_cross_entropy, weighted_divergence
from bertspec.catalog.task_parts.sequence_model import (
    aggregated,
    encode_texts,
    of_labels,
    sequence_model,
    softmax,
)
from bertspec.catalog.telling import Told
from bertspec.core.model import affecting

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

Label = Annotated[str, StringConstraints(min_length=1)]

BINARY_METRICS = ("f1", "precision", "recall")
BINARY = 2
TEMPERATURE, THRESHOLD = "temperature", "threshold"


class TextClassification(Task):
    """Binary or multi-class. With two labels the second is the positive one, as in scikit-learn."""

    required_columns: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_columns: ClassVar[tuple[str, ...]] = ("text_pair",)
    target_columns: ClassVar[tuple[str, ...]] = ("label",)
    distillation_options: ClassVar[tuple[str, ...] | None] = ("temperature",)
    headline: ClassVar[str] = "accuracy"
    metrics: ClassVar[tuple[str, ...]] = (
        "accuracy",
        *BINARY_METRICS,
        "f1_macro",
        "f1_micro",
        "f1_weighted",
        "precision_macro",
        "precision_micro",
        "precision_weighted",
        "recall_macro",
        "recall_micro",
        "recall_weighted",
        "matthews",
        "roc_auc",
        "ece",
    )
    lower_is_better: ClassVar[tuple[str, ...]] = ("ece",)
    hub_task: ClassVar[str] = "text-classification"

    type: Literal["text-classification"] = Field(description="One label for each text or pair.")
    labels: Annotated[tuple[Label, ...], Field(strict=False, min_length=2)] = Field(
        description="The labels as the data has them, in the order of the model's outputs. "
        "Of two labels, the second is the positive one."
    )

    calibration: Literal["none", "temperature"] = affecting(
        "evaluate",
        "export",
        default="none",
        since=2,
        description="`temperature` divides the logits by a number fitted on validation, so that "
        "probabilities are as large as the share of rows that they are right for. It changes no "
        "label.",
    )
    decision: Rule = affecting(
        "evaluate",
        "export",
        default=Likeliest(type="likeliest"),
        since=2,
        description="Which label is predicted.",
    )

    def label_names(self) -> tuple[str, ...]:
        return self.labels

    def outputs(self) -> int:
        return len(self.labels)

    def unfit_metric(self, name: str) -> str | None:
        if name in BINARY_METRICS and len(self.labels) > BINARY:
            return (
                f"`{name}` is for two labels and there are {len(self.labels)}; "
                f"write `{name}_macro`, `{name}_micro` or `{name}_weighted`"
            )
        return None

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        import pyarrow as pa

        encoded = encode_texts(rows, encoder)
        columns = encoded.columns()
        if "label" in rows.column_names:
            numbers = numbers_of(rows["label"], self.labels)
            columns["label"] = numbers.take(pa.array(encoded.parts.texts))
        return pa.table(columns)

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        if not isinstance(self.decision, Likeliest) and len(self.labels) > BINARY:
            yield (
                ("decision",),
                f"`type: {self.decision.type}` is for two labels and there are {len(self.labels)}",
                "leave it out, or make it two labels with `data.columns.label.map`",
            )

    def unfit_aggregate(self, name: Aggregate) -> str | None:
        if name == "vote" and self.calibration == "temperature":
            return "`calibration: temperature` divides logits, and votes are shares of windows"
        return None

    def fitted(self) -> Mapping[str, str | None]:
        asked = {
            "calibration": self.calibration == "temperature",
            "decision": not isinstance(self.decision, Likeliest),
        }
        return dict.fromkeys(name for name, is_asked in asked.items() if is_asked)

    def unfitted(self, rows: "pa.Table", decision: Decision) -> Mapping[str, str]:
        if len(rows["label"].unique()) < BINARY:
            return dict.fromkeys(self.fitted(), "all its rows have one label")
        if isinstance(self.decision, Likeliest) or THRESHOLD in decision:
            return {}
        rule = self.decision
        return {"decision": f"no threshold gives a {rule.type} of {rule.at_least:g}"}

    def check_targets(self, rows: "pa.Table") -> None:
        require_known(rows, self.labels)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        return sequence_model(
            self.auto_class,
            base,
            dropout,
            **of_labels(self.labels),
        )

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        import torch

        labels = tokens.numbers("label")[batch.rows].astype("int64")
        return replace(batch, targets=torch.from_numpy(labels))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        return weighted_cross_entropy(outputs, batch.targets, options)

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        return weighted_divergence(outputs, teacher, batch.targets, temperature, options)

    def decide(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]"
    ) -> dict[str, float]:
        logits = aggregated(tokens, kept)
        labels = numbers_of(rows["label"], self.labels).to_numpy()
        decision: dict[str, float] = {}
        if (labels == labels[0]).all():
            return decision
        if self.calibration == "temperature":
            decision[TEMPERATURE] = fit_temperature(logits, labels)
        shares = softmax(logits / decision.get(TEMPERATURE, 1.0))[:, 1]
        threshold = fit_threshold(self.decision, shares, labels == 1)
        return decision if threshold is None else decision | {THRESHOLD: threshold}

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, a label, and `scores`, a probability for each label."""
        scores = softmax(aggregated(tokens, kept) / decision.get(TEMPERATURE, 1.0))
        chosen = scores.argmax(axis=1)
        if THRESHOLD in decision:
            chosen = (scores[:, 1] >= decision[THRESHOLD]).astype(int)
        return self._table(chosen, scores)

    def _table(self, chosen: "np.ndarray", scores: "np.ndarray") -> "pa.Table":
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.encoder import column, text_column

        places = np.arange(len(scores) + 1, dtype=np.int32) * len(self.labels)
        shares = column(pa.float32(), np.ascontiguousarray(scores, np.float32).ravel())
        return pa.table(
            {
                "prediction": text_column([self.labels[place] for place in chosen.tolist()]),
                "scores": pa.ListArray.from_arrays(column(pa.int32(), places), shares),
            }
        )

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        return {"gold": rows["label"]}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        from bertspec.catalog.metrics.classification import measurer

        return measurer(names, self.labels, predictions)

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        if name == "roc_auc" and len(rows["label"].unique()) < BINARY:
            return "all rows of the split have one label"
        return None

    def measure_classes(self, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
        from bertspec.catalog.metrics.classification import measure_classes

        return measure_classes(self.labels, predictions)

    def chances(self, predictions: "pa.Table") -> "tuple[np.ndarray, np.ndarray]":
        import numpy as np

        from bertspec.catalog.metrics.classification import arrays_of

        gold, _, scores = arrays_of(self.labels, predictions)
        return gold[:, None] == np.arange(len(self.labels)), scores

    def reliability(self, predictions: "pa.Table") -> Sequence[Mapping[str, float]]:
        from bertspec.catalog.metrics.classification import arrays_of

        gold, _, scores = arrays_of(self.labels, predictions)
        return reliability(scores.max(axis=1), gold == scores.argmax(axis=1))

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """The probability of a wrong label."""
        import numpy as np

        from bertspec.catalog.metrics.classification import arrays_of

        gold, said, scores = arrays_of(self.labels, predictions)
        return np.where(gold == said, 0.0, scores[np.arange(len(said)), said])

    def told(self, row: Mapping[str, Any]) -> Told:
        gold, said = row["gold"], row["prediction"]
        sure = row["scores"][self.labels.index(said)]
        return Told([(gold, gold)], [(said, said)], sure)

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        train, test = splits["train"].rows, splits["test"].rows
        found = {}
        for name, scores in simple_classifiers(train, test, self.labels).items():
            table = self._table(scores.argmax(axis=1), scores.astype("float32"))
            found[name] = table.append_column("gold", test["label"])
        return found

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        counts = Counter(predictions["gold"].to_pylist())
        return max(counts.values()) / len(predictions), "always saying the commonest label"

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        shares = dict(zip(self.labels, prediction["scores"], strict=True))
        return {"label": prediction["prediction"], "probabilities": shares}

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        shares = pa.struct([(label, pa.float32()) for label in self.labels])
        return {"label": pa.string(), "probabilities": shares}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        width = max(map(len, self.labels))
        return f"{answer['label']:{width}}  {answer['probabilities'][answer['label']]:6.1%}"
