"""What tasks that say tokens of a text share: the loss, and what each text says of the model."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bertspec.catalog.batch import EVALUATION, IGNORED, Batch, Tokens, padded, unpadded
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.task import Decision, LossOptions, Measure, Splits, Task
from bertspec.catalog.task_parts.losses import weighted_cross_entropy, weighted_divergence
from bertspec.catalog.task_parts.sequence_model import sequence_model
from bertspec.catalog.telling import Told
from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoded

NO_TARGET_WEIGHT = 1e-9
"""Weight of a batch without a target, such as of empty texts, so that its loss is 0 and a number.
"""

LARGEST_EXPONENT = 700.0
"""Of e, for a 64-bit float."""

BLOCK = 1024
"""Sequences that are masked at once, where no model reads them."""

SHOWN = 60
"""Characters of a text that an error shows."""


class LanguageModel(Task):
    """A model with a score for each entry of the vocabulary at each token."""

    required_columns: ClassVar[tuple[str, ...]] = ("text",)
    long_documents: ClassVar[tuple[str, ...]] = ("truncate", "windows")
    aggregates: ClassVar[tuple[Aggregate, ...]] = ("mean",)
    rows_at_once: ClassVar[int] = 8  # there is a score for each entry of the vocabulary
    loss_options: ClassVar[tuple[str, ...]] = ("label_smoothing",)
    distillation_options: ClassVar[tuple[str, ...] | None] = ("temperature",)
    exact: ClassVar[bool] = False
    headline: ClassVar[str] = "accuracy"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "perplexity")
    lower_is_better: ClassVar[tuple[str, ...]] = ("perplexity",)

    def forward_for_loss(self, model: "PreTrainedModel", batch: Batch) -> "torch.Tensor":
        """Logits at the targets alone, (targets, vocabulary).

        The head works on each token for itself, and for a small model it is most of the work.
        """
        said = batch.targets != IGNORED

        def only_said(_module: object, _inputs: object, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[said][None]
            return output

        hook = model.base_model.register_forward_hook(only_said)
        try:
            return self.forward(model, batch.inputs)[0]
        finally:
            hook.remove()

    def loss(
        self, outputs: "torch.Tensor", batch: Batch, options: LossOptions
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        said = batch.targets != IGNORED
        logits = outputs[said] if outputs.dim() > said.dim() else outputs
        total, weight = weighted_cross_entropy(logits, batch.targets[said], options)
        return total, weight.clamp(min=NO_TARGET_WEIGHT)

    def distillation_loss(
        self,
        outputs: "torch.Tensor",
        teacher: "torch.Tensor",
        batch: Batch,
        temperature: float,
        options: LossOptions,
    ) -> "torch.Tensor":
        """Both outputs are those of `forward_for_loss`."""
        targets = batch.targets[batch.targets != IGNORED]
        return weighted_divergence(outputs, teacher, targets, temperature, options)

    def keep(
        self,
        outputs: "np.ndarray",
        inputs: "Mapping[str, np.ndarray]",
        targets: "np.ndarray | None",
    ) -> "Sequence[np.ndarray]":
        """Of each sequence `scored` of its targets; without any, `keep_new`."""
        import numpy as np

        if targets is None:
            return [self.keep_new(logits) for logits in unpadded(outputs, inputs)]
        said = targets != IGNORED
        logits = outputs[said] if outputs.ndim > said.ndim else outputs
        borders = np.cumsum(said.sum(axis=1))[:-1]
        each = zip(np.split(logits, borders), np.split(targets[said], borders), strict=True)
        return [scored(own, wanted) for own, wanted in each]

    @abstractmethod
    def keep_new(self, logits: "np.ndarray") -> "np.ndarray":
        """What an answer needs of a new sequence's logits, (tokens, vocabulary)."""

    def predictions(
        self, rows: "pa.Table", tokens: Tokens, kept: "Sequence[np.ndarray]", decision: Decision
    ) -> "pa.Table":
        """Of each text: how many of its `tokens` were to be said, how many are `correct`, and
        `nll`, the sum of their negative log-likelihoods. `prediction` is its perplexity; null for
        a text of which nothing was to be said.
        """
        import numpy as np
        import pyarrow as pa

        sums = np.array([(len(k), (k[:, 1] > 0).sum(), k[:, 0].sum(dtype=float)) for k in kept])
        starts = tokens.firsts
        counts, correct, nll = np.add.reduceat(sums, starts).T
        each = [perplexity(n, c) if c else None for n, c in zip(nll, counts, strict=True)]
        return pa.table(
            {
                "prediction": pa.array(each, pa.float64()),
                "tokens": pa.array(counts.astype(int).tolist(), pa.int64()),
                "correct": pa.array(correct.astype(int).tolist(), pa.int64()),
                "nll": pa.array(nll.tolist(), pa.float64()),
            }
        )

    def gold(self, rows: "pa.Table") -> "Mapping[str, pa.Array]":
        """Nothing: the text itself is what was to be said."""
        return {}

    def measurer(self, names: Sequence[str], predictions: "pa.Table") -> Measure:
        """Over all tokens of the texts, so that each counts the same."""
        columns = {c: predictions[c].to_numpy() for c in ("tokens", "correct", "nll")}

        def measure(counts: "np.ndarray") -> Mapping[str, float]:
            count, correct, nll = (float((counts * c).sum()) for c in columns.values())
            if not count:
                return {}
            found = {"accuracy": correct / count, "perplexity": perplexity(nll, count)}
            return {name: found[name] for name in names}

        return measure

    def faults(self, predictions: "pa.Table") -> "np.ndarray":
        """The mean negative log-likelihood of a token."""
        import numpy as np

        tokens, nll = (predictions[name].to_numpy() for name in ("tokens", "nll"))
        return nll / np.maximum(tokens, 1)

    def told(self, row: Mapping[str, Any]) -> Told:
        if row["prediction"] is None:
            return Told([], [("", "no token to say")])
        share = f"{row['correct']:,} of {row['tokens']:,} tokens right"
        return Told([], [("", f"perplexity {row['prediction']:.4g}, {share}")])

    def baselines(self, splits: Splits) -> "Mapping[str, pa.Table]":
        """`unigram` says each token by its share of the training tokens, without a look at those
        around it; one is added to the count of each entry of the vocabulary (Laplace).
        """
        import numpy as np

        train, test = splits["train"].tokens, splits["test"]
        known, wanted = train.ids[self.own_tokens(train)], targets_of(self, test.tokens)
        size = max(int(train.numbers("vocabulary")[0]), *(1 + ids.max(initial=0) for ids in wanted))
        counts = np.bincount(known, minlength=size) + 1
        nll = np.log(counts.sum() / counts)
        margins = np.full(len(counts), -1.0)
        margins[counts.argmax()] = 1.0
        kept = [np.stack([nll[ids], margins[ids]], axis=1) for ids in wanted]
        return {"unigram": self.predictions(test.rows, test.tokens, kept, {})}

    def own_tokens(self, tokens: Tokens) -> "np.ndarray":
        """Places in `Tokens.ids` of what a model may have to say, each once."""
        from bertspec.catalog.encoding.ragged import spread

        starts, ends = (tokens.numbers(name) for name in ("own_start", "own_end"))
        return spread(tokens.offsets[:-1] + starts, (ends - starts).clip(min=0))


