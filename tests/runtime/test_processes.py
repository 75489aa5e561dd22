"""Training in several processes: no result depends on how many, and none is left behind."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
import torch

from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.manifest import digest_files
from bertspec.pipeline.params.train import Training
from bertspec.runtime.child import Child
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.batches import Units, in_parts
from bertspec.runtime.training.gradients import backward
from bertspec.runtime.training.objective import Objective
from bertspec.runtime.training.sharding import backward_of_step, shards_of
from bertspec.runtime.training.team import ALONE
from tests.model.models import TASK
from tests.preloaded import MODULE
from tests.projects import SPEC, Project, rows
from tests.runtime.forks import Forks, forks
from tests.runtime.test_kill import EACH, IN_STEP
from tests.stages import run_kinds
from tests.tasks.tiny import DRAW, batch_of, encoder_of, tiny_base, tokens_of

STAGE = ("stage", "tiny-train")


def test_how_a_process_has_ended_is_said(tmp_path: Path) -> None:
    for module, how in (("tabnanny", "exit code 0: "), ("no.such", "exit code 1: ")):
        child = Child(module, tmp_path / "log.txt", {})
        assert child.hear() == ""
        assert child.how().startswith(how)
        child.end()


def _compile(
    project: Project, options: Mapping[str, Any] = MappingProxyType({}), **execution: Any
) -> None:
    """With dropout, a metric that chooses the epoch, and a last step with fewer examples."""
    spec = json.loads(json.dumps(SPEC))
    spec["training"] |= {
        "epochs": 2, "metric_for_best_model": "f1", "ema": 0.5,
        "batch": {"examples": 9, "shards": 4}, "execution": execution, **options,
    }  # fmt: skip
    project.write_spec(spec)
    project.compile()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Its validation split has two batches, so that of four processes two have none."""
    project = Project.create(tmp_path_factory.mktemp("processes") / "project")
    project.write_rows(rows(400))
    _compile(project)
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


@pytest.fixture(scope="module")
def expected(project: Project) -> dict[str, str]:
    """What one process makes."""
    _compile(project)
    run_stage("tiny-train", project.root)
    return _made(project)


@pytest.fixture(scope="module")
def process(project: Project) -> Iterator[Forks]:
    with forks(project.root) as process:
        yield process


def _made(project: Project) -> dict[str, str]:
    return digest_files(project.root / "models/tiny")


def _workers(pid: int | None = None) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(pid).children()
    return [child for child in found if "bertspec.runtime.training.worker" in child.cmdline()]


