"""What must hold between model and data before the first step, so that no hour of work is lost."""

from typing import TYPE_CHECKING

from bertspec.catalog.batch import Tokens
from bertspec.catalog.source import SplitName
from bertspec.catalog.task import Task
from bertspec.core.errors import InputError
from bertspec.runtime.examples import Examples

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def require_fit(
    model: "PreTrainedModel", tokens: Tokens, split: SplitName, called: str = "the model"
) -> None:
    """Raise InputError (E406) for a row longer than the model's positions, or an unknown token.

    `called` is what messages call the model.
    """
    if not len(tokens):
        return
    longest = int(tokens.lengths.argmax())
    positions = _positions(model)
    if positions is not None and tokens.lengths[longest] > positions:
        raise InputError.of(
            "E406",
            f"row {tokens.row(longest)} of {split} has {tokens.lengths[longest]} tokens, "
            f"and {called} takes {positions} at most",
            f"set `tokenization.max_length` to {positions} or less",
        )
    largest, entries = int(tokens.ids.max()), _vocabulary(model)
    if largest >= entries:
        raise InputError.of(
            "E406",
            f"the tokenizer gives the id {largest}, and the vocabulary of {called} has "
            f"{entries} entries",
            "take tokenizer.json and model.safetensors from the same model",
        )


def _vocabulary(model: "PreTrainedModel") -> int:
    entries: int = model.get_input_embeddings().weight.shape[0]  # type: ignore[index,assignment]
    return entries


def _positions(model: "PreTrainedModel") -> int | None:
    """Longest row for a model that learned a vector for each position; None for any other."""
    from torch.nn import Embedding

    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, Embedding):
            # RoBERTa and its kin count positions from the one after the padding's.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - first
    return None


def require_measurable(task: Task, metric: str, validation: Examples) -> None:
    """Raise InputError (E411) for a best-model metric that the validation rows do not define."""
    if len(validation) and (reason := task.unmeasurable(metric, validation.rows)):
        raise InputError.of(
            "E411",
            f"`{metric}` cannot choose the best model: {reason}",
            "choose by another `training.metric_for_best_model`, or give validation more rows",
        )
