"""Extractive question answering: the answer is a span of a context, or there is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.batch import MASK, Batch, Draw, Tokens, unpadded
from bertspec.catalog.contract.answers_at_offset import misplaced
from bertspec.catalog.metrics.squad import METRICS, measurer, row_scores
from bertspec.catalog.task import Decision, LossOptions, Measure, Splits, Task
from bertspec.catalog.task_parts.losses import weighted_cross_entropy
from bertspec.catalog.task_parts.sequence_model import sequence_model
from bertspec.catalog.task_parts.spans import (
    NULL,
    BestSpans,
    best_spans,
    best_threshold,
    token_spans,
)
from bertspec.catalog.telling import Told
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.model import affecting

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder
    from bertspec.catalog.encoding.parts import Parts

THRESHOLD = "null_threshold"

BATCH = 4096
"""Rows that are Python objects at once: contexts are long."""

SHOWN = 10
"""Rows that an error names before it only counts."""


class QuestionAnswering(Task):
    """SQuAD's task, 1.1 and 2.0. Of several right answers the model learns the first.

    With windows, an answer is learned in the window that owns its first token, if this has its
    last token as well; in all other windows, and where the answer was cut off, there is none.
    """

    required_columns: ClassVar[tuple[str, ...]] = ("question", "context", "answers")
    target_columns: ClassVar[tuple[str, ...]] = ("answers",)
    checked_with: ClassVar[tuple[str, ...]] = ("context",)
    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "windows")
    aggregates: ClassVar[tuple[Any, ...]] = ()
    loss_options: ClassVar[tuple[str, ...]] = ("label_smoothing", "class_weights")
    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    headline: ClassVar[str] = "f1"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    hub_task: ClassVar[str] = "question-answering"

    type: Literal["question-answering"] = Field(
        description="The span of a context that answers a question."
    )
    unanswerable: bool = Field(
        default=True,
        description="Whether questions may have no answer in their context, as in SQuAD 2.0. If "
        "not, an answer is always given.",
    )
    max_answer_tokens: int = affecting(
        "train",
        "evaluate",
        "export",
        default=30,
        ge=1,
        description="Most tokens of an answer that is predicted.",
    )
    null_threshold: Literal["tuned"] | float = affecting(
        "train",
        "evaluate",
        "export",
        default="tuned",
        description="The best span is the answer if its logits are this much above those of no "
        "answer. `tuned` is the number with the largest F1 on validation, or 0 without "
        "validation rows.",
    )

    def check_targets(self, rows: "pa.Table") -> None:
        """Raises InputError (E329) for answers that are not in the context, or not there."""
        import pyarrow as pa

        if not pa.types.is_struct(rows["answers"].type):
            raise InputError.of(
                "E319",
                "`data.columns.answers` gives texts, and answers say where they start as well",
                "name the column of the answers alone, without `map` and `value`",
            )
        found, silent = [], []
        for batch in rows.to_batches(BATCH):
            for row in batch.to_pylist():
                place = f"{row['file']}, row {row['row']}"
                if notes := "; ".join(misplaced(row["context"], row["answers"])):
                    advice = "correct the offset: it counts characters (Unicode code points)"
                    found.append(Diagnostic("E329", f"{place}: {notes}", advice))
                elif not self.unanswerable and not row["answers"]["text"]:
                    silent.append(place)
        if len(found) > SHOWN:
            found[SHOWN:] = [Diagnostic("E329", f"{len(found) - SHOWN} more rows are wrong")]
        if silent:
            more = f", and {len(silent) - SHOWN} more" if len(silent) > SHOWN else ""
            message = f"there is no answer: {'; '.join(silent[:SHOWN])}{more}"
            advice = "write `task.unanswerable: true`, or leave such rows out"
            found.append(Diagnostic("E329", message, advice))
        if found:
            raise InputError(found)

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The task's own columns: `place`, where the context begins in the sequence; `own_start`
        and `own_end`, which of its tokens the window owns; `context_starts` and `context_ends`,
        the characters of each; and `start_position` and `end_position`, NULL for no answer.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.encoder import column
        from bertspec.catalog.encoding.parts import beginnings

        # Many questions have one context.
        contexts = rows["context"].combine_chunks().dictionary_encode()
        tokens = encoder.tokens(contexts.dictionary.to_pylist(), as_words=False)
        codes = np.from_dlpack(contexts.indices)  # `to_numpy` imports pandas
        of_rows = beginnings(tokens.ids.lengths[codes], codes).of(tokens.ids)
        encoded = encoder.sequences([encoder.ids(rows["question"]), of_rows])
        parts, kind = encoded.parts, pa.int32()
        numbers = {
            "place": encoded.places,
            "own_start": parts.own_starts - parts.starts,
            "own_end": parts.own_ends - parts.starts,
        }
        if "answers" in rows.column_names:
            positions = token_spans(tokens, codes, *_first_answers(rows["answers"]))
            numbers |= _positions(parts, encoded.places, *positions)
        columns = encoded.columns()
        columns |= {name: column(kind, n.astype(np.int32)) for name, n in numbers.items()}
        windows = replace(parts, texts=codes[parts.texts])
        for name, sides in (("context_starts", tokens.starts), ("context_ends", tokens.ends)):
            side = windows.of(sides)
            offsets = column(kind, side.offsets.astype(np.int32))
            columns[name] = pa.ListArray.from_arrays(offsets, column(kind, side.values))
        return pa.table(columns)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        if dropout is not None:
            raise InputError.of(
                "E403", "the head for answers has no dropout of its own",
                "remove `model.head.dropout`",
            )  # fmt: skip
        return sequence_model(self.auto_class, base, None, num_labels=2)

    def forward(
        self, model: "PreTrainedModel", inputs: "Mapping[str, torch.Tensor]"
    ) -> "torch.Tensor":
        """Logits of each token as the start and as the end of the answer, (batch, sequence, 2)."""
        import torch

        found = model(**inputs)
        return torch.stack([found.start_logits, found.end_logits], dim=-1)

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        import numpy as np
        import torch

        sides = [tokens.numbers(name)[batch.rows] for name in ("start_position", "end_position")]
        return replace(batch, targets=torch.from_numpy(np.stack(sides, axis=1).astype("int64")))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """The cross entropy of start and end over all tokens, as in transformers; but not over
        padding, which depends on what else is in the batch.
        """
        padding = batch.inputs[MASK].unsqueeze(2) == 0
        scores = outputs.masked_fill(padding, -1e9)
        return weighted_cross_entropy(scores.transpose(1, 2), batch.targets, options)

    def keep(
        self,
        outputs: "np.ndarray",
        inputs: "Mapping[str, np.ndarray]",
        targets: "np.ndarray | None",
    ) -> "Sequence[np.ndarray]":
        return unpadded(outputs, inputs)

    def decide(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]"
    ) -> dict[str, float]:
        if not self.unanswerable:
            return {}
        if self.null_threshold != "tuned":
            return {THRESHOLD: self.null_threshold}
        import pyarrow as pa

        spans = best_spans(tokens, kept, self.max_answer_tokens)
        always = [text for text, *_ in _cut_out(rows["context"].to_pylist(), spans)]
        with_answer, without = (
            row_scores(pa.table({**self.gold(rows), "prediction": said}))[:, 1]
            for said in (pa.array(always, pa.string()), pa.repeat(pa.scalar(""), len(rows)))
        )
        return {THRESHOLD: best_threshold(spans.scores, with_answer - without)}

    def fitted(self) -> Mapping[str, str | None]:
        is_asked = self.unanswerable and self.null_threshold == "tuned"
        return {"null_threshold": "0"} if is_asked else {}

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, a part of the context, or empty where there is no answer; `start`
        and `end`, its characters, else null; `score`, the logits of the best span less
        `null_score`, those of no answer, and null where the context has no token.
        """
        import numpy as np
        import pyarrow as pa

        spans = best_spans(tokens, kept, self.max_answer_tokens)
        found = list(_cut_out(rows["context"].to_pylist(), spans))
        silent = np.zeros(len(found), bool)
        if self.unanswerable:
            given = 0.0 if self.null_threshold == "tuned" else self.null_threshold
            silent = spans.scores < decision.get(THRESHOLD, given)
        said = [_NONE if s else answer for s, answer in zip(silent, found, strict=True)]
        scores = [score if np.isfinite(score) else None for score in spans.scores.tolist()]
        return pa.table(
            {
                "prediction": pa.array([text for text, _, _ in said], pa.string()),
                "start": pa.array([start for _, start, _ in said], pa.int32()),
                "end": pa.array([end for _, _, end in said], pa.int32()),
                "score": pa.array(scores, pa.float64()),
                "null_score": pa.array(spans.null_scores.tolist(), pa.float64()),
            }
        )

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        from pyarrow import compute as pc

        return {"gold": pc.struct_field(rows["answers"], "text")}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        return measurer(names, predictions)

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        has_answer = [bool(texts) for texts in self.gold(rows)["gold"].to_pylist()]
        if name.endswith("_unanswerable") and all(has_answer):
            return "all rows of the split have an answer"
        if name.endswith("_answerable") and not any(has_answer):
            return "no row of the split has an answer"
        return None

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """By exact match and F1 of the answer."""
        return 2.0 - row_scores(predictions).sum(axis=1)

    def told(self, row: Mapping[str, Any]) -> Told:
        gold = [("", text) for text in dict.fromkeys(row["gold"])]
        return Told(gold, [("", row["prediction"])] if row["prediction"] else [])

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """`no_answer`, where training has rows without one; and `word_overlap`, the sentence of
        the context that is most like the question.
        """
        import pyarrow as pa
        from pyarrow import compute as pc

        from bertspec.catalog.task_parts.sentences import nearest_sentences

        train, test = splits["train"].rows, splits["test"].rows
        said = {"word_overlap": pa.array(nearest_sentences(train, test), pa.string())}
        if pc.min(pc.list_value_length(self.gold(train)["gold"])).as_py() == 0:
            said = {"no_answer": pa.repeat(pa.scalar(""), len(test))} | said
        return {name: pa.table({**self.gold(test), "prediction": s}) for name, s in said.items()}

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        if not self.unanswerable:
            return 0.0, "nothing learned"
        gold = predictions["gold"].to_pylist()
        return sum(not texts for texts in gold) / len(gold), "never giving an answer"

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """`start` and `end` are characters of the context; without an answer they are null."""
        where = {name: prediction[name] for name in ("start", "end", "score")}
        return {"answer": prediction["prediction"] or None} | where

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        places = dict.fromkeys(("start", "end"), pa.int32())
        return {"answer": pa.string(), **places, "score": pa.float64()}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        return answer["answer"] or "(no answer)"


