"""A process that runs one trial, and ends it when the process that asked for it is gone."""

import contextlib
import json
import os
import sys
import threading
from dataclasses import asdict
from typing import NoReturn

from bertspec.core.errors import BertspecError
from bertspec.runtime.child import tell
from bertspec.sweeping.processes import stop_children
from bertspec.sweeping.trial import Job, run_trial


def main() -> NoReturn:
    """Read a job, and answer with a line: its outcome, or an error."""
    job = Job.of(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    try:
        line = json.dumps({"outcome": asdict(run_trial(job))}) + "\n"
    except BertspecError as error:
        line = tell(error)
    with contextlib.suppress(BrokenPipeError):  # of who asked for it, and is gone
        sys.stdout.write(line)
        sys.stdout.flush()
    os._exit(0)  # the thread waits for its standard input


def _end_with_the_first() -> None:
    sys.stdin.read()
    stop_children()
    os._exit(1)


if __name__ == "__main__":
    main()
