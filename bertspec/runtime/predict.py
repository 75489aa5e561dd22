"""Predict with an exported model: onnxruntime and tokenizers, without torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from reprlib import repr as shown
from typing import TYPE_CHECKING, Any

import numpy as np

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.batch import Tokens, padded
from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.catalog.task import Answer, Task
from bertspec.core.errors import BertspecError, InputError, is_out_of_memory, reason
from bertspec.core.names import did_you_mean
from bertspec.runtime.at_once import characters, chunks, kind_of, runs
from bertspec.runtime.bundle import (
    FILE,
    RESTORE,
    Bundle,
    loading,
    no_memory,
    read_bundle,
    task_of,
)
from bertspec.runtime.seal import Seal

if TYPE_CHECKING:
    from bertspec.catalog.encoding.encoder import Encoder

_FORMS = {
    "text": ("a text", "write it as one text"),
    "list": ("a list of texts", 'write it as `["...", "..."]`'),
}
"""What a value must be, and how it is written."""

Value = str | Sequence[str]
"""A text, or a list of texts."""

Input = Mapping[str, Value] | Value
"""The value of each of `Predictor.fields`; of a model of one field, the value alone will do."""


class Predictor:
    """An exported model, ready to predict: what `bertspec.load` gives.

    It may be used again and again, which is faster than a new one: it remembers words. Several
    threads may use it at once.

    `export` is the name of one of the folder's ONNX exports, such as `onnx-int8`; by default it is
    the first one of the spec. onnxruntime computes with `threads`, by default one for each core
    that the process may use.
    Raises InputError: E451 for a folder that is none, or has no such export, or whose files are
    broken or do not fit together; E457 for a file that is not as it was exported, or is of another
    model. Raises EnvironmentFault (E504) for too little memory, as `predict` does.
    """

    def __init__(self, folder: Path, export: str | None = None, threads: int | None = None) -> None:
        self._bundle = read_bundle(folder)
        seal = Seal.read(folder)
        seal.require(FILE)
        self.task = task_of(self._bundle, folder)
        name = self._bundle.default if export is None else export
        self._model = folder / _file(self._bundle, folder, name)
        self._alone = name in self._bundle.alone
        seal.require(self._model.name, TOKENIZER, *seal.about(self._bundle.models.values()))
        # A session is made outside of Python's lock: what else is imported is imported meanwhile.
        with ThreadPoolExecutor(1) as beside:
            session = beside.submit(_session, self.task, self._model, threads)
            encoder = _encoder(self._bundle, folder / TOKENIZER)
        self._session, self._encoder = session.result(), encoder
        seal.require_stated(self._model.name, TOKENIZER)

    @property
    def fields(self) -> Sequence[str]:
        """What every input has, such as `text`, or `question` and `context`."""
        return self._bundle.fields

    def predict(self, inputs: Iterable[Input]) -> Iterator[dict[str, Any]]:
        """An answer for each input, in their order: a dictionary of plain values, as JSON has them.

        `inputs` are mappings from each of `fields` to its value: a text, or for `tokens` and
        `choices` a list of texts. For a model of one field the values alone will do. Which keys an
        answer has depends on the task, see docs/tasks.md. Inputs are read as they come, 1,024 or
        two million characters at a time; texts of about equal length are run together, and what
        is said of one hardly depends on that: the last digits of its numbers do, and in 16 bits the
        fourth. An int8 export, whose ranges are of all that it is given at once, runs each alone.

        Raises InputError (E453) at the first input that cannot be predicted: one without the
        model's fields, or with other values, or that the task cannot answer.
        """
        for number, answer in enumerate(self.outcomes(inputs), start=1):
            if isinstance(answer, BertspecError):
                answer.add_note(f"It is input {number}.")
                raise answer
            yield answer

    def outcomes(self, inputs: Iterable[Input | BertspecError]) -> Iterator[Answer]:
        """As `predict`, but with the InputError of an input in place of its answer.

        An error among the inputs is passed on in its place.
        """
        for chunk in chunks(inputs, characters):
            named = [self._checked(value) for value in chunk]
            good = [value for value in named if not isinstance(value, BertspecError)]
            answers = iter(self._answers(good) if good else ())
            for value in named:
                yield value if isinstance(value, BertspecError) else next(answers)

    def _checked(self, value: Input | BertspecError) -> Mapping[str, Value] | BertspecError:
        """The value of each field, or what is wrong."""
        if isinstance(value, BertspecError):
            return value
        if not isinstance(value, Mapping):
            if len(self.fields) > 1:
                return InputError.of(
                    "E453",
                    f"the model takes {_listed(self.fields)}, and it was given {shown(value)}",
                    "give a mapping of these",
                )
            value = {self.fields[0]: value}
        if set(value) != set(self.fields):
            return InputError.of(
                "E453",
                f"the model takes {_listed(self.fields)}, and it was given {_listed(list(value))}",
                "see `bertspec predict --help`",
            )
        for name, given in value.items():
            wanted = "list" if self.task.column_kind(name) == "list" else "text"
            if kind_of(given) != wanted:
                kind, advice = _FORMS[wanted]
                return InputError.of(
                    "E453", f"`{name}` must be {kind}, and it is {shown(given)}", advice
                )
        return value

    def _answers(self, inputs: Sequence[Mapping[str, Value]]) -> Sequence[Answer]:
        import pyarrow as pa

        columns = {name: _column([value[name] for value in inputs]) for name in self.fields}
        rows = pa.table(columns)
        return self.task.respond(rows, self._encoder, self._run, self._bundle.decision)

    def _run(self, tokens: Tokens) -> list[np.ndarray]:
        kept: list[np.ndarray] = [np.empty(0)] * len(tokens)
        try:
            for places in runs(self.task, tokens.lengths, alone=self._alone):
                inputs = padded(tokens, places, self._bundle.pad_id)
                outputs = self._session.run(["logits"], inputs)[0]
                found = self.task.keep(outputs, inputs, None)
                for place, output in zip(places, found, strict=True):
                    kept[place] = output
        except Exception as error:  # noqa: BLE001 - the errors of onnxruntime share no class
            if is_out_of_memory(error):
                raise no_memory(str(self._model), error) from None
            raise InputError.of(
                "E451",
                f"{self._model} cannot be run with the tokenizer.json and bundle.json beside it: "
                f"{reason(error)}",
                RESTORE,
            ) from None
        return kept


def _file(bundle: Bundle, folder: Path, name: str) -> str:
    """The file of the named export."""
    runnable = bundle.runnable()
    if not runnable:
        raise InputError.of(
            "E451",
            f"{folder} has no ONNX model, which predict runs",
            "add `{type: onnx}` to `export` and build it again",
        )
    if name in bundle.models and name not in runnable:
        raise InputError.of(
            "E451",
            f"predict runs ONNX models, and the export `{name}` is {bundle.models[name]}",
            f"name one of: {', '.join(runnable)}",
        )
    if name not in runnable:
        raise InputError.of(
            "E451", f"{folder} has no ONNX export `{name}`", did_you_mean(name, runnable)
        )
    return bundle.models[name]


def _session(task: Task, model: Path, threads: int | None) -> Any:
    """The model in onnxruntime, which gives what the task needs."""
    with loading(model):
        session = open_session(model, threads)
    outputs = {output.name: output.shape for output in session.get_outputs()}
    wanted = task.outputs()
    if wanted is not None and outputs.get("logits", [])[-1:] != [wanted]:
        raise InputError.of(
            "E451",
            f"the task in {FILE} needs {wanted} numbers for each text or word, and {model} does "
            f"not give them: its outputs are {outputs}",
            RESTORE,
        )
    return session


def _encoder(bundle: Bundle, path: Path) -> "Encoder":
    """What makes token ids of texts, as the model was trained."""
    from tokenizers import Tokenizer

    from bertspec.catalog.encoding.encoder import Encoder

    with loading(path):
        tokenizer = Tokenizer.from_file(str(path))
    return Encoder(tokenizer, bundle.max_length, bundle.long_documents)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "nothing"


def _column(values: Sequence[Any]) -> Any:
    """Texts, or lists of texts, as a column."""
    import pyarrow as pa

    from bertspec.catalog.encoding.encoder import column, text_column

    if isinstance(values[0], str):
        return text_column(values)
    flat = text_column([text for texts in values for text in texts])
    offsets = np.cumsum([0, *map(len, values)]).astype(np.int32)
    return pa.ListArray.from_arrays(column(pa.int32(), offsets), flat)
