"""A tiny base from scratch, and small changes to a model's folder."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa

from bertspec.catalog.base import Base
from bertspec.catalog.bases.scratch import ScratchBase
from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.catalog.tasks.text_classification import TextClassification
from tests.projects import SPEC, rows
from tests.stages import as_made

CONFIG: dict[str, Any] = SPEC["model"]["base"]["config"]
TASK = TextClassification(type="text-classification", labels=("bad", "good"))


def scratch(entries: int = 200, *, without: str = "", **config: Any) -> ScratchBase:
    """A base of a few thousand weights; `config` changes its architecture."""
    options = {key: value for key, value in (CONFIG | config).items() if key != without}
    return ScratchBase.model_validate(
        {
            "type": "scratch",
            "config": options,
            "tokenizer": {"type": "wordpiece", "vocab_size": entries},
        }
    )


def prepare() -> pa.Table:
    """A training split with what a scratch base reads of one."""
    return pa.table({"text": [text for text, _ in rows()] + ["Ünlike čafés, 映画!"]})


def build(base: Base, target: Path, root: Path, training: pa.Table | None = None) -> Path:
    target.mkdir(parents=True)
    base.build(target, root, training)
    return target


def copy(source: Path, target: Path, *without: str) -> Path:
    """A copy of a model's folder that lacks some files."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*without))
    return target


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    as_made(folder)


def inputs(rows: int, length: int) -> dict[str, np.ndarray]:
    """Inputs of a model, the last row half padding."""
    random = np.random.default_rng(rows * 1000 + length)
    ids = random.integers(5, 100, (rows, length))
    mask = np.ones_like(ids)
    mask[-1, length // 2 + 1 :] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def python(code: str, *arguments: str, **env: str) -> str:
    """Run code in a fresh Python; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def operators(path: Path) -> Counter[str]:
    """How many nodes of each kind an ONNX file has."""
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def fused_operators(
    path: Path, folder: Path, session: Callable[[Path], Any] = open_session
) -> tuple[dict[str, int], dict[str, int]]:
    """Of attention, normalisation, GELU and embeddings: those of a file, and those that run."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    with patch("onnxruntime.SessionOptions", return_value=options):
        session(path)
    first, second = operators(path), operators(folder / "optimized.onnx")
    return _fused(first), _fused(second)


def usual_session(path: Path) -> Any:
    """One that knows nothing of bertspec."""
    options = onnxruntime.SessionOptions()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _fused(found: Counter[str]) -> dict[str, int]:
    words = ("Attention", "LayerNormalization", "Gelu")
    return {kind: count for kind, count in found.items() if any(w in kind for w in words)}
