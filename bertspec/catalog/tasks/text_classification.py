"""Text classification: one label for a text, or for a pair of texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.task import LossOptions, Task

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

Label = Annotated[str, StringConstraints(min_length=1)]

BINARY_METRICS = ("f1", "precision", "recall")


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
        if name in BINARY_METRICS and len(self.labels) > 2:
            return (
                f"`{name}` is for two labels and there are {len(self.labels)}; "
                f"write `{name}_macro`, `{name}_micro` or `{name}_weighted`"
            )
        return None

    def encode(self, rows: "pa.Table", tokenizer: "Tokenizer") -> "pa.Table":
        raise NotImplementedError

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        raise NotImplementedError

    def targets(self, tokens: "pa.Table") -> "np.ndarray":
        raise NotImplementedError

    def loss(
        self, logits: "torch.Tensor", targets: "torch.Tensor", options: LossOptions
    ) -> "torch.Tensor":
        raise NotImplementedError

    def predictions(
        self, ids: "pa.Array", targets: "np.ndarray", logits: "np.ndarray"
    ) -> "pa.Table":
        raise NotImplementedError

    def measure(self, names: Sequence[str], predictions: "pa.Table") -> Mapping[str, float]:
        raise NotImplementedError
