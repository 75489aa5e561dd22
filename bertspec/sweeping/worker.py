"""A process that runs one trial, and ends it when the process that asked for it is gone."""

import contextlib
import json
import os
import sys
import threading
import traceback
from dataclasses import asdict
from typing import NoReturn

from bertspec.core.errors import BertspecError, EnvironmentFault, InternalError
from bertspec.runtime.child import tell
from bertspec.sweeping.processes import stop_children
from bertspec.sweeping.trial import Job, run_trial, worker_log


def main() -> NoReturn:
    """Read a job, and answer with a line: its outcome, or an error."""
    job = Job.of(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    try:
        line = json.dumps({"outcome": asdict(run_trial(job))}) + "\n"
    except BertspecError as error:
        line = tell(error)
    except Exception as error:  # noqa: BLE001 - the process that asked is to hear of any
        traceback.print_exc()
        line = tell(_unexpected(job, error))
    with contextlib.suppress(BrokenPipeError):  # of who asked for it, and is gone
        sys.stdout.write(line)
        sys.stdout.flush()
    os._exit(0)  # the thread waits for its standard input


def _unexpected(job: Job, error: Exception) -> BertspecError:
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        said = f"trial {job.experiment}: {error.strerror or error}{place}"
        return EnvironmentFault.of("E503", said, "put that right and run the sweep again")
    said = f"trial {job.experiment}: {type(error).__name__}: {error}"
    advice = f"this is a defect of bertspec; {worker_log(job)} shows where"
    return InternalError.of("E901", said, advice)


def _end_with_the_first() -> None:
    sys.stdin.read()
    stop_children()
    os._exit(1)


if __name__ == "__main__":
    main()
