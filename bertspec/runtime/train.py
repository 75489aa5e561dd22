"""train: the base model with the task's head, trained; a folder that transformers loads."""

import shutil
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.catalog.task import Task
from bertspec.core.digest import digest
from bertspec.core.errors import InputError, is_out_of_memory, reason
from bertspec.core.files import make_ignored
from bertspec.core.manifest import digest_artifact
from bertspec.pipeline.layout import CURVES
from bertspec.pipeline.params.train import TrainParams
from bertspec.runtime.context import Context
from bertspec.runtime.examples import read_examples
from bertspec.runtime.hardware import hardware_class
from bertspec.runtime.predictions import predicted
from bertspec.runtime.tables import write_csv
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, device_of, quiet
from bertspec.runtime.trained import pad_id_of
from bertspec.runtime.training.batches import read_tokens
from bertspec.runtime.training.checkpoints import Checkpoints, Curves
from bertspec.runtime.training.checks import require_fit, require_measurable
from bertspec.runtime.training.fused import fused
from bertspec.runtime.training.gradients import recompute_activations
from bertspec.runtime.training.graphs import graphs
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.lora import adapted
from bertspec.runtime.training.measurements import Score, unpublished
from bertspec.runtime.training.memory import within_memory
from bertspec.runtime.training.no_number import in_files
from bertspec.runtime.training.normalization import norms_in_bf16
from bertspec.runtime.training.packing import packing
from bertspec.runtime.training.processes import processes
from bertspec.runtime.training.teachers import load_teacher
from bertspec.runtime.training.team import Team
from bertspec.runtime.training.tensorboard import observed
from bertspec.runtime.training.vocabulary import known_tokens_only

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def run(context: Context[TrainParams]) -> None:
    """Write the trained model, its tokenizer, and the curves of loss and learning rate.

    Raises InputError: E205 for data tokenized for another task, E402 for weights that cannot be
    read, E403 for a family that cannot be trained so, E404 for a loss that is no number, E405 for
    no training row, or none of a label, E406 for data that the model does not take, and what
    `load_teacher` raises.
    EnvironmentFault: E502 for TensorBoard that is not installed, E506 for too little memory, E507
    for one of several processes that has ended, E508 for no GPU where the lock says one;
    Interrupted, after a checkpoint, for Ctrl-C and SIGTERM.
    """
    inputs = {role: digest_artifact(path) for role, path in context.inputs.items()}
    # Another class of machine would go on with other bits than those of the steps before.
    machine = hardware_class(context.device or "cpu").model_dump()
    key = digest([context.identity, context.threads, context.device, machine, inputs])
    with processes(context, key) as team:
        take_part(context, key, team)


def take_part(context: Context[TrainParams], key: str, team: Team) -> None:
    """Train as one process of `team`, of which the first writes what is trained.

    `key` is that of the checkpoint. Raises what `run` does.
    """
    options, execution = context.params.training, context.execution
    has_graphs = context.device == "cuda" and execution.cuda_graphs
    divides = context.params.task.loss_is_a_sum
    with within_memory(options, divides=divides, has_graphs=has_graphs):
        curves = _trained(context, key, team)
        if not team.rank:
            _write(context, curves)


def _trained(context: Context[TrainParams], key: str, team: Team) -> Curves:
    """The curves of a training; the first process has written the model then."""
    params, base, tokenized = context.params, context.inputs["base"], context.inputs["tokenized"]
    quiet()
    device = device_of(context.device, team.rank)
    deterministic(params.training.seed, context.threads)
    read_tokenized(tokenized, params.task)
    tokens, validation = (read_tokens(tokenized, split) for split in ("train", "validation"))
    _require_every_label(params.task, tokens)
    score = _score(context)
    # Its weights are drawn on the processor, so that all devices begin with the same.
    model = _build(params, base).to(device)  # type: ignore[arg-type] # transformers wraps it
    if context.execution.gradient_checkpointing:
        recompute_activations(model)
    require_fit(model, tokens, "train")
    require_fit(model, validation, "validation")
    teacher = load_teacher(context, model, tokens)
    every = context.execution.checkpoint_seconds
    with (
        observed(_events(context, key)) as observe,
        Checkpoints(context.checkpoints, key, every, writes=not team.rank) as checkpoints,
        packing(teacher.model) if teacher else nullcontext(),
    ):
        pad_id = pad_id_of(base)
        with (
            adapted(model, params.training.lora),
            known_tokens_only(model, tokens, validation, pad_id),
            norms_in_bf16(model),
            fused(model),
            graphs(model, wanted=context.execution.cuda_graphs),
        ):
            curves = train(
                model, params.task, params.training, tokens, validation, score, pad_id,
                checkpoints, observe, teacher, team,
                unpublished if team.rank else partial(_write, context),
                partial(in_files, context.root, tokenized),
            )  # fmt: skip
        if not team.rank:
            _save(model, base, context.outputs["trained"])
    return curves


def _write(context: Context[TrainParams], curves: Curves) -> None:
    """Where they will be, also as far as they are: who waits can look at them."""
    for name in CURVES:
        write_csv(getattr(curves, name), context.outputs[name])


def _score(context: Context[TrainParams]) -> Score | None:
    """What chooses the best weights beside the loss, which needs no more than the tokens."""
    task, metric = context.params.task, context.params.training.metric_for_best_model
    if metric == "loss":
        return None
    prepared, tokenized = context.inputs["prepared"], context.inputs["tokenized"]
    validation = read_examples(prepared, tokenized, "validation", context.params.aggregate)
    require_measurable(task, metric, validation)
    return lambda kept: task.measure([metric], predicted(task, validation, kept, {}))


def _events(context: Context[TrainParams], key: str) -> Path | None:
    """The folder of TensorBoard's files: one for each training that may have another result."""
    folder = context.execution.tensorboard
    if folder is None:
        return None
    return make_ignored(context.root / folder / context.stage) / key[:8]


def _require_every_label(task: Task, tokens: Tokens) -> None:
    if not len(tokens):
        raise InputError.of(
            "E405", "the training split has no row", "add rows, or give it a share in `data.split`"
        )
    for label, count in zip(task.known_labels(), task.label_counts(tokens), strict=True):
        if not count:
            raise InputError.of(
                "E405",
                f"no training row has the label `{label}`",
                "add rows with it, or remove it from `task.labels`",
            )


def _build(params: TrainParams, base: Path) -> "PreTrainedModel":
    from safetensors import SafetensorError

    try:
        return params.task.build_model(base, params.head.dropout)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise InputError.of(
            "E402",
            f"the base in {base.name} cannot be loaded: {reason(error)}",
            "`bertspec explain-code E402` lists what a base must have",
        ) from None


def _save(model: "PreTrainedModel", base: Path, target: Path) -> None:
    # The path of the base would tell the folder of the build, and nothing of the model.
    model.config._name_or_path = ""  # noqa: SLF001 - transformers has no public way
    model.save_pretrained(target)
    for file in sorted(base.iterdir()):
        if file.suffix in (".json", ".txt") and not (target / file.name).exists():
            shutil.copyfile(file, target / file.name)
