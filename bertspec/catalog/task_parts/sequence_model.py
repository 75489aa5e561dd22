"""What tasks with one output for a text share: the model, and the scores of a text's windows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task_parts.loading import load_model, with_head_dropout

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoded, Encoder


def sequence_model(
    auto: str,
    base: Path,
    dropout: float | None,
    **config: Any,
) -> "PreTrainedModel":
    """A base with the head that `auto`, a class of transformers, puts on it. See
    `Task.build_model`.
    """
    from transformers import AutoConfig

    options = AutoConfig.from_pretrained(base, local_files_only=True, **config)
    with_head_dropout(options, dropout)
    return load_model(auto, base, options)


def of_labels(labels: Sequence[str]) -> dict[str, Any]:
    """What a config says of a head with an output for each of some labels."""
    return {
        "num_labels": len(labels),
        "id2label": dict(enumerate(labels)),
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def encode_texts(rows: "pa.Table", encoder: "Encoder") -> "Encoded":
    """Prepared rows' `text`, with its `text_pair` where there is one."""
    pairs = rows["text_pair"] if "text_pair" in rows.column_names else None
    return encoder.encode(rows["text"], pairs)


def aggregated(tokens: Tokens, kept: "Sequence[np.ndarray]") -> "np.ndarray":
    """The outputs of each example, (examples, outputs) float64, from those of its sequences.

    `mean` and `max` of each output, or those of the `first` sequence; with `vote`, the logarithm
    of the share of the sequences in which an output is the largest, so that softmax gives shares.
    """
    import numpy as np

    outputs = np.stack(kept).astype(np.float64)
    starts = tokens.firsts
    if len(starts) == len(outputs) or tokens.aggregate == "first":
        return outputs[starts]
    if tokens.aggregate == "max":
        return np.maximum.reduceat(outputs, starts)
    counts = np.diff(np.append(starts, len(outputs)))[:, None]
    if tokens.aggregate == "mean":
        return np.add.reduceat(outputs, starts) / counts
    votes = np.zeros_like(outputs)
    votes[np.arange(len(outputs)), outputs.argmax(axis=1)] = 1.0
    with np.errstate(divide="ignore"):
        found = np.log(np.add.reduceat(votes, starts) / counts)
    # One sequence is no vote, whatever other examples have.
    return np.where(counts == 1, outputs[starts], found)


def softmax(outputs: "np.ndarray") -> "np.ndarray":
    """Probabilities of each row of logits, (rows, labels) float32."""
    import numpy as np

    powers = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def sigmoid(outputs: "np.ndarray") -> "np.ndarray":
    """The probability that each logit is, float32."""
    import numpy as np

    with np.errstate(over="ignore"):  # of a very low logit: its probability is 0
        return (1 / (1 + np.exp(-outputs.astype(np.float64)))).astype(np.float32)