_NONE: tuple[str, None, None] = ("", None, None)


def _cut_out(
    contexts: Sequence[str], spans: BestSpans
) -> Iterator[tuple[str, int, int] | tuple[str, None, None]]:
    """The best span of each context and its characters, without white space around it.

    Tokens of some tokenizers have the space before a word.
    """
    for context, start, end in zip(
        contexts, spans.starts.tolist(), spans.ends.tolist(), strict=True
    ):
        text = context[start:end]
        first = start + len(text) - len(text.lstrip())
        text = text.strip()
        yield (text, first, first + len(text)) if text else _NONE


def _first_answers(answers: "pa.ChunkedArray") -> "tuple[np.ndarray, np.ndarray]":
    """First character of each row's first answer, and the one behind its last; 0 for none."""
    import numpy as np
    from pyarrow import compute as pc

    texts, offsets = (
        pc.struct_field(answers, name).combine_chunks() for name in ("text", "answer_start")
    )
    starts = np.zeros(len(texts), np.int64)
    ends = np.zeros(len(texts), np.int64)
    is_answered = np.from_dlpack(pc.list_value_length(texts)) > 0
    starts[is_answered] = np.from_dlpack(pc.list_slice(offsets, 0, 1).flatten())
    lengths = pc.utf8_length(pc.list_slice(texts, 0, 1).flatten())
    ends[is_answered] = starts[is_answered] + np.from_dlpack(lengths)
    return starts, ends


def _positions(
    parts: "Parts", places: "np.ndarray", firsts: "np.ndarray", lasts: "np.ndarray"
) -> "dict[str, np.ndarray]":
    """Where in each sequence its row's answer is, if the sequence answers for it and has it all.

    `firsts` and `lasts` are tokens of the rows' contexts.
    """
    import numpy as np

    first, last = firsts[parts.texts], lasts[parts.texts]
    is_here = (first <= last) & (parts.own_starts <= first) & (first < parts.own_ends)
    is_here &= last < parts.ends
    return {
        "start_position": np.where(is_here, places + first - parts.starts, NULL),
        "end_position": np.where(is_here, places + last - parts.starts, NULL),
    }
