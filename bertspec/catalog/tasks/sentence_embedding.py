"""Sentence embedding: texts become vectors that are near where the texts are alike."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.batch import MASK, Batch, Draw, Tokens, tokens_of_new
from bertspec.catalog.metrics.retrieval import RETRIEVAL, TRIPLETS
from bertspec.catalog.task import (
    Answer,
    Decision,
    LossOptions,
    Measure,
    RunTokens,
    Splits,
    Task,
)
from bertspec.catalog.task_parts.embedding_objectives import (
    NEGATIVE,
    PAIR,
    TEXT,
    CosineSimilarity,
    InBatchNegatives,
    Objective,
)
from bertspec.catalog.task_parts.loading import load_model
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

CORRELATIONS = ("spearman", "pearson")

SHOWN = 10
"""Rows that an error names before it only counts."""

FIRST = 4
"""Numbers of a vector that are shown."""


class SentenceEmbedding(Task):
    """A vector for each text, by itself; Sentence-BERT (Reimers and Gurevych, 2019)."""

    required_columns: ClassVar[tuple[str, ...]] = ("text", "text_pair")
    optional_columns: ClassVar[tuple[str, ...]] = ("label", "negative")
    target_columns: ClassVar[tuple[str, ...]] = ("label",)
    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "head-tail")
    loss_options: ClassVar[tuple[str, ...]] = ()
    together: ClassVar[bool] = True
    adds_head: ClassVar[bool] = False
    auto_class: ClassVar[str] = "AutoModel"
    metrics: ClassVar[tuple[str, ...]] = (*CORRELATIONS, *RETRIEVAL, *TRIPLETS)
    metric_columns: ClassVar[Mapping[str, str]] = dict.fromkeys(TRIPLETS, "negative")
    hub_task: ClassVar[str] = "sentence-similarity"

    type: Literal["sentence-embedding"] = Field(description="A vector for each text.")
    objective: Objective = Field(
        default=InBatchNegatives(type="in-batch-negatives"),
        description="What vectors are trained for: that similarities are those of the labels, or "
        "that texts which belong together are nearest.",
    )
    pooling: Literal["mean", "cls"] = affecting(
        "train",
        "evaluate",
        "export",
        default="mean",
        description="The vector of a text: the mean of its tokens', or that of the first.",
    )
    normalize: bool = affecting(
        "train",
        "evaluate",
        "export",
        default=True,
        description="Whether vectors have length 1. Their cosine similarity is then their product.",
    )

    @property
    def exact(self) -> bool:
        return not isinstance(self.objective, CosineSimilarity)

    @property
    def headline(self) -> str:
        return "spearman" if isinstance(self.objective, CosineSimilarity) else "recall_at_1"

    @classmethod
    def input_columns(cls) -> tuple[str, ...]:
        return ("text",)

    @property
    def loss_is_a_sum(self) -> bool:
        return isinstance(self.objective, CosineSimilarity)

    def column_kind(self, name: str) -> Literal["text", "list", "number"]:
        return "number" if name == "label" else "text"

    def unfit_metric(self, name: str) -> str | None:
        fitting = (
            CORRELATIONS
            if isinstance(self.objective, CosineSimilarity)
            else (*RETRIEVAL, *TRIPLETS)
        )
        if name in fitting:
            return None
        kind = self.objective.type
        return f"`{name}` is not for `objective.type: {kind}`, which has {', '.join(fitting)}"

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        of_labels = isinstance(self.objective, CosineSimilarity)
        if of_labels and "label" not in columns:
            yield (
                ("objective",),
                "`type: cosine` needs `data.columns.label`, how alike the texts are",
                "name it: `label: {column: ..., number: true}`",
            )
        useless = "negative" if of_labels else "label"
        if useless in columns:
            other = "in-batch-negatives" if of_labels else "cosine"
            yield (
                ("objective",),
                f"`type: {self.objective.type}` has no use for `data.columns.{useless}`",
                f"leave the column out, or write `objective: {{type: {other}}}`",
            )

    def check_targets(self, rows: "pa.Table") -> None:
        """Raise InputError (E342) for labels outside of `objective.scale`."""
        from pyarrow import compute as pc

        if not isinstance(self.objective, CosineSimilarity):
            return
        low, high = self.objective.scale
        outside = pc.or_(pc.less(rows["label"], low), pc.greater(rows["label"], high))
        wrong = rows.filter(outside)
        found = [
            Diagnostic(
                "E342",
                f"{row['file']}, row {row['row']}: {row['label']:g} is not between {low:g} and "
                f"{high:g}",
                "correct the row, or say in `task.objective.scale` which labels there are",
            )
            for row in wrong.slice(0, SHOWN).to_pylist()
        ]
        if len(wrong) > SHOWN:
            rest = f"{len(wrong)} rows in all are outside of the scale"
            found.append(Diagnostic("E342", rest, "is `data.columns.label` the right column?"))
        if found:
            raise InputError(found)

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The task's own columns: `part`, and `label` of the example where there are labels."""
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.several import encode_several, numbers

        fields = [c for c in ("text", "text_pair", "negative") if c in rows.column_names]
        count = len(fields)
        texts = pa.concat_arrays([rows[field].combine_chunks() for field in fields])
        order = np.arange(len(texts)).reshape(count, -1).T.ravel()
        examples = np.repeat(np.arange(len(rows)), count)
        columns = encode_several(encoder, examples, texts.take(numbers(order)))
        columns["part"] = numbers(np.tile(np.arange(count, dtype=np.int8), len(rows)))
        if "label" in rows.column_names:
            columns["label"] = rows["label"].combine_chunks().take(numbers(examples))
        return pa.table(columns)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        from transformers import AutoConfig

        if dropout is not None:
            raise InputError.of(
                "E403", "a model for vectors has no head, and so no dropout before it",
                "remove `model.head.dropout`",
            )  # fmt: skip
        config = AutoConfig.from_pretrained(base, local_files_only=True)
        return load_model(self.auto_class, base, config)

    def complete_folder(self, folder: Path, max_length: int) -> None:
        """Pooling and normalisation as sentence-transformers reads them."""
        from bertspec.catalog.task_parts.sentence_folder import write_sentence_folder

        write_sentence_folder(folder, max_length, self.pooling, normalize=self.normalize)

    def forward(
        self, model: "PreTrainedModel", inputs: "Mapping[str, torch.Tensor]"
    ) -> "torch.Tensor":
        """The vector of each sequence, (batch, hidden); padding has no part in it."""
        from torch.nn.functional import normalize

        tokens = model(**inputs).last_hidden_state.float()
        if self.pooling == "cls":
            vectors = tokens[:, 0]
        else:
            mask = inputs[MASK].unsqueeze(-1).to(tokens.dtype)
            vectors = (tokens * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return normalize(vectors, dim=1) if self.normalize else vectors

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        """Targets: each sequence's label (float32); without labels, (batch, 2): `part`, and a
        number for its token ids, the same for equal ones.
        """
        import numpy as np
        import torch

        if isinstance(self.objective, CosineSimilarity):
            labels = tokens.numbers("label")[batch.rows].astype(np.float32)
            return replace(batch, targets=torch.from_numpy(labels))
        parts, contents = tokens.numbers("part")[batch.rows], tokens.contents[batch.rows]
        return replace(batch, targets=torch.from_numpy(np.stack([parts, contents], axis=1)))

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        return self.objective.loss(outputs, batch.targets)

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Columns: `prediction`, the cosine similarity of the pair; without labels also `rank`, of
        `text_pair` among those of `rows`, and with negatives `negative_similarity`.
        """
        import numpy as np

        vectors = np.stack(kept).astype(np.float64)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        parts = tokens.numbers("part")
        text, pair, negative = (vectors[parts == part] for part in (TEXT, PAIR, NEGATIVE))
        return self._table(rows, text, pair, negative)

    def _table(self, rows: "pa.Table", text: Any, pair: Any, negative: Any) -> "pa.Table":
        """See `predictions`. Unit vectors, or sparse ones; of `negative` perhaps none."""
        import pyarrow as pa

        from bertspec.catalog.metrics.retrieval import ranks

        columns = {"prediction": _similarity(text, pair)}
        if not isinstance(self.objective, CosineSimilarity):
            columns["rank"] = pa.array(ranks(text, pair, rows["text_pair"]), pa.int32())
            if negative.shape[0]:
                columns["negative_similarity"] = _similarity(text, negative)
        return pa.table(columns)

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        return {"gold": rows["label"]} if isinstance(self.objective, CosineSimilarity) else {}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        from bertspec.catalog.metrics import regression, retrieval

        if isinstance(self.objective, CosineSimilarity):
            return regression.measurer(names, 1, predictions)
        return retrieval.measurer(names, predictions)

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        if name in TRIPLETS and "negative" not in rows.column_names:
            return "the data has no `negative`"
        if name in CORRELATIONS and len(rows["label"].unique()) < 2:  # noqa: PLR2004 - all the same
            return "all rows of the split have one label"
        return None

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """How many stand before the right text; with labels, how far the row is in the order by
        similarity from its place in the order by label, as a share of the rows.
        """
        import numpy as np
        from scipy.stats import rankdata

        if not isinstance(self.objective, CosineSimilarity):
            return predictions["rank"].to_numpy().astype(float) - 1
        said, gold = (rankdata(predictions[n].to_numpy()) for n in ("prediction", "gold"))
        return np.abs(said - gold) / len(said)

    def told(self, row: Mapping[str, Any]) -> Told:
        similarity = f"similarity {row['prediction']:.3f}"
        if isinstance(self.objective, CosineSimilarity):
            return Told([("", f"label {row['gold']:g}")], [("", similarity)])
        return Told([("", "rank 1")], [("", f"rank {row['rank']:,}, {similarity}")])

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """Vectors of words, weighted by TF-IDF."""
        from bertspec.catalog.task_parts.overlap import word_weights

        train, test = splits["train"].rows, splits["test"].rows
        words = word_weights(train["text"].to_pylist(), train["text_pair"].to_pylist())
        negative = test["negative"].to_pylist() if "negative" in test.column_names else []
        texts = test["text"].to_pylist(), test["text_pair"].to_pylist(), negative
        found = self._table(test, *map(words, texts))
        for name, column in self.gold(test).items():
            found = found.append_column(name, column)
        return {"tf_idf": found}

    def baseline(self, predictions: "pa.Table") -> tuple[float, str]:
        if isinstance(self.objective, CosineSimilarity):
            return 0.0, "similarities that follow nothing"
        return 1 / len(predictions), "finding one at random"

    def respond(
        self, rows: "pa.Table", encoder: "Encoder", run: RunTokens, decision: Decision
    ) -> Sequence[Answer]:
        tokens = tokens_of_new(self.encode(rows, encoder), encoder.aggregate)
        return [self.answer({"embedding": vector.tolist()}) for vector in run(tokens)]

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        return {"embedding": prediction["embedding"]}

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        return {"embedding": pa.list_(pa.float32())}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        vector = answer["embedding"]
        shown = " ".join(f"{number:6.3f}" for number in vector[:FIRST])
        return f"{len(vector)} numbers: {shown}{' ...' if len(vector) > FIRST else ''}"


def _similarity(one: Any, other: Any) -> "pa.Array":
    """Of unit vectors, or sparse ones, row by row."""
    import numpy as np
    import pyarrow as pa
    from scipy.sparse import issparse

    products = one.multiply(other) if issparse(one) else one * other
    return pa.array(np.asarray(products.sum(axis=1)).ravel().tolist(), pa.float32())
