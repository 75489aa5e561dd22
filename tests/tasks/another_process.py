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
from functools import partial
from pathlib import Path
from bertspec.catalog.export import Shared, Trained
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.tasks import TASKS
from bertspec.runtime.calibration import training_batches
from bertspec.runtime.export import exported_module
from bertspec.runtime.tokenized import read_tokenized
from bertspec.runtime.torch_setup import deterministic, quiet
from bertspec.runtime.trained import load_trained, pad_id_of
quiet()
deterministic(0, 1)
for line in sys.stdin:
    options, trained, tokenized, forms, target = json.loads(line)
    task, trained = TASKS[options["type"]].model_validate(options), Path(trained)
    tokenized = Path(tokenized)
    about = read_tokenized(tokenized, task)
    module = exported_module(load_trained(trained), task).eval()
    shared = Shared(
        training_batches=partial(training_batches, tokenized, task, pad_id_of(trained)),
        trained=Trained(task, trained, about.tokenization["max_length"]),
    )
    for form in forms:
        export = EXPORTS[form["type"]].model_validate(form)
        export.write(module, Path(target) / export.filename, shared)
    print("written", flush=True)
"""

Writes = Callable[[dict[str, Any], Path, list[dict[str, Any]], Path], None]
"""Writes forms of a task's model in a built project to a folder."""


@contextmanager
def another_process(seed: int = 7) -> Iterator[Writes]:
    """What exports there. `seed` is that of hashes."""
    with subprocess.Popen(
        [sys.executable, "-c", _EXPORTS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
    ) as process:
        assert process.stdin
        assert process.stdout

        def write(
            task: dict[str, Any], root: Path, forms: list[dict[str, Any]], target: Path
        ) -> None:
            (tokenized,) = (p for p in (root / "data/rows/tokenized").iterdir() if p.is_dir())
            paths = (str(root / "models/tiny/trained"), str(tokenized))
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps([task, *paths, forms, str(target)]) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "written\n"

        yield write
