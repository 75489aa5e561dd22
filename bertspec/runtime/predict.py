"""Predict with an exported model: onnxruntime and tokenizers, without torch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
import pyarrow as pa
from pydantic import ValidationError
from tokenizers import Tokenizer

from bertspec.catalog.batch import Tokens, padded
from bertspec.catalog.encoding.encoder import Encoder
from bertspec.catalog.task import Task
from bertspec.catalog.tasks import TASKS
from bertspec.core.errors import InputError, reason
from bertspec.runtime.bundle import FILE, RESTORE, Bundle, read_bundle
from bertspec.runtime.training.batches import batches_by_length

T = TypeVar("T")

CHUNK = 1024
"""Inputs held at once: enough to sort by length, few enough for any length of input."""

_FORMS = {"text": "write it as one text", "list": 'write it as `["...", "..."]`'}

Input = Mapping[str, str | Sequence[str]]
"""The value of each of `Bundle.fields`: a text, or a list of texts."""


class Predictor:
    """An exported model, ready to predict.

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
        self.task = _task(self._bundle, folder)
        self._model = folder / self._bundle.models["onnx"]
        self._session = _load(self._model, _session)
        _require_outputs(self.task, self._session, self._model)
        tokenizer = _load(folder / "tokenizer.json", Tokenizer.from_file)
        self._encoder = Encoder(tokenizer, self._bundle.max_length, self._bundle.long_documents)

    @property
    def fields(self) -> Sequence[str]:
        """What every input has."""
        return self._bundle.fields

    def predict(self, inputs: Iterable[Input]) -> Iterator[dict[str, Any]]:
        """`Task.answer` for each input, in order. Reads the inputs in chunks, as they come.

        Raises InputError (E453) for an input without the model's fields.
        """
        stream = iter(inputs)
        while chunk := list(islice(stream, CHUNK)):
            for value in chunk:
                self._check(value)
            yield from self._predict(chunk)

    def _check(self, value: Input) -> None:
        if set(value) != set(self.fields):
            raise InputError.of(
                "E453",
                f"the model takes {_listed(self.fields)}, and it was given {_listed(list(value))}",
                "see `bertspec predict --help`",
            )
        for name, given in value.items():
            wanted = "list" if self.task.column_kind(name) == "list" else "text"
            if _kind(given) != wanted:
                raise InputError.of(
                    "E453", f"`{name}` must be a {wanted}, and it is {given!r:.60}", _FORMS[wanted]
                )

    def _predict(self, inputs: Sequence[Input]) -> Iterator[dict[str, Any]]:
        columns = {name: [_encodable(value[name]) for value in inputs] for name in self.fields}
        rows = pa.table({name: pa.array(values) for name, values in columns.items()})
        yield from self.task.respond(rows, self._encoder, self._run, self._bundle.decision)

    def _run(self, tokens: Tokens) -> list[np.ndarray]:
        kept: list[np.ndarray] = [np.empty(0)] * len(tokens)
        try:
            for places in batches_by_length(tokens.lengths, self.task.rows_at_once):
                inputs = padded(tokens, places, self._bundle.pad_id)
                outputs = self._session.run(["logits"], inputs)[0]
                found = self.task.keep(outputs, inputs, None)
                for place, output in zip(places, found, strict=True):
                    kept[place] = output
        except Exception as error:  # noqa: BLE001 - the errors of onnxruntime share no class
            raise InputError.of(
                "E451",
                f"{self._model} cannot be run with the tokenizer.json and bundle.json beside it: "
                f"{reason(error)}",
                RESTORE,
            ) from None
        return kept


def _kind(value: object) -> str:
    """`text`, `list` for one of texts, or `other`."""
    if isinstance(value, str):
        return "text"
    is_list = isinstance(value, Sequence) and all(isinstance(item, str) for item in value)
    return "list" if is_list else "other"


def _task(bundle: Bundle, folder: Path) -> Task:
    path = folder / FILE
    try:
        task = TASKS[bundle.task["type"]].model_validate(bundle.task)
    except (KeyError, TypeError, ValidationError):
        raise InputError.of("E451", f"{path} has no valid task", RESTORE) from None
    known = task.input_columns()
    if not {c for c in known if c in task.required_columns} <= set(bundle.fields) <= set(known):
        raise InputError.of("E451", f"{path} has no valid fields for its task", RESTORE)
    return task


def _require_outputs(task: Task, session: Any, model: Path) -> None:
    outputs = {output.name: output.shape for output in session.get_outputs()}
    wanted = task.outputs()
    if wanted is not None and outputs.get("logits", [])[-1:] != [wanted]:
        raise InputError.of(
            "E451",
            f"the task in {FILE} needs {wanted} numbers for each text or word, and {model} does "
            f"not give them: its outputs are {outputs}",
            RESTORE,
        )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "nothing"


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


def _encodable(value: str | Sequence[str]) -> str | list[str]:
    """The text with lone surrogates, which UTF-8 has not, as question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return [str(_encodable(item)) for item in value]
