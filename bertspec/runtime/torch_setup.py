"""Make torch repeat itself, find its device, and make transformers hold its tongue."""

import os
import warnings
from typing import TYPE_CHECKING, Literal

from bertspec.core.errors import EnvironmentFault
from bertspec.core.verbosity import is_verbose

if TYPE_CHECKING:
    import torch


def let_waiting_threads_sleep() -> None:
    """Before torch is imported: its threads spin for microseconds while they wait for one another,
    and then sleep, where GNU's OpenMP has them spin for milliseconds.

    With any other work on the machine a spinning thread takes the time that the other one needs;
    one busy process beside a training of two threads then made it ten times slower. No result
    depends on it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def deterministic(seed: int, threads: int | None) -> None:
    """Fix seeds, threads and algorithms. Another number of threads gives other float sums."""
    # cuBLAS asks for this before its first call (NVIDIA's "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    # Which fills all new memory, in case that something reads it: a tenth of a step in bf16.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # torch has no stub of it
    torch.manual_seed(seed)


def best_device() -> Literal["cpu", "cuda"]:
    """A GPU if torch sees one."""
    import torch

    with warnings.catch_warnings():  # such as of a driver that is too old
        warnings.simplefilter("ignore")
        return "cuda" if torch.cuda.is_available() else "cpu"


def device_of(locked: str | None, rank: int = 0) -> "torch.device":
    """The device that the lock says, None for the processor; processes of a training share GPUs.

    Raises EnvironmentFault (E508) when torch sees no GPU.
    """
    import torch

    if locked is None:
        return torch.device("cpu")
    if best_device() != locked:
        raise EnvironmentFault.of(
            "E508",
            "the lock says that models are computed on a GPU, and torch sees none here",
            "`bertspec lock --device cpu` and `bertspec compile` move to the processor, which "
            "trains again",
        )
    device = torch.device(locked, rank % torch.cuda.device_count())
    torch.cuda.set_device(device)  # graphs are captured on the current one
    return device


def quiet() -> None:
    """Only errors from transformers, and no progress bars of its own, without --verbose."""
    if is_verbose():
        return
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
