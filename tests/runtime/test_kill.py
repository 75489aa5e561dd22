"""Training by real processes that are killed or interrupted, and run again."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from bertspec.core.manifest import digest_files
from tests.projects import SPEC, Project
from tests.runtime.forks import Forks, forks
from tests.stages import run_kinds

EPOCHS = 8
STAGE = ("stage", "tiny-train")
EACH = """
new = checkpoints.Checkpoints.__init__
def each(self, folder, key, every, **options): new(self, folder, key, 0, **options)
checkpoints.Checkpoints.__init__ = each
"""
"""A checkpoint after each step."""

KILLS = {
    "anywhere": """
real = os.fsync
def fsync(descriptor):
    say()
    real(descriptor)
os.fsync = fsync
""",
    "before it is in its place": """
real = os.fsync
def fsync(descriptor):
    real(descriptor)
    say()
    hear()
os.fsync = fsync
""",
    "half-written": """
real = safetensors.torch.save_file
def save_file(tensors, path, metadata):
    real(tensors, path, metadata)
    os.truncate(path, path.stat().st_size // 2)
    say()
    hear()
    real(tensors, path, metadata)
safetensors.torch.save_file = save_file
""",
}
"""Places of a kill, and how a process tells that it is there: at each checkpoint."""

BEGINS = """
resumed = checkpoints.Checkpoints.resume
def resume(*args):
    found = resumed(*args)
    say()
    return found
checkpoints.Checkpoints.resume = resume
"""
"""Tells that it begins the first step, or goes on."""

IN_STEP = """
real, taken = torch.optim.AdamW.step, 0
def step(self, *args, **kwargs):
    global taken
    taken += 1
    if taken == STEP:
        say()
        hear()
    return real(self, *args, **kwargs)
torch.optim.AdamW.step = step
"""
"""Stops in a step until it hears something. Steps are counted from 1 in this run."""

IN_VALIDATION = """
real, runs = measurements.infer, 0
def infer(*args):
    global runs
    runs += 1
    if runs == STEP:
        say()
        hear()
    return real(*args)
measurements.infer = infer
"""
"""The same in a validation."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("kill") / "project")
    training = SPEC["training"] | {"epochs": EPOCHS, "metric_for_best_model": "f1"}
    project.write_spec(SPEC | {"training": training})
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


@pytest.fixture(scope="module")
def process(project: Project) -> Iterator[Forks]:
    with forks(project.root) as process:
        yield process


@pytest.fixture(scope="module")
def expected(project: Project, process: Forks) -> tuple[dict[str, str], int]:
    """What a training makes that nothing interrupts, and its steps."""
    assert process.run(*STAGE) == (0, "")
    curve = (project.root / "models/tiny/curves/loss.csv").read_text().splitlines()
    return _made(project), len(curve) - 1


@pytest.fixture(scope="module")
def in_fp32(
    project: Project, expected: tuple[dict[str, str], int]
) -> tuple[Project, dict[str, str], int]:
    """A project, and what is expected of it."""
    return project, *expected


@pytest.fixture(scope="module")
def in_bf16(
    project: Project, process: Forks, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, dict[str, str], int]:
    other = Project(tmp_path_factory.mktemp("bf16") / "project")
    shutil.copytree(project.root, other.root)
    spec = json.loads((other.root / "specs/tiny.json").read_text())
    spec["training"]["precision"] = "bf16"
    other.write_spec(spec)
    other.compile()
    assert process.run(*STAGE, setup=_at(other)) == (0, "")
    curve = (other.root / "models/tiny/curves/loss.csv").read_text().splitlines()
    return other, _made(other), len(curve) - 1


def _at(project: Project) -> str:
    return f"os.chdir({str(project.root)!r})\n"


def _made(project: Project) -> dict[str, str]:
    return digest_files(project.root / "models/tiny")


def _checkpoint(project: Project) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Metadata and tensors."""
    (path,) = (project.root / ".bertspec/checkpoints/tiny-train").glob("*.safetensors")
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _kept(project: Project) -> int:
    """Step of the checkpoint."""
    if not [*(project.root / ".bertspec/checkpoints/tiny-train").glob("*.safetensors")]:
        return 0
    return len(_checkpoint(project)[1]["curves.loss"])


def _left(project: Project) -> list[Path]:
    """What is temporary."""
    work = project.root / ".bertspec"
    return [
        *(work / "checkpoints").rglob("*"), *(work / "work").rglob("*"),
        *project.root.rglob("*.new"), *project.root.rglob("*.old"),
    ]  # fmt: skip


def _killed(process: Forks, setup: str, delay: float) -> bool:
    """Kill a stage so many seconds after its first step began; False where it ended before."""
    process.start(*STAGE, setup=setup + BEGINS)
    assert process.hear(), process.end()
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        process.send(signal.SIGKILL)
    code, error = process.end()
    assert (code, error) in ((-signal.SIGKILL, ""), (0, ""))
    return code != 0


def test_killed_at_random_moments_it_ends_with_the_same_bits(
    project: Project, process: Forks, expected: tuple[dict[str, str], int]
) -> None:
    """Two before there is a checkpoint, then ten all over a stage that writes one each step."""
    made, _ = expected
    seed = int(os.environ.get("KILL_SEED", time.time_ns() % 2**32))
    choose = np.random.default_rng(seed)
    process.start(*STAGE, setup=EACH + BEGINS)
    assert process.hear()
    begun = time.monotonic()
    assert process.end() == (0, "")
    seconds = time.monotonic() - begun
    assert _made(project) == made
    early, moments = choose.uniform(0, 0.5, 2), np.sort(choose.uniform(0, 1, 10))
    delays = [*early, *np.diff(moments, prepend=0)]
    print(f"KILL_SEED={seed} repeats these delays, in {seconds:.3f} s:", np.round(delays, 4))
    kept = []
    for number, delay in enumerate(delays):
        while not _killed(process, EACH if number >= len(early) else "", seconds * delay):
            assert _made(project) == made
            seconds /= 2  # it was slower when it was measured; it is trained again
        kept.append(_kept(project))
    print("steps of the checkpoints:", kept)
    assert not any(kept[: len(early)])
    assert process.run(*STAGE) == (0, "")
    assert _made(project) == made
    assert not _left(project)


@pytest.mark.parametrize(
    ("seed", "case", "kills"),
    [(1, "in_fp32", 3), (2, "in_bf16", 3),
     pytest.param(3, "in_fp32", 15, marks=pytest.mark.thorough),
     pytest.param(4, "in_bf16", 15, marks=pytest.mark.thorough)],
)  # fmt: skip
def test_killed_again_and_again_it_ends_with_the_same_bits(
    request: pytest.FixtureRequest, process: Forks, seed: int, case: str, kills: int
) -> None:
    """At each place of the writing of a checkpoint in turn."""
    project, expected, steps = request.getfixturevalue(case)
    choose = np.random.default_rng(seed)
    kept = [0]
    for number in range(kills):
        place = [*KILLS][number % len(KILLS)]
        process.start(*STAGE, setup=_at(project) + EACH + KILLS[place])
        for further in reversed(range(choose.integers(1, 5))):
            assert process.hear(), process.end()
            if further and place != "anywhere":
                process.say()
        if place == "anywhere":
            time.sleep(choose.uniform(0, 0.03))
        process.send(signal.SIGKILL)
        assert process.end() == (-signal.SIGKILL, "")
        kept.append(_kept(project))
    assert kept == sorted(kept)
    assert 0 < kept[-1] < steps
    assert process.run(*STAGE, setup=_at(project)) == (0, "")
    assert _made(project) == expected
    assert not _left(project)


@pytest.mark.parametrize(("case", "env"), [("in_fp32", {"PYTHONHASHSEED": "7"}), ("in_bf16", None)])
def test_checkpoints_of_the_same_step_are_the_same_in_another_process_and_folder(
    request: pytest.FixtureRequest,
    process: Forks,
    tmp_path: Path,
    case: str,
    env: dict[str, str] | None,
) -> None:
    """Also where it was interrupted before: weights, the best ones, and the optimizer's state.

    With `env` the other process is no fork of the same one.
    """
    project, *_ = request.getfixturevalue(case)
    other = Project(Path(shutil.copytree(project.root, tmp_path / "other")))
    with forks(other.root, **env) if env else contextlib.nullcontext(process) as another:
        for by, where, step in ((process, project, 21), (another, other, 5), (another, other, 16)):
            by.start(*STAGE, setup=_at(where) + IN_STEP.replace("STEP", str(step)))
            assert by.hear()
            by.send(signal.SIGTERM)
            by.say()
            assert by.end()[0] == 128 + signal.SIGTERM
    told, tensors = _checkpoint(project)
    assert len(tensors["curves.loss"]) == 21
    told_there, there = _checkpoint(other)
    assert told_there == told
    assert there.keys() == tensors.keys()
    parts = {name.partition(".")[0] for name in tensors}
    assert parts == {"model", "best", "curves", "optimizer"}
    assert all(torch.equal(there[name], tensor) for name, tensor in tensors.items())


def test_killed_while_outputs_are_put_in_place_it_ends_with_the_same_bits(
    project: Project, process: Forks, expected: tuple[dict[str, str], int]
) -> None:
    setup = """
real = Path.rename
def rename(self, target):
    say()
    hear()
    return real(self, target)
Path.rename = rename
"""
    for renames in (1, 2, 4):
        process.start(*STAGE, setup=EACH + setup)
        for further in reversed(range(renames)):
            assert process.hear()
            if further:
                process.say()
        process.send(signal.SIGKILL)
        assert process.end()[0] == -signal.SIGKILL
        assert _kept(project) == expected[1], "all is done, and nothing is trained again"
    assert process.run(*STAGE) == (0, "")
    assert _made(project) == expected[0]
    assert not _left(project)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("place", "at", "kept"),
    [(IN_STEP, 1, 1), (IN_STEP, 7, 7), (IN_STEP, None, None), (IN_VALIDATION, 2, 2)],
    ids=["first step", "a step", "last step", "validation"],
)
def test_an_interrupt_keeps_every_finished_step(
    project: Project,
    process: Forks,
    expected: tuple[dict[str, str], int],
    number: signal.Signals,
    place: str,
    at: int | None,
    kept: int | None,
) -> None:
    """No checkpoint is due: the only one is that of the interrupt."""
    made, steps = expected
    step = (kept or steps) * (steps // EPOCHS if place == IN_VALIDATION else 1)
    process.start(*STAGE, setup=place.replace("STEP", str(at or steps)))
    assert process.hear()
    process.send(number)
    process.say()
    code, error = process.end()
    assert code == 128 + number
    assert (
        f"interrupted; the checkpoint of step {step} of {steps} is kept, "
        "the rerun goes on from it" in error
    )
    assert "stops after this step; once more stops at once" in error
    assert _kept(project) == step
    assert not [p for p in _left(project) if "checkpoints" not in p.parts]
    left = IN_STEP.replace("STEP", str(steps - step + 1))
    assert process.run(*STAGE, setup=left) == (0, ""), "it takes no step more than are left"
    assert _made(project) == made
    assert not _left(project)


@pytest.mark.parametrize("each", [EACH, ""], ids=["with a checkpoint", "without"])
def test_a_second_interrupt_stops_at_once(
    project: Project, process: Forks, expected: tuple[dict[str, str], int], each: str
) -> None:
    # A read would not end for a signal that comes just before it.
    stays = IN_STEP.replace("STEP", "5").replace("hear()", "while True: time.sleep(0.01)")
    process.start(*STAGE, setup=each + stays)
    assert process.hear()
    process.send(signal.SIGTERM)
    process.send(signal.SIGINT)
    code, error = process.end()
    assert code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert ("the checkpoint of step 4 of" in error) is bool(each)
    assert ("nothing was left half-written, run it again" in error) is not bool(each)
    assert _kept(project) == (4 if each else 0)
    assert process.run(*STAGE) == (0, "")
    assert _made(project) == expected[0]


def test_an_ignored_interrupt_stays_ignored(
    project: Project, process: Forks, expected: tuple[dict[str, str], int]
) -> None:
    """As shells do for what runs in the background."""
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    process.start(*STAGE, setup=ignored + IN_STEP.replace("STEP", "3"))
    assert process.hear()
    process.send(signal.SIGINT)
    process.say()
    assert process.end() == (0, "")
    assert _made(project) == expected[0]
