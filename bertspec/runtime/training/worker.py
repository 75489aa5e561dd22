"""A further process of a training; `processes` runs it as a module."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from bertspec.core.errors import BertspecError
from bertspec.runtime.child import tell
from bertspec.runtime.training.processes import LOST, READY, from_job
from bertspec.runtime.training.team import LostError, Member


def main() -> NoReturn:
    """Train along, and write nothing; end when the process that started this one is gone."""
    # The first process finishes its step, and needs all others for it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # What libraries print is no report.
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(line: str) -> None:
        report.write(line)
        report.flush()

    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    from bertspec.runtime.train import take_part

    context = from_job(job)
    team = Member(job["rank"], context.execution.processes, Path(job["file"]), lambda: say(READY))
    try:
        take_part(context, job["key"], team)
    except LostError:
        os._exit(LOST)
    except BertspecError as error:
        say(tell(error))
        os._exit(error.exit_code)
    while True:  # until it is ended: a connection that closes here could be taken for a fault
        signal.pause()


def _end_with_the_first() -> None:
    sys.stdin.read()
    os._exit(LOST)


if __name__ == "__main__":
    main()
