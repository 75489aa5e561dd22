"""Text regression: a number, or several, for a text or for a pair of texts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.batch import Batch, Draw, Tokens
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.metrics.regression import (
    OF_DIFFERENCES,
    all_equal,
    measure_targets,
    measurer,
)
from bertspec.catalog.numbers import read_numbers
from bertspec.catalog.task import Decision, LossOptions, Measure, Splits, Task
from bertspec.catalog.task_parts.baselines import simple_regressors
from bertspec.catalog.task_parts.sequence_model import (
    aggregated,
    encode_texts,
    of_labels,
    sequence_model,
)
from bertspec.catalog.telling import Told
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

Name = Annotated[str, StringConstraints(min_length=1)]

UNNAMED = "value"
"""The one target, where none is named."""

LARGEST = 1e18
"""Of a target: the squares of larger ones do not fit into 32-bit floats."""

SHOWN = 10
"""Rows that an error names before it only counts."""


class TextRegression(Task):
    """A number for each text or pair, or several; the loss is their mean squared error."""

    required_columns: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_columns: ClassVar[tuple[str, ...]] = ("text_pair",)
    target_columns: ClassVar[tuple[str, ...]] = ("label",)
    aggregates: ClassVar[tuple[Aggregate, ...]] = ("mean", "max", "first")
    loss_options: ClassVar[tuple[str, ...]] = ()
    distillation_options: ClassVar[tuple[str, ...] | None] = ()
    exact: ClassVar[bool] = False
    headline: ClassVar[str] = "r2"
    metrics: ClassVar[tuple[str, ...]] = ("r2", "mse", "rmse", "mae", "pearson", "spearman")
    class_metrics: ClassVar[tuple[str, ...]] = metrics
    lower_is_better: ClassVar[tuple[str, ...]] = ("mse", "rmse", "mae")
    hub_task: ClassVar[str] = "text-classification"

    type: Literal["text-regression"] = Field(description="A number for each text or pair.")
    targets: Annotated[tuple[Name, ...], Field(strict=False, min_length=2)] | None = Field(
        default=None,
        description="Names of the numbers where a text has several: its label is then a list of "
        "them in this order.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the model's outputs."""
        return self.targets or (UNNAMED,)

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        if name != "label":
            return "text"
        return "list" if self.targets else "number"

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        for name in sorted({n for n in self.names if self.names.count(n) > 1}):
            yield ("targets",), f"target `{name}` stands here twice", "each target once"

    def check_targets(self, rows: "pa.Table") -> None:
        """Raise InputError: E328 for another number of targets, E321 for what is no number."""
        import pyarrow as pa
        from pyarrow import compute as pc

        labels = rows["label"].combine_chunks()
        if self.targets:
            _refuse(
                "E328",
                rows.filter(pc.not_equal(pc.list_value_length(labels), len(self.targets))),
                f"a label must have {len(self.targets)} numbers",
                f"they are {', '.join(f'`{name}`' for name in self.targets)}, in this order",
            )
            items = labels.flatten()
            places = rows.select(["file", "row"]).take(pc.list_parent_indices(labels))
            rows = places.append_column("label", items)
            labels = read_numbers(items)
            _refuse(
                "E321",
                rows.filter(pc.is_null(labels)),
                "a target is no number",
                "write digits, such as 4 or 0.25",
            )
        _refuse(
            "E321",
            rows.filter(pc.greater(pc.abs(labels), pa.scalar(LARGEST))),
            f"a target is larger than {LARGEST:g}, and its square too large to compute with",
            "give it in another unit",
        )

    def _numbers(self, labels: "pa.ChunkedArray") -> "np.ndarray":
        """Labels of prepared rows as (rows, targets) float64."""
        column = labels.combine_chunks()
        values = read_numbers(column.flatten()) if self.targets else column
        return values.to_numpy(zero_copy_only=False).reshape(len(column), len(self.names))

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        import pyarrow as pa

        from bertspec.catalog.encoding.encoder import column

        encoded = encode_texts(rows, encoder)
        columns = encoded.columns()
        if "label" in rows.column_names:
            values = self._numbers(rows["label"])[encoded.parts.texts].ravel()
            flat = column(pa.float64(), values)
            columns["label"] = pa.FixedSizeListArray.from_arrays(flat, len(self.names))
        return pa.table(columns)

    def output_names(self) -> tuple[str, ...]:
        return self.names

    def outputs(self) -> int:
        return len(self.names)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        return sequence_model(
            self.auto_class,
            base,
            dropout,
            **of_labels(self.names),
            problem_type="regression",
        )

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        import pyarrow as pa
        import torch

        labels = tokens.columns["label"].take(pa.array(batch.rows)).combine_chunks()
        values = labels.flatten().to_numpy().reshape(len(labels), len(self.names))
        return replace(batch, targets=torch.from_numpy(values.astype("float32")))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of squared errors, and how many there are."""
        from torch.nn.functional import mse_loss

        total = mse_loss(outputs, batch.targets, reduction="sum")
        return total, outputs.new_full((), outputs.numel())

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        """Sum of the squares of differences; numbers have no temperature."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs, teacher, reduction="sum")

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Column: `prediction`, a number, or a list of one for each target."""
        import pyarrow as pa

        return pa.table({"prediction": self._column(aggregated(tokens, kept))})

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        return {"gold": self._column(self._numbers(rows["label"]))}

    def _column(self, values: "np.ndarray") -> "pa.Array":
        import pyarrow as pa

        if self.targets:
            return pa.array(values.tolist(), pa.list_(pa.float64()))
        return pa.array(values[:, 0].tolist(), pa.float64())

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        return measurer(names, len(self.names), predictions)

    def classes(self) -> tuple[str, ...]:
        return self.targets or ()

    def measure_classes(self, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
        """Of several targets, the metrics of each."""
        return measure_targets(self.metrics, self.targets, predictions) if self.targets else {}

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        if name in OF_DIFFERENCES and all_equal(self._numbers(rows["label"])).all():
            return "all rows of the split have the same numbers"
        return None

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """The mean distance from the targets, each as a share of how far its numbers spread."""
        import numpy as np

        from bertspec.catalog.metrics.regression import numbers

        gold, said = (numbers(predictions[n], len(self.names)) for n in ("gold", "prediction"))
        spread = gold.std(axis=0)
        return np.abs((said - gold) / np.where(spread > 0, spread, 1.0)).mean(axis=1)

    def told(self, row: Mapping[str, Any]) -> Told:
        gold, said = (
            [("", f"{name} {value:.4g}" if self.targets else f"{value:.4g}")
             for name, value in zip(self.names, values, strict=True)]
            for values in (
                row[key] if self.targets else [row[key]] for key in ("gold", "prediction")
            )
        )  # fmt: skip
        return Told(gold, said)

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        import pyarrow as pa

        train, test = splits["train"].rows, splits["test"].rows
        simple = simple_regressors(train, self._numbers(train["label"]), test)
        return {
            name: pa.table({"prediction": self._column(numbers), **self.gold(test)})
            for name, numbers in simple.items()
        }

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        return 0.0, "always saying the mean"

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        found = prediction["prediction"]
        if self.targets:
            return {"values": dict(zip(self.targets, found, strict=True))}
        return {"value": found}

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        if self.targets:
            return {"values": pa.struct([(name, pa.float64()) for name in self.targets])}
        return {"value": pa.float64()}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        if self.targets:
            return "  ".join(f"{name} {value:.4g}" for name, value in answer["values"].items())
        return f"{answer['value']:.4g}"


def _refuse(code: str, wrong: "pa.Table", message: str, help: str) -> None:
    """Raise InputError naming rows, which have `file`, `row` and `label`, where there are some."""
    if not len(wrong):
        return
    shown = wrong.slice(0, SHOWN).to_pylist()
    places = ", ".join(f"{row['file']}, row {row['row']} (`{row['label']}`)" for row in shown)
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    raise InputError.of(code, f"{places}{more}: {message}", help)
