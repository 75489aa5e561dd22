"""What cannot be allocated is told as that, with what to lower."""

import errno
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bertspec.core.errors import EnvironmentFault, is_out_of_memory
from bertspec.pipeline.params.train import Training
from bertspec.runtime import train
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.memory import within_memory
from tests.projects import SPEC, Project
from tests.runtime.forks import forks
from tests.stages import run_kinds


def _gpu() -> Any:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def _system() -> Any:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    "allocate",
    [lambda: torch.empty(2**50), lambda: np.empty(2**50), lambda: bytearray(2**60), _gpu, _system],
)
def test_every_kind_is_known(allocate: Callable[[], Any]) -> None:
    with pytest.raises(EnvironmentFault) as caught, within_memory(Training()):
        allocate()
    (found,) = caught.value.diagnostics
    assert found.code == "E506"
    assert "`training.batch.examples`, which is 32" in found.help
    assert "`tokenization.max_length`" in found.help
    assert "`training.batch.accumulate`" in found.help
    assert "cuda_graphs" not in found.help


def test_graphs_of_a_gpu_are_named_where_there_are_some() -> None:
    with pytest.raises(EnvironmentFault) as caught, within_memory(Training(), has_graphs=True):
        _gpu()
    assert "`training.execution.cuda_graphs: false`" in caught.value.diagnostics[0].help


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), OSError(errno.ENOSPC, "full"), ValueError("memory")]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, within_memory(Training()):
        raise error
    assert caught.value is error


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One with a large model that is to be trained; for what fails, and changes nothing."""
    project = Project.create(tmp_path_factory.mktemp("memory") / "project")
    spec = json.loads(json.dumps(SPEC))
    spec["model"]["base"]["config"]["intermediate_size"] = 65536
    spec["training"]["batch"]["examples"] = 100
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


@pytest.mark.parametrize("reader", ["read_tokens", "_require_every_label", "_score"])
def test_data_that_does_not_fit_is_told_as_that(
    project: Project, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(train, reader, lambda *_: np.empty(2**50))
    with pytest.raises(EnvironmentFault) as caught:
        run_stage("tiny-train", project.root)
    assert [found.code for found in caught.value.diagnostics] == ["E506"]


def test_out_of_memory_names_what_to_lower(project: Project) -> None:
    limit = """
import resource
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 500 * 2**20,) * 2)
"""
    with forks(project.root) as process:
        code, error = process.run("stage", "tiny-train", setup=limit)
    assert code == 3
    assert "error[E506]: training needs more memory than there is" in error
    assert "lower `training.batch.examples`, which is 100, or `tokenization.max_length`" in error
    assert not (project.root / "models/tiny").exists()
    assert not [p for p in (project.root / ".bertspec/work").rglob("*") if p.is_file()]
    assert not [*(project.root / ".bertspec/checkpoints").rglob("*.*")]
