"""Ending what DVC has started: processes in processes, which outlive it when it is killed."""

import contextlib
import time

_PATIENCE = 60.0
"""Seconds for a training to write its checkpoint."""


def stop(pid: int) -> None:
    """Let what a process of DVC runs end as on SIGTERM, so that a training keeps what it has done;
    and then DVC itself.
    """
    import psutil

    told: set[int] = set()
    end = time.monotonic() + _PATIENCE
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            for child in process.children(recursive=True):
                if child.pid not in told:
                    told.add(child.pid)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.terminate()
            time.sleep(0.05)
    kill_all(pid)


def kill_all(pid: int) -> None:
    """End a process and all below it, whatever they are doing."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def stop_children() -> None:
    """`stop` for each process that this one has started."""
    import psutil

    for child in psutil.Process().children():
        stop(child.pid)
