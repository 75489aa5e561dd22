"""The teacher of a training: the trained model of another spec."""

from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.core.errors import InputError
from bertspec.pipeline import layout
from bertspec.pipeline.params.train import TrainParams
from bertspec.runtime.context import Context
from bertspec.runtime.tokenize import load_tokenizer
from bertspec.runtime.trained import load_trained
from bertspec.runtime.training.checks import require_fit
from bertspec.runtime.training.objective import Teacher

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_teacher(
    context: Context[TrainParams], model: "PreTrainedModel", tokens: Tokens
) -> Teacher | None:
    """The teacher of `model`, if there is one; it says as much, and reads `tokens` as the model.

    Raises InputError: E203 for a teacher in params.yaml that the stage does not depend on, E406
    and E413 for one that does not read the tokens, E413 for one with other outputs, E407 for
    files that are not as train wrote them.
    """
    options = context.params.training.distillation
    if options is None:
        return None
    name = options.teacher.name
    folder = context.inputs.get("teacher")
    if folder is None or folder != context.root / layout.trained(name):
        raise InputError.of(
            "E203",
            f"the stage `{context.stage}` was compiled for another teacher than `{name}`, or none",
            "name the teacher in the spec and run `bertspec compile`, not in params.yaml alone",
        )
    if _rules(folder) != _rules(context.inputs["base"]):
        raise InputError.of(
            "E413",
            f"the teacher `{name}` has another tokenizer than the base of this model",
            "take a base with the teacher's tokenizer, or train the teacher from one with this",
        )
    teacher = load_trained(folder, model.device)
    require_fit(teacher, tokens, "train", f"the teacher `{name}`")
    _require_same_outputs(context.params, name, teacher, model)
    return Teacher(teacher, options)


def _rules(folder: Path) -> str:
    """How a tokenizer makes token ids of a text, however long."""
    tokenizer = load_tokenizer(folder)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return str(tokenizer.to_str())


def _require_same_outputs(
    params: TrainParams, name: str, teacher: "PreTrainedModel", model: "PreTrainedModel"
) -> None:
    if params.task.output_names():
        if teacher.config.id2label != model.config.id2label:
            raise InputError.of(
                "E413",
                f"the outputs of the teacher `{name}` are not those of this model",
                "give both specs the same labels, in the same order, and train the teacher again",
            )
        return
    theirs, mine = (m.config.vocab_size for m in (teacher, model))
    if theirs != mine:
        raise InputError.of(
            "E413",
            f"the vocabulary of the teacher `{name}` has {theirs} entries, and that of this model "
            f"{mine}",
            "take a base whose config.json has the same `vocab_size`",
        )
