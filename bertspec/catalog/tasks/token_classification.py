"""Token classification: entities of several types among the words of a text."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from bertspec.catalog.batch import IGNORED, MASK, Batch, Draw, Tokens, unpadded
from bertspec.catalog.metrics.tags import (
    METRICS,
    entities_of,
    measure_types,
    measurer,
    wrong_entities,
)
from bertspec.catalog.task import Decision, LossOptions, Measure, Split, Splits, Task
from bertspec.catalog.task_parts.losses import weighted_cross_entropy, weighted_divergence
from bertspec.catalog.task_parts.sequence_model import of_labels, sequence_model
from bertspec.catalog.task_parts.tag_checks import require_spans, require_tags, require_words
from bertspec.catalog.task_parts.tags import Scheme, Tagging
from bertspec.catalog.telling import Told
from bertspec.core.model import affecting

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

Label = Annotated[str, StringConstraints(min_length=1)]

WORDS, SPANS = ("tokens", "tags"), ("text", "spans")
"""The two shapes of data."""


class TokenClassification(Task):
    """Entities such as names. Rows are words with tags, or texts with spans of characters.

    The first token of each word has the word's tag; no other has one. Words of a text are those
    that the tokenizer cuts it into. A word without a token is `O`, and so is one that was cut off.
    """

    required_columns: ClassVar[tuple[str, ...]] = ()
    optional_columns: ClassVar[tuple[str, ...]] = (*WORDS, *SPANS)
    target_columns: ClassVar[tuple[str, ...]] = ("tags", "spans")
    checked_with: ClassVar[tuple[str, ...]] = ("tokens", "text")
    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "windows")
    aggregates: ClassVar[tuple[Any, ...]] = ()
    loss_options: ClassVar[tuple[str, ...]] = ("label_smoothing", "focal_gamma")
    distillation_options: ClassVar[tuple[str, ...] | None] = ("temperature",)
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    headline: ClassVar[str] = "f1"
    metrics: ClassVar[tuple[str, ...]] = METRICS
    hub_task: ClassVar[str] = "token-classification"

    type: Literal["token-classification"] = Field(
        description="Entities of several types: a tag for each word."
    )
    labels: Annotated[tuple[Label, ...], Field(strict=False, min_length=1)] = Field(
        description="The types of entities, without the prefixes of tags, such as `[PER, LOC]`."
    )
    scheme: Literal["IOB2", "IOBES", "IO"] = Field(
        default="IOB2",
        description="The tags that the model predicts. `IO` cannot tell two entities of a type "
        "that stand side by side from one, in what is measured as well.",
    )
    given_scheme: Scheme = Field(
        default="IOB2",
        description="How `tags` are written in the data; they are converted to `scheme`. For "
        "another than IOB2, switch off the rule `entity_spans` of `data.contract`.",
    )
    misaligned: Literal["error", "widen"] = Field(
        default="error",
        description="What becomes of `spans` that begin or end within a word: an error, or they "
        "have the whole word, in training and in what is measured.",
    )
    decoding: Literal["constrained", "free"] = affecting(
        "train",
        "evaluate",
        "export",
        default="constrained",
        description="`constrained` takes the tags of a text that are likeliest together among "
        "those that the scheme allows (Viterbi). `free` takes the likeliest tag of each word, and "
        "reads entities as conlleval does: an `I-` after `O` or another type begins one.",
    )

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        return "list" if name in WORDS else "text"

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        if len(set(self.labels)) < len(self.labels):
            yield ("labels",), "a type stands here twice", "leave one out"
        given = {*columns} & {*WORDS, *SPANS}
        if given not in ({*WORDS}, {*SPANS}):
            yield (
                ("type",),
                "rows are words with tags or texts with spans, and `data.columns` has "
                + (" and ".join(f"`{name}`" for name in sorted(given)) or "neither"),
                "name `tokens` and `tags`, or `text` and `spans`",
            )

    @property
    def _tagging(self) -> Tagging:
        return Tagging(self.labels, self.scheme)

    def check_targets(self, rows: "pa.Table") -> None:
        if "tags" in rows.column_names:
            require_tags(rows, Tagging(self.labels, self.given_scheme))
        else:
            require_spans(rows, self.labels)

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The task's own columns: `words`, at the first token of each word, in the sequence that
        owns it, the word's number, else -1; `labels`, there the word's tag, else IGNORED. Of
        texts also, at their first sequence, `word_starts` and `word_ends`, the characters of all
        words, and `word_tags`.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.task_parts import text_words as tw

        tags, bounds = None, {}
        if "tokens" in rows.column_names:
            tokens = encoder.tokens(rows["tokens"].to_pylist(), as_words=True)
            numbers = tw.word_numbers(tokens)
            if "tags" in rows.column_names:
                tags, offsets = self._given(rows)
        else:
            texts = rows["text"].to_pylist()
            tokens = encoder.tokens(texts, as_words=False)
            words = tw.words_of(tokens, texts)
            numbers, offsets = words.numbers, words.offsets
            bounds = {"word_starts": words.starts, "word_ends": words.ends}
            if "spans" in rows.column_names:
                spans = tw.Spans.of(rows["spans"].combine_chunks(), self.labels)
                found = tw.align(spans, words)
                widen = self.misaligned == "widen"
                require_words(rows, spans, found, self.labels, widen=widen)
                tags = self._tagging.write(found.entities, int(offsets[-1]))
                bounds["word_tags"] = replace(words.starts, values=tags)
        encoded = encoder.sequences([tokens.ids])
        columns = encoded.columns()
        columns["words"] = tw.own_values(encoded, tokens.ids, numbers, tw.NONE)
        if tags is not None:
            labels = np.full(len(numbers), IGNORED, np.int32)
            firsts = np.flatnonzero(numbers != tw.NONE)
            base = np.repeat(offsets[:-1], tokens.ids.lengths)
            labels[firsts] = tags[base[firsts] + numbers[firsts]]
            columns["labels"] = tw.own_values(encoded, tokens.ids, labels, IGNORED)
        columns |= {name: tw.at_first(encoded, values) for name, values in bounds.items()}
        return pa.table(columns)

    def _given(self, rows: "pa.Table") -> "tuple[np.ndarray, np.ndarray]":
        """The tags of the rows' words in `scheme`, and where those of each row begin."""
        import pyarrow as pa
        from pyarrow import compute as pc

        from bertspec.catalog.task_parts.tagged_rows import offsets_of

        lists = rows["tags"].combine_chunks()
        given = Tagging(self.labels, self.given_scheme)
        known = pa.array(given.names, pa.string())
        tags = pc.index_in(lists.flatten(), value_set=known).to_numpy()
        offsets = offsets_of(lists.value_lengths().to_numpy())
        return self._tagging.write(given.read(tags, offsets), len(tags)), offsets

    def output_names(self) -> tuple[str, ...]:
        return self._tagging.names

    def outputs(self) -> int:
        return len(self._tagging.names)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        config = of_labels(self._tagging.names)
        return sequence_model(self.auto_class, base, dropout, **config)

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        import numpy as np
        import torch

        from bertspec.catalog.encoding.ragged import spread

        real = batch.inputs[MASK].numpy() > 0
        targets = np.full(real.shape, IGNORED, np.int64)
        places = spread(tokens.offsets[batch.rows], tokens.lengths[batch.rows])
        targets[real] = tokens.items("labels")[places]
        return replace(batch, targets=torch.from_numpy(targets))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        total, weights = weighted_cross_entropy(outputs, batch.targets, options)
        return total, weights.clamp(min=1e-12)  # a batch of texts without a word has no targets

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        return weighted_divergence(outputs, teacher, batch.targets, temperature, options)

    def keep(
        self,
        outputs: "np.ndarray",
        inputs: "Mapping[str, np.ndarray]",
        targets: "np.ndarray | None",
    ) -> "Sequence[np.ndarray]":
        return unpadded(outputs, inputs)

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, the tag of each word; `scores`, the probability of each, 0 for a
        word that the model has not seen; `entities`, structs of label, start, end, text, score,
        in words or, of texts, in characters; and of texts with spans `gold`, tags as well.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.task_parts import tagged_rows as tr

        offsets, tagging = tr.word_offsets(rows, tokens), self._tagging
        scores, seen = tr.log_probabilities(tokens, kept, offsets, len(tagging.names))
        decode = tagging.best if self.decoding == "constrained" else tagging.repaired
        tags = decode(scores, offsets)
        chosen = np.exp(scores[np.arange(len(tags)), tags]) * seen
        found = tagging.read(tags, offsets)
        columns = {
            "prediction": self._named(tags, offsets),
            "scores": tr.lists_of(pa.array(chosen, pa.float32()), offsets),
            "entities": tr.entity_lists(found, self.labels, chosen, offsets, rows, tokens),
        }
        if "word_tags" in tokens.columns.column_names:
            columns["gold"] = self._named(tokens.items("word_tags"), offsets)
        return pa.table(columns)

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        """Of words; where the words of a text are, only its tokens tell: see `predictions`."""
        return {"gold": self._named(*self._given(rows))} if "tags" in rows.column_names else {}

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """Entities that were missed, and those that are none."""
        return wrong_entities(self._tagging, predictions)

    def told(self, row: Mapping[str, Any]) -> Told:
        if "spans" in row:
            text = row["text"]
            gold = [(s["label"], text[s["start"] : s["end"]]) for s in row["spans"]]
        else:
            gold = list(entities_of(self._tagging, row["gold"], row["tokens"]))
        return Told(
            [(label, f"{label}: {text}") for label, text in gold],
            [(e["label"], f"{e['label']}: {e['text']}") for e in row["entities"]],
        )

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """Each word has the tag that it has most often in training, and an unknown one `O`."""
        import pyarrow as pa

        from bertspec.catalog.task_parts.frequent_tags import frequent_tags

        words, tags, _ = self._tagged(splits["train"])
        unseen, gold, offsets = self._tagged(splits["test"])
        tagging = self._tagging
        found = tagging.read(frequent_tags(words, tags, unseen), offsets)
        said = tagging.write(found, len(gold))
        columns = {"prediction": self._named(said, offsets), "gold": self._named(gold, offsets)}
        return {"frequent_tag": pa.table(columns)}

    def _tagged(self, split: Split) -> "tuple[pa.Array, np.ndarray, np.ndarray]":
        """All words of a split, their tags, and where those of each row begin."""
        from bertspec.catalog.task_parts import tagged_rows as tr

        rows, tokens = split.rows, split.tokens
        if "tags" in rows.column_names:
            return rows["tokens"].combine_chunks().flatten(), *self._given(rows)
        offsets = tr.word_offsets(rows, tokens)
        return tr.words_of_texts(rows, tokens, offsets), tokens.items("word_tags"), offsets

    def _named(self, tags: "np.ndarray", offsets: "np.ndarray") -> "pa.ListArray":
        import pyarrow as pa

        from bertspec.catalog.task_parts.tagged_rows import lists_of

        names = pa.array(self._tagging.names, pa.string())
        return lists_of(names.take(pa.array(tags)), offsets)

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        return measurer(names, self._tagging, predictions)

    def classes(self) -> tuple[str, ...]:
        return self.labels

    def measure_classes(self, predictions: "pa.Table") -> Mapping[str, Mapping[str, float]]:
        return measure_types(self._tagging, predictions)

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        return {"entities": prediction["entities"], "tags": prediction["prediction"]}

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        from bertspec.catalog.task_parts.tagged_rows import entity_type

        return {"entities": pa.list_(entity_type()), "tags": pa.list_(pa.string())}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        found = [f"{e['label']} {e['text']} {e['score']:.1%}" for e in answer["entities"]]
        return ", ".join(found) or "no entities"