def _are_gone(workers: Sequence[psutil.Process]) -> bool:
    """Within some time; who has taken them over may not ask how they ended."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if not any(w.is_running() and w.status() != psutil.STATUS_ZOMBIE for w in workers):
            return True
        time.sleep(0.01)
    return False


FEW = {"examples": 64, "shards": 4}
"""Few steps, of two epochs, so that outputs of frozen layers are kept."""


@pytest.mark.parametrize(
    ("processes", "options"),
    [
        (2, {"lora": {"rank": 2, "dropout": 0.1}, "batch": FEW | {"accumulate": 2}}),
        (4, {"precision": "bf16", "freeze": 1, "batch": FEW}),
    ],
    ids=["2 with lora, in parts", "4 in bf16, frozen"],
)
def test_several_processes_make_what_one_makes(
    project: Project,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    processes: int,
    options: dict[str, Any],
) -> None:
    """From the first step to the last one."""
    monkeypatch.setattr(sys, "executable", str(programs / MODULE))
    made = []
    for number in (1, processes):
        _compile(project, options, processes=number)
        run_stage("tiny-train", project.root)
        made.append(_made(project))
    assert made[0] == made[1]
    assert not _workers()


def test_a_process_that_is_killed_is_told_and_the_rerun_ends_with_the_same_bits(
    project: Project, programs: Path, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What two processes have begun, four can end: the checkpoint is that of any number."""
    _compile(project, processes=2, checkpoint_seconds=1e-9)
    real, steps = torch.optim.AdamW.step, 0

    def step(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 5:
            (worker,) = _workers()
            worker.kill()
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        with pytest.raises(EnvironmentFault, match="process 2 has ended with signal SIGKILL") as e:
            run_stage("tiny-train", project.root)
    assert e.value.diagnostics[0].code == "E507"
    assert steps == 5
    assert not _workers()
    _compile(project, processes=4)
    monkeypatch.setattr(sys, "executable", str(programs / MODULE))
    run_stage("tiny-train", project.root)
    assert _made(project) == expected
    assert not _workers()
    assert not [*(project.root / ".bertspec/work").iterdir()]


def test_an_interrupt_and_a_kill_of_the_stage_leave_no_process(
    project: Project, process: Forks, expected: dict[str, str]
) -> None:
    _compile(project, processes=2)
    process.start(*STAGE, setup=EACH + IN_STEP.replace("STEP", "3"))
    assert process.hear()
    workers = _workers(process.pid)
    for one in (process.pid, *(worker.pid for worker in workers)):
        psutil.Process(one).send_signal(signal.SIGINT)  # a terminal sends it to all
    process.say()
    code, error = process.end()
    assert code == 128 + signal.SIGINT
    assert "the checkpoint of step 3 of" in error
    assert len(workers) == 1
    assert _are_gone(workers)
    process.start(*STAGE, setup=EACH + IN_STEP.replace("STEP", "2"))
    assert process.hear()
    workers = _workers(process.pid)
    process.send(signal.SIGKILL)
    assert process.end() == (-signal.SIGKILL, "")
    assert len(workers) == 1
    assert _are_gone(workers)
    _compile(project)
    assert process.run(*STAGE) == (0, "")
    assert _made(project) == expected


def test_an_error_of_another_process_is_told_once(project: Project, process: Forks) -> None:
    """As if a shard of it had needed more memory than there is."""
    _compile(project, processes=2)
    worker = """
import sys
from bertspec.runtime.training import sharding, worker
def backward_of_step(*_): raise MemoryError
sharding.backward_of_step = backward_of_step
worker.main()
"""
    setup = f"""
import subprocess
real = subprocess.Popen
def other(command, **options): return real([*command[:2], "-c", {worker!r}], **options)
subprocess.Popen = other
"""
    code, error = process.run(*STAGE, setup=setup)
    assert code == 3
    assert error.count("error[E") == error.count("error[E506]: training needs more memory") == 1


def test_settings_of_an_experiment_are_checked(project: Project) -> None:
    """As `validate` checks those of a spec."""
    _compile(project, processes=4)
    params = project.root / "params.yaml"
    text = params.read_text()
    assert text.count("shards: 4") == 1
    params.write_text(text.replace("shards: 4", "shards: 2"))
    with pytest.raises(InputError, match="shards` is 2, too few for 4 processes"):
        run_stage("tiny-train", project.root)


@pytest.mark.parametrize("examples", [14, 3])
def test_gradients_of_shards_are_those_of_the_whole_step(tmp_path: Path, examples: int) -> None:
    """Without dropout; also where there are fewer examples than shards. What has no gradient in a
    whole step has none in shards, so that it does not decay.
    """
    table = pa.table(
        {"text": [t for t, _ in rows(examples)], "label": [label for _, label in rows(examples)]}
    )
    plain = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    base = tiny_base(tmp_path, [text for text, _ in rows()], **plain)
    tokens = tokens_of(TASK, table, encoder_of(base))
    torch.manual_seed(0)
    model = TASK.build_model(base, None)
    model.train()
    model.unused = torch.nn.Parameter(torch.ones(2))
    objective = Objective(TASK)
    loss = backward(model, objective, [batch_of(TASK, tokens)])
    whole = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    training = Training.model_validate({"batch": {"shards": 8, "accumulate": 2}})
    everything = np.arange(examples)
    shards = shards_of(everything, tokens.lengths, 8)
    assert sorted(np.concatenate(shards)) == everything.tolist()
    in_two = partial(in_parts, TASK, tokens, Units(TASK, tokens), training.batch, 0, DRAW)
    sharded = backward_of_step(
        model, objective, training, 0, everything, tokens.lengths,
        partial(in_two, padded=False, by_length=False), ALONE,
    )  # fmt: skip
    assert sharded == pytest.approx(loss)
    for mine, theirs in zip(model.parameters(), whole, strict=True):
        assert (mine.grad is None) is (theirs is None)
        if theirs is not None:
            torch.testing.assert_close(mine.grad, theirs)
