"""Make torch repeat itself, and transformers hold its tongue."""

import os


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


def quiet() -> None:
    """Only errors from transformers, and no progress bars of its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
