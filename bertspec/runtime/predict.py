"""Predict with an exported model: onnxruntime and tokenizers, without torch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
from tokenizers import Encoding, Tokenizer

from bertspec.core.errors import InputError, reason
from bertspec.runtime.bundle import RESTORE, read_bundle

T = TypeVar("T")

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
    """An exported model, ready to label texts.

    Raises InputError (E451) for a folder that is none, or whose files are broken or do not fit
    together.
    """

    def __init__(self, folder: Path) -> None:
        self._bundle = read_bundle(folder)
        if "onnx" not in self._bundle.models:
            raise InputError.of(
                "E451",
                f"{folder} has no ONNX model, which predict runs",
                "add `{type: onnx}` to `export` and build it again",
            )
        self._model = folder / self._bundle.models["onnx"]
        self._session = _load(self._model, _session)
        self._tokenizer = _load(folder / "tokenizer.json", Tokenizer.from_file)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._bundle.max_length, strategy="longest_first")
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        if outputs.get("logits", [])[-1:] != [len(self._bundle.labels)]:
            raise InputError.of(
                "E451",
                f"bundle.json has {len(self._bundle.labels)} labels, and {self._model} does not "
                f"give a logit for each: its outputs are {outputs}",
                RESTORE,
            )

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
            [tuple(map(_encodable, t)) if isinstance(t, tuple) else _encodable(t) for t in texts]
        )
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i]))
        logits: dict[int, np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            logits.update(zip(places, self._run([encodings[i] for i in places]), strict=True))
        for place, text in enumerate(texts):
            powers = np.exp(logits[place].astype(np.float64) - logits[place].max())
            shares = powers / powers.sum()
            named = dict(zip(self._bundle.labels, shares.tolist(), strict=True))
            yield Prediction(text, self._bundle.labels[int(shares.argmax())], named)

    def _run(self, encodings: Sequence[Encoding]) -> np.ndarray:
        try:
            return self._session.run(["logits"], self._inputs(encodings))[0]
        except Exception as error:  # noqa: BLE001 - the errors of onnxruntime share no class
            raise InputError.of(
                "E451",
                f"{self._model} cannot label texts of the tokenizer.json and bundle.json beside "
                f"it: {reason(error)}",
                RESTORE,
            ) from None

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


def _load(path: Path, load: Callable[[str], T]) -> T:
    if not path.is_file():
        raise InputError.of("E451", f"{path} is missing", RESTORE)
    try:
        return load(str(path))
    except Exception as error:  # noqa: BLE001 - nor have those of tokenizers
        raise InputError.of("E451", f"{path} cannot be loaded: {reason(error)}", RESTORE) from None


def _session(path: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _encodable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has not, as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
