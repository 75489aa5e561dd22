"""Make torch repeat itself, and transformers hold its tongue."""

import os


def deterministic(seed: int, threads: int | None) -> None:
    """Fix seeds, threads and algorithms. Another number of threads gives other float sums."""
    # cuBLAS asks for this before its first call (NVIDIA's "Results reproducibility").
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.manual_seed(seed)


def quiet() -> None:
    """Only errors from transformers, and no progress bars of its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
