"""A format in its own runtime, as one function from token ids to logits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.export import INPUTS, Runner
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.task import Task
from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.runtime.benching.formats import PYTORCH, Format
from bertspec.runtime.bundle import RESTORE

if TYPE_CHECKING:
    import numpy as np


def load(format: Format, task: Task, threads: int) -> Runner:
    """The format as parity runs it.

    Raises InputError for a broken file (E451, or E407 of the trained model), and
    ModuleNotFoundError where its runtime is not installed.
    """
    if format.kind == PYTORCH:
        return _pytorch(format.path, task, threads)
    export = EXPORTS[format.kind].model_validate({"type": format.kind})
    with loading(format.path):
        return export.runner(format.path, threads, task)


@contextmanager
def loading(path: Path) -> Iterator[None]:
    """Raise InputError (E451) for a file that is missing, and for whatever a library says of it."""
    if not path.exists():
        raise InputError.of("E451", f"{path} is missing", RESTORE)
    try:
        yield
    except (BertspecError, ModuleNotFoundError):
        raise
    except Exception as error:  # noqa: BLE001 - their errors share no class
        raise InputError.of("E451", f"{path} cannot be loaded: {reason(error)}", RESTORE) from None


def _pytorch(trained: Path, task: Task, threads: int) -> Runner:
    import torch

    from bertspec.runtime.torch_setup import quiet
    from bertspec.runtime.trained import load_trained

    quiet()
    torch.set_num_threads(threads)
    model = load_trained(trained)

    def run(inputs: "Mapping[str, np.ndarray]") -> "np.ndarray":
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(inputs[name]) for name in INPUTS}
            return task.forward(model, tensors).numpy()

    return run
