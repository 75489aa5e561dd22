"""The process of a trial: whatever becomes of it is told, and it is never left alone."""

import _thread
import threading
from pathlib import Path

import psutil
import pytest

from bertspec.core.errors import EnvironmentFault
from bertspec.sweeping.engine import Runner, outcome_of
from bertspec.sweeping.objective import Objective
from bertspec.sweeping.slot import Origin, Slot
from bertspec.sweeping.trial import Job, worker_log


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Of a project that is not there: no trial of it gets as far as that."""
    origin = Origin(tmp_path / "none", "", "", tmp_path / "cache", "0" * 40, {})
    slot = Slot(tmp_path / "sweep/slots/0", origin)
    objective = Objective("loss", lower_is_better=True)
    return Job(1, "rates-1", "tiny", "", slot, tmp_path / "logs/1.txt", objective, None)


def test_an_error_that_nobody_expects_is_told(job: Job, tmp_path: Path) -> None:
    (tmp_path / "sweep").write_text("a file in the place of the folder of slots")
    with pytest.raises(EnvironmentFault, match="trial rates-1: ") as raised:
        outcome_of(Runner().run(job))
    assert raised.value.diagnostics[0].code == "E503"
    assert "Traceback" in worker_log(job).read_text()


def test_an_interrupt_from_within_the_process_ends_the_trial(job: Job) -> None:
    """As Ray cancels a task: no signal ends a call that waits in the system."""
    before = {*psutil.Process().children()}

    def interrupt() -> None:
        assert {*psutil.Process().children()} - before
        _thread.interrupt_main()

    with job.slot.held():  # which its process waits for
        threading.Timer(1.5, interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            Runner().run(job)
    assert {*psutil.Process().children()} == before
