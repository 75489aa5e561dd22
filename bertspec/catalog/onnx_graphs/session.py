"""An ONNX model in onnxruntime, on the processor."""

import os
from pathlib import Path
from typing import Any

from bertspec.core.packages import available_cores

SPIN_MICROSECONDS = "1000"
"""How long a thread without work looks for some before it sleeps: from one operator to the next,
and not from one run to the next, as the default does on the cores that other work waits for.
`session.force_spinning_stop`, which says just that, has left runs hanging (onnxruntime 1.32).
"""

SLOW = ["SkipLayerNormFusion"]
"""Of the fusions that onnxruntime makes of plain ONNX: see norms.py, which keeps them from files
that are for processors alone. 128 tokens of MiniLM take a tenth more of a core with it.
"""


def open_session(model: Path | bytes, threads: int | None = None) -> Any:
    """A session of a file or of its bytes, by default with a thread a core that it may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_MICROSECONDS)
    if threads is None and available_cores() < (os.cpu_count() or 1):
        threads = available_cores()  # onnxruntime would pin some to cores that it may not use
    options.intra_op_num_threads = threads or 0  # by itself it takes one a physical core
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(
        source, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW,
        enable_fallback=False,  # it would print what went wrong, and try the same again
    )  # fmt: skip
