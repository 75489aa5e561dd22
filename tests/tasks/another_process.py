"""Exports by a process that has trained nothing: one for all tasks, as its start takes seconds."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OWN_GRAPHS = ("causal-lm", "multiple-choice", "sentence-embedding")
"""Tasks whose graph is more than the heads of transformers with the inputs as they are."""

_EXPORTS = """
import json, sys
from pathlib import Path
from bertspec.catalog.export import Shared
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.tasks import TASKS
from bertspec.runtime.export import exported_module
from bertspec.runtime.trained import load_trained
for line in sys.stdin:
    options, trained, target = json.loads(line)
    task = TASKS[options["type"]].model_validate(options)
    module = exported_module(load_trained(Path(trained)), task).eval()
    Onnx(type="onnx").write(module, Path(target), Shared())
    print("written", flush=True)
"""


@contextmanager
def another_process() -> Iterator[Callable[[dict[str, Any], Path, Path], None]]:
    """What writes model.onnx of a task and its trained model there."""
    with subprocess.Popen(
        [sys.executable, "-c", _EXPORTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    ) as process:
        assert process.stdin
        assert process.stdout

        def export(task: dict[str, Any], trained: Path, target: Path) -> None:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps([task, str(trained), str(target)]) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "written\n"

        yield export
