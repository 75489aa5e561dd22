"""export: the trained model in other formats, each shown to give the same as PyTorch."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.export import INPUTS, Runner
from bertspec.catalog.task import ID_COLUMN, Decision, Task
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import CheckFailed
from bertspec.core.progress import progress
from bertspec.pipeline.params.export import ExportParams
from bertspec.runtime.bundle import VERSION, Bundle
from bertspec.runtime.context import Context
from bertspec.runtime.examples import Examples, read_examples
from bertspec.runtime.inference import Run, infer, model_runner
from bertspec.runtime.predictions import predicted
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, quiet
from bertspec.runtime.trained import load_trained, pad_id_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

SHOWN = 10


def run(context: Context[ExportParams]) -> None:
    """Write the bundle, and parity.json: each export compared on every row of the test split.

    Raises CheckFailed (E450), and publishes nothing, when a prediction differs from PyTorch's or
    a part of the output differs by more than the export's tolerance.
    """
    params, trained, folder = context.params, context.inputs["trained"], context.outputs["export"]
    task, tokenized = params.task, context.inputs["tokenized"]
    quiet()
    deterministic(0, context.threads)
    model, pad_id = load_trained(trained), pad_id_of(trained)
    about = read_tokenized(tokenized, task)
    policy = about.tokenization["long_documents"]
    decision = json.loads(context.inputs["decision"].read_text(encoding="utf-8"))
    examples = read_examples(context.inputs["prepared"], tokenized, "test", params.aggregate)
    expected, _ = infer(model_runner(model, task), task, examples.tokens, pad_id)
    # An exporter puts a module back into the mode that it found: the wrapper's must be eval, too.
    module = exported_module(model, task).eval()
    parity: dict[str, Any] = {}
    failures: list[Diagnostic] = []
    with progress("export", len(params.export)) as bar:
        for export in params.export:
            export.write(module, folder / export.filename)
            run_export = _as_torch(export.runner(folder / export.filename, context.threads or 1))
            got, _ = infer(run_export, task, examples.tokens, pad_id)
            compared = _compare(task, examples, expected, got, decision)
            parity[export.type] = compared.summary() | {"tolerance": export.tolerance}
            failures += _failures(export.type, export.tolerance, examples, compared)
            bar()
    if failures:
        raise CheckFailed(failures)
    shutil.copyfile(trained / TOKENIZER, folder / TOKENIZER)
    Bundle(
        version=VERSION,
        task=task.model_dump(mode="json"),
        max_length=about.tokenization["max_length"],
        long_documents=policy | ({"aggregate": params.aggregate} if params.aggregate else {}),
        fields=tuple(about.fields),
        decision=decision,
        pad_id=pad_id,
        models={export.type: export.filename for export in params.export},
    ).write(folder)
    text = json.dumps(parity, indent=2)
    context.outputs["parity"].write_text(text + "\n", encoding="utf-8")


def exported_module(model: "PreTrainedModel", task: Task) -> "torch.nn.Module":
    """A module that takes INPUTS in order and gives `Task.forward`."""
    import torch

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor,
        ) -> torch.Tensor:
            inputs = (input_ids, attention_mask, token_type_ids)
            return task.forward(self.model, dict(zip(INPUTS, inputs, strict=True)))

    return Exported()


def _as_torch(runner: Runner) -> Run:
    import torch

    return lambda batch: torch.from_numpy(runner({n: batch.inputs[n].numpy() for n in INPUTS}))


@dataclass(frozen=True)
class Compared:
    """An export's outputs against PyTorch's."""

    differences: "np.ndarray"
    """Of each row, the largest of any part of its output."""
    flipped: "np.ndarray"
    """Of each row, whether what is predicted differs."""

    def summary(self) -> dict[str, float]:
        return {
            "rows": len(self.differences),
            "flips": int(self.flipped.sum()),
            "max_difference": float(self.differences.max(initial=0.0)),
        }


def _compare(
    task: Task,
    examples: Examples,
    expected: "Sequence[np.ndarray]",
    got: "Sequence[np.ndarray]",
    decision: Decision,
) -> Compared:
    import numpy as np
    import pyarrow as pa

    differences = np.zeros(len(examples))
    each = [abs(e - g).max(initial=0.0) for e, g in zip(expected, got, strict=True)]
    np.maximum.at(differences, examples.tokens.examples, each)
    said = [predicted(task, examples, kept, decision)["prediction"] for kept in (expected, got)]
    kind = said[0].type
    inner = kind.value_type if pa.types.is_list(kind) else kind
    if pa.types.is_floating(inner):  # the tolerance says all of numbers
        return Compared(differences, np.zeros(len(examples), bool))
    pairs = zip(*(column.to_pylist() for column in said), strict=True)
    return Compared(differences, np.array([one != other for one, other in pairs], bool))


def _failures(
    kind: str, tolerance: float, examples: Examples, compared: Compared
) -> list[Diagnostic]:
    difference, flipped = compared.differences, compared.flipped
    wrong = (flipped | ~(difference <= tolerance)).nonzero()[0]
    if not len(wrong):
        return []
    ids = examples.rows[ID_COLUMN]
    rows = ", ".join(f"{ids[int(i)]} ({difference[i]:.2g})" for i in wrong[:SHOWN])
    return [
        Diagnostic(
            "E450",
            f"the {kind} export differs from PyTorch in {len(wrong)} of {len(examples)} test rows, "
            f"in {int(flipped.sum())} of them in what is predicted: {rows}",
            f"the bound is {tolerance:g}; raise `tolerance` of the export only if you know why",
        )
    ]
