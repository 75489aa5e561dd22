"""Text classification: one label for a text, or for a pair of texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.task import ID_COLUMN, LossOptions, Task
from bertspec.catalog.tasks.loading import require_loaded
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

Label = Annotated[str, StringConstraints(min_length=1)]

BINARY_METRICS = ("f1", "precision", "recall")
BINARY = 2

SHOWN = 10
"""Unknown labels, and rows of each, that an error names before it only counts."""

HEAD_DROPOUTS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "seq_classif_dropout",
    "pooler_dropout",
    "summary_last_dropout",
)
"""What families of models call the dropout before their head."""


class TextClassification(Task):
    """Binary or multi-class. With two labels the second is the positive one, as in scikit-learn."""

    required_columns: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_columns: ClassVar[tuple[str, ...]] = ("text_pair",)
    exports: ClassVar[tuple[str, ...]] = ("onnx", "torchscript")
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
    )

    type: Literal["text-classification"] = Field(description="One label for each text or pair.")
    labels: Annotated[tuple[Label, ...], Field(strict=False, min_length=2)] = Field(
        description="The labels as the data has them, in the order of the model's outputs. "
        "Of two labels, the second is the positive one."
    )

    def label_names(self) -> tuple[str, ...]:
        return self.labels

    def unfit_metric(self, name: str) -> str | None:
        if name in BINARY_METRICS and len(self.labels) > BINARY:
            return (
                f"`{name}` is for two labels and there are {len(self.labels)}; "
                f"write `{name}_macro`, `{name}_micro` or `{name}_weighted`"
            )
        return None

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        import pyarrow as pa
        from pyarrow import compute as pc

        pairs = rows["text_pair"] if "text_pair" in rows.column_names else None
        encoded = encoder.encode(rows["text"], pairs)
        return pa.table(
            {
                ID_COLUMN: rows[ID_COLUMN],
                "input_ids": encoded.input_ids,
                "token_type_ids": encoded.token_type_ids,
                "length": encoded.lengths,
                "unknown": encoded.unknown,
                "label": pc.index_in(rows["label"], value_set=pa.array(self.labels, pa.string())),
            }
        )

    def check_targets(self, rows: "pa.Table") -> None:
        import pyarrow as pa
        from pyarrow import compute as pc

        known = pc.is_in(rows["label"], value_set=pa.array(self.labels, pa.string()))
        wrong = rows.filter(pc.invert(known)).to_pylist()
        by_label: dict[str, list[dict[str, Any]]] = {}
        for row in wrong:
            by_label.setdefault(row["label"], []).append(row)
        found = [self._unknown(label, where) for label, where in by_label.items()]
        if len(found) > SHOWN:
            rest = f"{len(found) - SHOWN} more labels are unknown; {len(wrong)} rows in all"
            found[SHOWN:] = [Diagnostic("E313", rest, "is `data.columns.label` the right column?")]
        if found:
            raise InputError(found)

    def _unknown(self, label: str, where: Sequence[Mapping[str, Any]]) -> Diagnostic:
        first, others = where[0], [str(row["row"]) for row in where[1:SHOWN]]
        also = f" (and in {len(where) - 1} more: {', '.join(others)}" if others else ""
        also += (", ..." if len(where) > SHOWN else "") + ")" if others else ""
        return Diagnostic(
            "E313",
            f"{first['file']}, row {first['row']}: unknown label `{label}`{also}",
            f"{did_you_mean(label, self.labels)} Correct the row, or add it to `task.labels`",
        )

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification

        config = AutoConfig.from_pretrained(
            base,
            local_files_only=True,
            num_labels=len(self.labels),
            id2label=dict(enumerate(self.labels)),
            label2id={label: i for i, label in enumerate(self.labels)},
        )
        if dropout is not None:
            names = [name for name in HEAD_DROPOUTS if hasattr(config, name)]
            if not names:
                raise InputError.of(
                    "E403",
                    f"a head of `{config.model_type}` has no dropout of its own",
                    "remove `model.head.dropout`",
                )
            for name in names:
                setattr(config, name, dropout)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            base,
            config=config,
            dtype=torch.float32,  # whatever the base's files have
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported, and refused, below
        )
        require_loaded(model, loading)
        return model

    def targets(self, tokens: "pa.Table") -> "np.ndarray":
        return tokens["label"].to_numpy().astype("int64")

    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", options: LossOptions
    ) -> "torch.Tensor":
        import torch

        weight = options.class_weights
        return torch.nn.functional.cross_entropy(
            logits,
            targets,
            weight=None if weight is None else torch.tensor(weight, dtype=logits.dtype),
            label_smoothing=options.label_smoothing,
        )

    def predictions(
        self, ids: "pa.Array", targets: "np.ndarray", logits: "np.ndarray"
    ) -> "pa.Table":
        import pyarrow as pa

        scores = softmax(logits)
        labels = pa.array(self.labels, pa.string())
        return pa.table(
            {
                ID_COLUMN: ids,
                "gold": labels.take(pa.array(targets)),
                "prediction": labels.take(pa.array(logits.argmax(axis=1))),
                "scores": pa.array(list(scores), pa.list_(pa.float32())),
            }
        )

    def measure(self, names: Sequence[str], predictions: "pa.Table") -> Mapping[str, float]:
        from bertspec.catalog.tasks.classification_metrics import measure

        return measure(names, self.labels, predictions)


def softmax(logits: "np.ndarray") -> "np.ndarray":
    """Probabilities of each row of logits, (rows, labels) float32."""
    import numpy as np

    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