def targets_of(task: Task, tokens: Tokens) -> "Sequence[np.ndarray]":
    """The token ids that an evaluation asks for of each sequence, in their order."""
    import numpy as np
    import torch

    found: list[np.ndarray] = []
    for start in range(0, len(tokens), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(tokens)))
        inputs = {name: torch.from_numpy(a) for name, a in padded(tokens, rows, 0).items()}
        batch = task.collate(Batch(rows, inputs, torch.empty(0)), tokens, EVALUATION)
        found += [targets[targets != IGNORED] for targets in batch.targets.numpy()]
    return found


def scored(logits: "np.ndarray", targets: "np.ndarray") -> "np.ndarray":
    """(targets, 2): the negative log-likelihood of each target, and how far its logit is above the
    best other one, (targets, vocabulary) float32; above 0 the model says it.
    """
    import numpy as np

    places = np.arange(len(targets)), targets
    normalizers = log_sum_exp(logits)
    wanted = logits[places]
    others = logits.copy()
    others[places] = -np.inf
    return np.stack([normalizers - wanted, wanted - others.max(axis=1)], axis=1)


def log_sum_exp(logits: "np.ndarray") -> "np.ndarray":
    """Over the vocabulary, (rows,) float32."""
    import numpy as np

    largest = logits.max(axis=1, keepdims=True)
    sums = np.exp(logits - largest).sum(axis=1, dtype=np.float64)
    return (largest[:, 0] + np.log(sums)).astype(np.float32)


def perplexity(nll: float, count: float) -> float:
    """The exponential of the mean negative log-likelihood of `count` tokens."""
    return math.exp(min(nll / count, LARGEST_EXPONENT))


def own_places(encoded: "Encoded") -> "tuple[np.ndarray, np.ndarray]":
    """Where in each sequence the tokens begin and end that no other sequence answers for."""
    parts = encoded.parts
    first = encoded.places - parts.starts
    return first + parts.own_starts, first + parts.own_ends


def language_model(
    auto: str, base: Path, dropout: float | None, **config: Any
) -> "PreTrainedModel":
    """A base with the head of `auto`, a class of transformers. See `Task.build_model`.

    A base without such a head gets a new one. Raises InputError (E403) for a dropout.
    """
    if dropout is not None:
        raise InputError.of(
            "E403",
            "a language model's head has no dropout of its own",
            "remove `model.head.dropout`",
        )
    return sequence_model(auto, base, None, **config)


def shown(text: str) -> str:
    """The beginning of a text, for an error."""
    return f"`{text[:SHOWN]}{'...' if len(text) > SHOWN else ''}`"
