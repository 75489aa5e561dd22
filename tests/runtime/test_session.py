"""Sessions of onnxruntime: how many threads they have, and what these do between runs."""

from tests.model.models import python
from tests.projects import Project

RUNS = """
import sys, time
from pathlib import Path
import numpy as np
from bertspec.catalog.onnx_graphs.session import open_session
from tests.model.models import inputs

session, given = open_session(Path(sys.argv[1]), 4), inputs(8, 32)
used = 0.0
for run in range(12):
    session.run(["logits"], given)
    before = time.process_time()
    time.sleep(0.05)
    used += time.process_time() - before
print(used)
"""


def test_threads_do_not_look_for_work_between_runs(built: Project) -> None:
    """They sleep after a millisecond each, and would else take what cores there are: 0.3 s of this
    time even on two cores with much other work.
    """
    assert float(python(RUNS, str(built.root / "models/tiny/export/model.onnx"))) < 0.12


THREADS = """
import os, sys
from pathlib import Path

core = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {core})
import onnxruntime
from bertspec.catalog.onnx_graphs.session import open_session
before = set(os.listdir("/proc/self/task"))
session = open_session(Path(sys.argv[1]))
print(len(set(os.listdir("/proc/self/task")) - before))
"""


def test_threads_are_no_more_than_the_cores_it_may_use(built: Project) -> None:
    """The one that calls is one of them; onnxruntime would pin others to cores outside."""
    assert python(THREADS, str(built.root / "models/tiny/export/model.onnx")) == "0\n"
