"""One run of a stage or a sweep at a time: a second would remove what the first is writing."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertspec.core.errors import EnvironmentFault


@contextmanager
def alone(file: Path, what: str) -> Iterator[None]:
    """Hold `what`, such as a stage, for the time of the block: a lock on `file`, which stays there.

    The system frees the lock when the process ends, however it ends. On a file system that has no
    locks nothing is held. Raises EnvironmentFault (E517) where another process has it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault.of(
                "E517",
                f"another process runs the {what} here",
                "wait until it has ended, and run this again",
            ) from None
        except OSError:
            pass
        yield
