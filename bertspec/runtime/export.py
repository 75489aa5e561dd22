"""export: the trained model in other formats, each shown to give the same as PyTorch."""

import json
import shutil
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.export import INPUTS, Export, NotExportableError, Shared, Trained
from bertspec.catalog.task import Task
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError, CheckFailed, InputError
from bertspec.core.progress import progress
from bertspec.pipeline.params.export import ExportParams
from bertspec.runtime.bundle import ONNX, VERSION, Bundle
from bertspec.runtime.calibration import training_batches
from bertspec.runtime.context import Context
from bertspec.runtime.examples import read_examples
from bertspec.runtime.inference import infer, infer_as_predicted, model_runner
from bertspec.runtime.ordered_sets import ordered_sets
from bertspec.runtime.parity import Expected, compare, failures
from bertspec.runtime.release.card import FILE as CARD
from bertspec.runtime.release.card import card
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.release.provenance import seal_with_provenance
from bertspec.runtime.sizes import at_sizes, failures_at_sizes
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, quiet
from bertspec.runtime.trained import load_trained, pad_id_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def run(context: Context[ExportParams]) -> None:
    """Write the bundle, with what it came from, and parity.json: each export compared on every row
    of the test split, in the batches in which predict runs them, and at fixed sizes.

    Raises CheckFailed (E450), and publishes nothing, when a prediction differs from PyTorch's or
    a part of the output differs by more than the export's tolerance; for one in fewer bits, when
    the headline metric is worse by more than its bound. Raises InputError for a model that torch
    does not export (E467), or that is too large for an export (E468).
    """
    params, trained, folder = context.params, context.inputs["trained"], context.outputs["export"]
    task, tokenized = params.task, context.inputs["tokenized"]
    quiet()
    deterministic(0, context.threads)
    model, pad_id = load_trained(trained), pad_id_of(trained)
    _require_room(params.export, model)
    about = read_tokenized(tokenized, task)
    policy = about.tokenization["long_documents"]
    decision = json.loads(context.inputs["decision"].read_text(encoding="utf-8"))
    examples = read_examples(context.inputs["prepared"], tokenized, "test", params.aggregate)
    outputs, _ = infer(model_runner(model, task), task, examples.tokens, pad_id)
    expected = Expected.of(task, examples, outputs, decision)
    max_length = about.tokenization["max_length"]
    sizes = at_sizes(model, task, examples.tokens, pad_id, max_length)
    # An exporter puts a module back into the mode that it found: the wrapper's must be eval, too.
    module = exported_module(model, task).eval()
    parity: dict[str, Any] = {}
    found: list[Diagnostic] = []
    shared = Shared(
        training_batches=partial(training_batches, tokenized, task, pad_id),
        threads=context.threads or 1,
        trained=Trained(task, trained, max_length),
    )
    with progress("export", len(params.export)) as bar:
        for export in params.export:
            path = folder / export.filename
            try:
                export.write(module, path, shared)
            except NotExportableError as error:
                raise _not_exportable(export, model, error) from error
            runner = export.runner(path, shared.threads, task)
            unfit = failures_at_sizes(export, runner, sizes)
            got = infer_as_predicted(
                runner, task, examples, about.fields, pad_id, alone=export.alone
            )
            compared = compare(task, examples, expected, got, decision)
            parity[export.name] = compared.summary(export)
            found += failures(export, examples, compared) or unfit
            bar()
    if found:
        raise CheckFailed(found)
    shutil.copyfile(trained / TOKENIZER, folder / TOKENIZER)
    bundle = Bundle(
        version=VERSION,
        task=task.model_dump(mode="json"),
        max_length=max_length,
        long_documents=policy | ({"aggregate": params.aggregate} if params.aggregate else {}),
        fields=tuple(about.fields),
        decision=decision,
        pad_id=pad_id,
        models={export.name: export.filename for export in params.export},
        alone=tuple(export.name for export in params.export if export.alone),
        default=next((e.name for e in params.export if e.type == ONNX), ONNX),
    )
    bundle.write(folder)
    origin = Origin.read(context)
    origin.write(folder)
    text = card(folder, origin, context.inputs, bundle, parity)
    (folder / CARD).write_text(text, encoding="utf-8")
    seal_with_provenance(folder, origin)
    text = json.dumps(parity, indent=2)
    context.outputs["parity"].write_text(text + "\n", encoding="utf-8")


def _require_room(exports: Sequence[Export], model: "PreTrainedModel") -> None:
    """Raise InputError (E468) for a model that is too large for one of the exports."""
    size = sum(each.numel() * each.element_size() for each in model.parameters())
    small = [each for each in exports if each.largest is not None and size > each.largest]
    if small:
        raise InputError.of(
            "E468",
            f"the weights of the model are {size / 2**30:.1f} GiB in 32-bit floats; the "
            f"{small[0].name} export takes less than 2 GiB",
            "export to `torchscript`, `torch-export` or `transformers`, or take a smaller base",
        )


def _not_exportable(
    export: Export, model: "PreTrainedModel", error: NotExportableError
) -> BertspecError:
    return InputError.of(
        "E467",
        f"PyTorch does not write the {export.name} export of a model of the family "
        f"`{model.config.model_type}`: {error}",
        "leave the export out (`{type: transformers}` needs no graph), or take a base of another "
        "family",
    )


def exported_module(model: "PreTrainedModel", task: Task) -> "torch.nn.Module":
    """A module that takes INPUTS in order and gives `Task.forward`.

    Of the last layer it computes no more than the head reads.
    """
    import torch

    from bertspec.runtime.training.first_tokens import first_tokens
    from bertspec.runtime.training.swapping import swapped

    no_more = first_tokens(model)

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
            with swapped(self.model, no_more, "cpu"), ordered_sets(self.model):
                return task.forward(self.model, dict(zip(INPUTS, inputs, strict=True)))

    return Exported()
