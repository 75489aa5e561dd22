"""A bertspec project in a temporary folder, for benchmarks that train: its stages, their times."""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared" / "data"

Run = dict[str, float]
"""Seconds of `train` and `evaluate`, and results on the test split, of one seed."""

BEST_SPAN = "f1_best_span"
"""F1 of the best span of questions that have an answer, however sure a model is of none."""


@dataclass(frozen=True)
class Setting:
    """What a benchmark changes of its spec, and what it runs on."""

    device: str = "cpu"
    base: str | None = None
    """A base in place of the spec's."""
    max_length: int | None = None
    epochs: int | None = None


AS_IT_IS = Setting()


def build(
    folder: Path, name: str, seed: int, precision: str = "fp32", setting: Setting = AS_IT_IS
) -> dict[str, Any]:
    """Compile the benchmark's spec with a seed and run its stages up to train; params.yaml.

    What an earlier seed has built already stays.
    """
    from bertspec.core.yaml import load_plain

    (folder / "specs").mkdir(exist_ok=True)
    spec = (REPOSITORY / "benchmarks" / "specs" / f"{name}.yaml").read_text(encoding="utf-8")
    changed = spec.replace("training: {", f"training: {{seed: {seed}, precision: {precision}, ")
    if setting.base:
        changed = re.sub("(?m)^model: .*$", f"model: {{base: {setting.base}}}", changed)
    if setting.max_length:
        changed = re.sub("max_length: [0-9]+", f"max_length: {setting.max_length}", changed)
    if setting.epochs:
        changed = re.sub(r"\bepochs: [0-9]+", f"epochs: {setting.epochs}", changed)
    (folder / "specs" / f"{name}.yaml").write_text(changed, encoding="utf-8")
    for command in (["lock", "--device", setting.device], ["compile"]):
        subprocess.run(["bertspec", *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    params: dict[str, Any] = load_plain((folder / "params.yaml").read_text(encoding="utf-8"))
    stages = params["bertspec"]["stages"]
    for kind in ("fetch", "prepare", "contract", "base", "tokenize"):
        stage = next(s for s in stages if s.endswith(f"-{kind}"))
        if not (folder / next(iter(stages[stage]["outputs"].values()))).exists():
            subprocess.run(["bertspec", "stage", stage], cwd=folder, check=True)
    return params


def measure_bertspec(folder: Path, name: str, results: Sequence[str]) -> Run:
    """Times of whole stages, process start and reading included."""
    times = {}
    for kind in ("train", "evaluate"):
        start = time.perf_counter()
        subprocess.run(["bertspec", "stage", f"{name}-{kind}"], cwd=folder, check=True)
        times[kind] = time.perf_counter() - start
    metrics = json.loads((folder / "models" / name / "metrics.json").read_text(encoding="utf-8"))
    return {**times, **{result: metrics["test"][result] for result in results}}


def best_span_f1(folder: Path, name: str) -> float:
    """BEST_SPAN of a question-answering model on the test split."""
    import numpy as np
    import pyarrow as pa
    from pydantic import TypeAdapter

    from bertspec.catalog.tasks import AnyTask
    from bertspec.catalog.tasks.question_answering import THRESHOLD
    from bertspec.core.yaml import load_plain
    from bertspec.runtime.examples import read_examples
    from bertspec.runtime.inference import infer, model_runner
    from bertspec.runtime.trained import load_trained

    params = load_plain((folder / "params.yaml").read_text(encoding="utf-8"))
    inputs = params["bertspec"]["stages"][f"{name}-evaluate"]["inputs"]
    task = TypeAdapter(AnyTask).validate_python(params[name]["task"])
    test = read_examples(folder / inputs["prepared"], folder / inputs["tokenized"], "test", None)
    kept, _ = infer(
        model_runner(load_trained(folder / inputs["trained"]), task), task, test.tokens, 0
    )
    said = task.predictions(test.rows, test.tokens, kept, {THRESHOLD: -np.inf})
    table = pa.table({**task.gold(test.rows), "prediction": said["prediction"]})
    return float(task.measure(["f1_answerable"], table)["f1_answerable"])


def measure_child(script: Path, *arguments: object) -> Run:
    """A peer in a process of its own: the last line that it prints is JSON of its results.

    `train` is the time of the whole process, start included, less that of its `evaluate` and, if
    it reads texts itself, of its `tokenize`.
    """
    command = [sys.executable, str(script), *map(str, arguments)]
    start = time.perf_counter()
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    whole = time.perf_counter() - start
    found: Run = json.loads(result.stdout.splitlines()[-1])
    return {**found, "train": whole - found["evaluate"] - found.pop("tokenize", 0.0)}


def read_tokens(tokenized: Path, split: str) -> "pa.Table":
    """All shards of a tokenized split."""
    import pyarrow as pa

    from bertspec.runtime.tables import read_arrow

    return pa.concat_tables([read_arrow(path) for path in sorted(tokenized.glob(f"{split}-*"))])


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; of one value the latter is 0."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
