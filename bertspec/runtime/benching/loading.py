"""A format in its own runtime, as one function from token ids to logits."""

from functools import partial
from pathlib import Path

from bertspec.catalog.export import Runner, torch_runner
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.task import Task
from bertspec.runtime.benching.formats import PYTORCH, Format
from bertspec.runtime.bundle import loading


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


def _pytorch(trained: Path, task: Task, threads: int) -> Runner:
    import torch

    from bertspec.runtime.torch_setup import quiet
    from bertspec.runtime.trained import load_trained

    quiet()
    torch.set_num_threads(threads)
    return torch_runner(partial(task.forward, load_trained(trained)))
