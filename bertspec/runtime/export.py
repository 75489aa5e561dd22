"""export: the trained model in other formats, each shown to give the same as PyTorch."""

import json
import shutil
from typing import TYPE_CHECKING, Any

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.export import INPUTS, Runner
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import CheckFailed
from bertspec.core.progress import progress
from bertspec.pipeline.params.export import ExportParams
from bertspec.runtime.bundle import VERSION, Bundle
from bertspec.runtime.context import Context
from bertspec.runtime.inference import BATCH, infer
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, quiet
from bertspec.runtime.trained import load_trained, pad_id_of
from bertspec.runtime.training.batches import Tokens, batches_by_length, collate, read_tokens

if TYPE_CHECKING:
    import numpy as np
    import torch

SHOWN = 10


def run(context: Context[ExportParams]) -> None:
    """Write the bundle, and parity.json: each export compared on every row of the test split.

    Raises CheckFailed (E450), and publishes nothing, when a label differs from PyTorch's or a
    logit differs by more than the export's tolerance.
    """
    params, trained, folder = context.params, context.inputs["trained"], context.outputs["export"]
    quiet()
    deterministic(0, context.threads)
    model, pad_id = load_trained(trained), pad_id_of(trained)
    about = read_tokenized(context.inputs["tokenized"], params.task)
    tokens = read_tokens(context.inputs["tokenized"], "test", params.task)
    expected, _ = infer(model, params.task, tokens, pad_id)
    # An exporter puts a module back into the mode that it found: the wrapper's must be eval, too.
    module = _logits_only(model).eval()
    parity: dict[str, Any] = {}
    failures: list[Diagnostic] = []
    with progress("export", len(params.export)) as bar:
        for export in params.export:
            export.write(module, folder / export.filename)
            runner = export.runner(folder / export.filename, context.threads or 1)
            got = _run_all(runner, tokens, pad_id, expected)
            parity[export.type] = _compare(tokens, expected, got) | {"tolerance": export.tolerance}
            failures += _failures(export.type, export.tolerance, tokens, expected, got)
            bar()
    if failures:
        raise CheckFailed(failures)
    shutil.copyfile(trained / TOKENIZER, folder / TOKENIZER)
    Bundle(
        version=VERSION,
        task=params.task.type,
        labels=params.task.label_names(),
        pairs=about.pairs,
        max_length=about.max_length,
        pad_id=pad_id,
        models={export.type: export.filename for export in params.export},
    ).write(folder)
    text = json.dumps(parity, indent=2)
    context.outputs["parity"].write_text(text + "\n", encoding="utf-8")


def _logits_only(model: "torch.nn.Module") -> "torch.nn.Module":
    """A module that takes INPUTS in order and gives the logits alone."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor,
        ) -> torch.Tensor:
            return self.model(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).logits

    return Logits()


def _run_all(runner: Runner, tokens: Tokens, pad_id: int, like: "np.ndarray") -> "np.ndarray":
    """Logits of each row through an exported model, in the same batches as PyTorch's."""
    import numpy as np

    logits = np.empty_like(like)
    for rows in batches_by_length(tokens, BATCH):
        inputs = collate(tokens, rows, pad_id).inputs
        logits[rows] = runner({name: inputs[name].numpy() for name in INPUTS})
    return logits


def _compare(tokens: Tokens, expected: "np.ndarray", got: "np.ndarray") -> dict[str, float]:
    return {
        "rows": len(tokens),
        "label_flips": int((expected.argmax(axis=1) != got.argmax(axis=1)).sum()),
        "max_logit_difference": float(abs(expected - got).max()),
    }


def _failures(
    kind: str, tolerance: float, tokens: Tokens, expected: "np.ndarray", got: "np.ndarray"
) -> list[Diagnostic]:
    difference = abs(expected - got).max(axis=1)
    flipped = expected.argmax(axis=1) != got.argmax(axis=1)
    wrong = (flipped | ~(difference <= tolerance)).nonzero()[0]
    if not len(wrong):
        return []
    rows = ", ".join(f"{tokens.row_ids[int(i)]} ({difference[i]:.2g})" for i in wrong[:SHOWN])
    return [
        Diagnostic(
            "E450",
            f"the {kind} export differs from PyTorch in {len(wrong)} of {len(tokens)} test rows, "
            f"{int(flipped.sum())} of them with another label: {rows}",
            f"the bound is {tolerance:g}; raise `tolerance` of the export only if you know why",
        )
    ]
