"""Sessions of onnxruntime: what their threads do between runs."""

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
