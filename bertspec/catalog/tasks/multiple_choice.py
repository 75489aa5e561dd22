"""Multiple choice: which of a few texts is right."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.batch import Batch, Draw, Tokens, first_of_each
from bertspec.catalog.task import (
    Answer,
    Decision,
    LossOptions,
    Measure,
    RunTokens,
    Splits,
    Task,
)
from bertspec.catalog.task_parts.choosing import cross_entropy_among
from bertspec.catalog.task_parts.sequence_model import sequence_model
from bertspec.catalog.telling import Told
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError, InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

LEAST = 2
"""Choices of an example."""

SHOWN = 10
"""Rows that an error names before it only counts."""


class MultipleChoice(Task):
    """Each choice is scored by itself, with the text before it; the highest score is chosen.

    Examples may have different numbers of choices. The model is that of Radford et al. (2018).
    """

    required_columns: ClassVar[tuple[str, ...]] = ("choices", "label")
    optional_columns: ClassVar[tuple[str, ...]] = ("text",)
    target_columns: ClassVar[tuple[str, ...]] = ("label",)
    checked_with: ClassVar[tuple[str, ...]] = ("choices",)
    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "head-tail")
    together: ClassVar[bool] = True
    auto_class: ClassVar[str] = "AutoModelForMultipleChoice"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    headline: ClassVar[str] = "accuracy"
    hub_task: ClassVar[str] = "multiple-choice"

    type: Literal["multiple-choice"] = Field(description="The right one of a few texts.")
    label: Literal["index", "text"] = Field(
        default="index",
        description="What the label is: the number of the right choice, the first being 0, or its "
        "text, letter for letter.",
    )

    @classmethod
    def input_columns(cls) -> tuple[str, ...]:
        return ("text", "choices")

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        return "list" if name == "choices" else "text"

    def check_targets(self, rows: "pa.Table") -> None:
        import numpy as np

        from bertspec.catalog.encoding.several import numbers

        counts, right = _counts(rows), self._right(rows)
        wrong = np.flatnonzero((counts < LEAST) | (right < 0))
        found = [
            self._finding(row, int(counts[i]))
            for i, row in zip(wrong, rows.take(numbers(wrong[:SHOWN])).to_pylist(), strict=False)
        ]
        if len(wrong) > SHOWN:
            rest = f"{len(wrong)} rows in all have no right choice"
            found.append(Diagnostic("E341", rest, "are `label` and `choices` the right columns?"))
        if found:
            raise InputError(found)

    def _finding(self, row: Mapping[str, Any], count: int) -> Diagnostic:
        place, label = f"{row['file']}, row {row['row']}", row["label"]
        if count < LEAST:
            message, advice = f"{count} choices", f"give each row {LEAST} or more"
        elif self.label == "index":
            message = f"`{label}` is no number of a choice, from 0 to {count - 1}"
            advice = "the first choice is 0; for texts write `task.label: text`"
        else:
            times = row["choices"].count(label)
            message = f"`{label}` is {f'{times} of the' if times else 'none of the'} choices"
            advice = "write the label as one of the choices, letter for letter"
        return Diagnostic("E341", f"{place}: {message}", advice)

    def _right(self, rows: "pa.Table") -> "np.ndarray":
        """Number of each row's right choice, -1 where there is none or it is in doubt."""
        import numpy as np
        from pyarrow import compute as pc

        from bertspec.catalog.encoding.several import numbers

        labels, counts = rows["label"], _counts(rows)
        if self.label == "index":
            is_number = pc.match_substring_regex(labels, r"^[0-9]{1,9}$")
            found = pc.if_else(is_number, labels, "-1").cast("int32").to_numpy()
            return np.where(found < counts, found, -1)
        owners = np.repeat(np.arange(len(rows)), counts)
        is_label = pc.equal(_texts(rows), labels.take(numbers(owners)))
        places = np.flatnonzero(is_label.to_numpy())
        times = np.bincount(owners[places], minlength=len(rows))
        right = np.full(len(rows), -1, np.int32)
        right[owners[places]] = places - (np.cumsum(counts) - counts)[owners[places]]
        return np.where(times == 1, right, -1)

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The task's own column: `is_right`, 1 for the right choice and 0 for the others."""
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.several import encode_several, numbers

        examples = np.repeat(np.arange(len(rows)), _counts(rows))
        choices = [_texts(rows).combine_chunks()]
        if "text" in rows.column_names:
            choices.insert(0, rows["text"].combine_chunks().take(numbers(examples)))
        columns = encode_several(encoder, examples, *choices)
        if "label" in rows.column_names:
            is_right = np.zeros(len(examples), np.int8)
            is_right[first_of_each(examples) + self._right(rows)] = 1
            columns["is_right"] = numbers(is_right)
        return pa.table(columns)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        return sequence_model(self.auto_class, base, dropout)

    def forward(
        self, model: "PreTrainedModel", inputs: "Mapping[str, torch.Tensor]"
    ) -> "torch.Tensor":
        """A score for each sequence, (batch, 1): to the model each is the only choice."""
        return super().forward(model, {name: part.unsqueeze(1) for name, part in inputs.items()})

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        """Targets, (batch, 3): the example in the batch, the number of the choice, `is_right`."""
        import numpy as np
        import torch

        examples = tokens.examples[batch.rows]
        starts = first_of_each(examples)
        owners = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(examples)))
        places = np.arange(len(examples)) - starts[owners]
        columns = owners, places, tokens.numbers("is_right")[batch.rows]
        return replace(batch, targets=torch.from_numpy(np.stack(columns, axis=1)))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        owners, places, is_right = batch.targets.unbind(dim=1)
        shape = int(owners.max()) + 1, int(places.max()) + 1
        scores = outputs.new_full(shape, -float("inf"))
        scores[owners, places] = outputs.squeeze(1)
        return cross_entropy_among(
            scores, places[is_right == 1], options.label_smoothing, options.focal_gamma
        )

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, the number of a choice, `choice`, its text, and `scores`, the
        probability of each.
        """
        import numpy as np
        import pyarrow as pa

        logits = np.concatenate(kept).astype(np.float64)
        starts = tokens.firsts
        counts = np.diff(starts, append=len(logits))
        powers = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), counts))
        shares = (powers / np.repeat(np.add.reduceat(powers, starts), counts)).astype(np.float32)
        best = np.lexsort((-logits, tokens.examples))[starts]
        scores = [part.tolist() for part in np.split(shares, starts[1:])]
        return pa.table(
            {
                "prediction": pa.array((best - starts).tolist(), pa.int32()),
                "choice": _texts(rows).take(best.tolist()),
                "scores": pa.array(scores, pa.list_(pa.float32())),
            }
        )

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        import pyarrow as pa

        return {"gold": pa.array(self._right(rows).tolist(), pa.int32())}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        import numpy as np

        is_right = predictions["prediction"].to_numpy() == predictions["gold"].to_numpy()

        def measure(counts: "np.ndarray") -> Mapping[str, float]:
            return dict.fromkeys(names, float(np.average(is_right, weights=counts)))

        return measure

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """The probability of a wrong choice."""
        import numpy as np

        said, gold = (predictions[name].to_numpy() for name in ("prediction", "gold"))
        sure = [
            scores[i] for scores, i in zip(predictions["scores"].to_pylist(), said, strict=True)
        ]
        return np.where(said == gold, 0.0, np.maximum(sure, 1e-9))

    def told(self, row: Mapping[str, Any]) -> Told:
        gold, said = (row["choices"][row[name]] for name in ("gold", "prediction"))
        return Told([("", gold)], [("", said)], row["scores"][row["prediction"]])

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """`majority` is the place where the right choice is most often in training, among those
        that a row has; `tf_idf` the choice whose words are most like those of `text`.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.task_parts.overlap import best_of_each, cosines, word_weights

        train, test = splits["train"].rows, splits["test"].rows
        counts = _counts(test)
        times = np.bincount(self._right(train), minlength=counts.max())
        said = {"majority": np.array([times[:count].argmax() for count in counts])}
        if "text" in test.column_names:
            known = [column.to_pylist() for column in (train["text"], _texts(train))]
            words = word_weights(*known)
            texts, choices = (words(column.to_pylist()) for column in (test["text"], _texts(test)))
            owners = np.repeat(np.arange(len(test)), counts)
            likeness = cosines(texts, choices, owners, np.arange(len(owners)))
            said["tf_idf"] = best_of_each(likeness, owners) - first_of_each(owners)
        return {
            name: pa.table({"prediction": pa.array(places, pa.int32()), **self.gold(test)})
            for name, places in said.items()
        }

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        counts = [len(scores) for scores in predictions["scores"].to_pylist()]
        return sum(1 / count for count in counts) / len(counts), "choosing at random"

    def respond(
        self, rows: "pa.Table", encoder: "Encoder", run: RunTokens, decision: Decision
    ) -> Sequence[Answer]:
        """An error (E453) for a row with less than two choices."""
        import pyarrow as pa

        enough = (_counts(rows) >= LEAST).tolist()
        chosen = rows.filter(pa.array(enough)).combine_chunks()
        answers = iter(super().respond(chosen, encoder, run, decision) if any(enough) else ())
        return [next(answers) if fits else _too_few() for fits in enough]

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "choice": prediction["prediction"],
            "chosen": prediction["choice"],
            "probabilities": prediction["scores"],
        }

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        return {
            "choice": pa.int32(),
            "chosen": pa.string(),
            "probabilities": pa.list_(pa.float32()),
        }

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        return (
            f"{answer['choice']} {answer['probabilities'][answer['choice']]:6.1%}  "
            + (answer["chosen"])
        )


def _too_few() -> BertspecError:
    return InputError.of(
        "E453", "there are less than two `choices`", "give two or more to choose of"
    )


def _counts(rows: "pa.Table") -> "np.ndarray":
    """Choices of each row."""
    from pyarrow import compute as pc

    return pc.list_value_length(rows["choices"]).to_numpy()


def _texts(rows: "pa.Table") -> "pa.ChunkedArray":
    """The choices of all rows."""
    from pyarrow import compute as pc

    return pc.list_flatten(rows["choices"])
