"""For tests that wait for another thread or process."""

import time
from collections.abc import Callable

PATIENCE = 60
"""Seconds after which a test has failed."""


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
