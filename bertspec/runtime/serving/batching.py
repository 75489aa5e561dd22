"""Inputs of many requests, put together and predicted in one thread."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Self

from bertspec.core.errors import BertspecError
from bertspec.runtime.predict import Input
from bertspec.runtime.serving.limits import Limits

Outcome = dict[str, Any] | BertspecError
"""The answer to an input, or why there is none."""


class QueueFullError(Exception):
    """More inputs wait than may; none of the request's was taken."""


class EndedError(Exception):
    """The thread that predicts has died."""


@dataclass(frozen=True)
class _Waiting:
    value: Input
    since: float
    outcome: "Future[Outcome]" = field(default_factory=Future)


class Batcher:
    """Runs `predict` in a thread of its own, for at most `max_batch` inputs at a time.

    A batch begins when it is full, or when its first input has waited `max_wait` seconds. While
    one runs, the inputs of the next gather (dynamic batching, as in TensorFlow Serving). `predict`
    gives an outcome for each input; `observe` is told the size of each batch.

    The thread runs while this is entered. On leaving, what still waits is cancelled. When the
    thread dies, whoever waits gets an EndedError, `ended` is called, and leaving raises the cause.
    """

    def __init__(
        self,
        predict: Callable[[Sequence[Input]], Sequence[Outcome]],
        limits: Limits,
        observe: Callable[[int], None],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._predict = predict
        self._limits = limits
        self._observe = observe
        self._ended = ended
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="predict", daemon=True)
        self.stopping = False
        """Whether it was told to `hurry`."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            for waiting in self._queue:
                waiting.outcome.cancel()
            self._queue.clear()
            self._changed.notify()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def waiting(self) -> int:
        """How many inputs are in the queue, without those of the batch that runs."""
        return len(self._queue)

    def submit(self, inputs: Sequence[Input]) -> "list[Future[Outcome]]":
        """Put all the inputs of a request into the queue.

        Raises QueueFullError for too many, and EndedError where nobody would predict them.
        """
        now = monotonic()
        with self._changed:
            if self._error is not None:
                raise EndedError
            if len(self._queue) + len(inputs) > self._limits.max_queue:
                raise QueueFullError
            added = [_Waiting(value, now) for value in inputs]
            self._queue.extend(added)
            self._changed.notify()
        return [waiting.outcome for waiting in added]

    def cancel(self, futures: "Iterable[Future[Outcome]]") -> None:
        """Take out of the queue what nobody waits for any more."""
        for future in futures:
            future.cancel()
        with self._changed:
            self._queue = deque(w for w in self._queue if not w.outcome.cancelled())

    def hurry(self) -> None:
        """From now on wait for no further inputs, as the server is stopping."""
        with self._changed:
            self.stopping = True
            self._changed.notify()

    def _live(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._answer(batch)
        except BaseException as error:  # noqa: BLE001 - nobody may wait for a thread that is gone
            with self._changed:
                self._error = error
                _fail(self._queue)
                self._queue.clear()
            self._ended()

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        taken = [w for w in batch if w.outcome.set_running_or_notify_cancel()]
        try:
            if taken:
                self._observe(len(taken))
                outcomes = self._predict([waiting.value for waiting in taken])
                for waiting, outcome in zip(taken, outcomes, strict=True):
                    waiting.outcome.set_result(outcome)
        except BaseException:
            _fail(taken)
            raise

    def _next(self) -> list[_Waiting] | None:
        """The next batch, which is empty where all has been cancelled; None when it is closed."""
        size = self._limits.max_batch
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if self._closed:
                return None
            left = self._queue[0].since + self._limits.max_wait - monotonic()
            self._changed.wait_for(
                lambda: len(self._queue) >= size or self.stopping or self._closed,
                timeout=max(0.0, left),
            )
            return [self._queue.popleft() for _ in range(min(size, len(self._queue)))]


def _fail(inputs: Iterable[_Waiting]) -> None:
    for waiting in inputs:
        with suppress(InvalidStateError):  # such as one that has been cancelled
            waiting.outcome.set_exception(EndedError())
