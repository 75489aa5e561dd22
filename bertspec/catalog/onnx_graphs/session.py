"""An ONNX model in onnxruntime, on the processor."""

from pathlib import Path
from typing import Any


def open_session(model: Path | bytes, threads: int | None = None) -> Any:
    """A session of a file or of its bytes, by default with a thread a core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    if threads is not None:
        options.intra_op_num_threads = threads
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
