"""Predict with an exported model: onnxruntime and tokenizers, without torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from bertspec.core.errors import InputError
from bertspec.runtime.bundle import read_bundle

BATCH = 32
CHUNK = 1024
"""Texts held at once: enough to sort by length, few enough for any length of input."""

Text = str | tuple[str, str]
"""A text, or a pair of texts."""


@dataclass(frozen=True)
class Prediction:
    """The label of a text, and the probability of each label."""

    text: Text
    label: str
    probabilities: Mapping[str, float]


class Predictor:
    """An exported model, ready to label texts. Raises InputError (E451) for what is none."""

    def __init__(self, folder: Path) -> None:
        self._bundle = read_bundle(folder)
        if "onnx" not in self._bundle.models:
            raise InputError.of(
                "E451",
                f"{folder} has no ONNX model, which predict runs",
                "add `{type: onnx}` to `export` and build it again",
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / self._bundle.models["onnx"]), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._bundle.max_length, strategy="longest_first")

    def predict(self, texts: Iterable[Text]) -> Iterator[Prediction]:
        """One prediction a text, in order. Reads the texts in chunks, as they come.

        Raises InputError (E453) for pairs where the model takes single texts, or the reverse.
        """
        stream = iter(texts)
        while chunk := list(islice(stream, CHUNK)):
            for text in chunk:
                self._check(text)
            yield from self._predict(chunk)

    def _check(self, text: Text) -> None:
        if isinstance(text, tuple) != self._bundle.pairs:
            wanted = "pairs of texts" if self._bundle.pairs else "single texts"
            raise InputError.of(
                "E453", f"the model takes {wanted}", "see `bertspec predict --help`"
            )

    def _predict(self, texts: Sequence[Text]) -> Iterator[Prediction]:
        encodings = self._tokenizer.encode_batch(
            [t if isinstance(t, tuple) else _encodable(t) for t in texts]
        )
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i]))
        logits: dict[int, np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            result = self._session.run(["logits"], self._inputs([encodings[i] for i in places]))[0]
            logits.update(zip(places, result, strict=True))
        for place, text in enumerate(texts):
            powers = np.exp(logits[place].astype(np.float64) - logits[place].max())
            shares = powers / powers.sum()
            named = dict(zip(self._bundle.labels, shares.tolist(), strict=True))
            yield Prediction(text, self._bundle.labels[int(shares.argmax())], named)

    def _inputs(self, encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
        longest = max(len(e) for e in encodings)
        ids = np.full((len(encodings), longest), self._bundle.pad_id, dtype=np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            length = len(encoding)
            ids[row, :length] = encoding.ids
            types[row, :length] = encoding.type_ids
            mask[row, :length] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def _encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has not, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
