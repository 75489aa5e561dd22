"""Ctrl-C and SIGTERM in training: a step is finished first, so that it is not lost."""

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Self

NOTICE = b"\nstops after this step; once more stops at once\n"


class Interrupts:
    """While it is entered, the first Ctrl-C or SIGTERM is noted, and the second interrupts at once.

    Only a main thread gets signals, and those that are ignored stay ignored. On leaving, the
    handlers are those of before.
    """

    def __init__(self) -> None:
        self.caught: signal.Signals | None = None
        """What came, for the training to look at where it can stop."""
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # None: a handler that is not Python's.
                if signal.getsignal(number) not in (None, signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as `signal` gave it
        self._before = {}

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        first, self.caught = self.caught is None, signal.Signals(number)
        if not first:
            raise KeyboardInterrupt
        with contextlib.suppress(OSError):
            # Not through sys.stderr, in the middle of whose writing a handler may be called.
            os.write(2, NOTICE)
