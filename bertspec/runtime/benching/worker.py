"""A process that measures one format; `Process` runs it as a module."""

import json
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Any, NoReturn

from bertspec.catalog.tasks import TASKS
from bertspec.core.errors import BertspecError, InputError, is_out_of_memory, reason
from bertspec.runtime.benching.formats import Format
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.benching.loading import load
from bertspec.runtime.benching.memory import peak_memory
from bertspec.runtime.bundle import RESTORE, no_memory
from bertspec.runtime.child import tell
from bertspec.runtime.torch_setup import let_waiting_threads_sleep

WARM_RUNS, WARM_SECONDS = 2, 0.05
"""Not counted, at the begin of each turn: caches have what other formats left in them, and threads
of theirs may still look for work."""

LEAST_RUNS = 3
"""Of a turn, however long one takes."""


def main() -> NoReturn:
    """Read a job, then turns, a line of JSON each; answer each with one.

    It ends when the process that started it is gone, in the middle of whatever it does.
    """
    let_waiting_threads_sleep()  # as those of an export do when it is compared
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(line: str) -> None:
        answers.write(line)
        answers.flush()

    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    job = json.loads(lines.get())
    try:
        task = TASKS[job["task"]["type"]].model_validate(job["task"])
        form = Format(job["name"], job["kind"], Path(job["path"]))
        begun = perf_counter()
        run = load(form, task, job["threads"])
        say(json.dumps({"load": perf_counter() - begun}) + "\n")
        vocabulary = Vocabulary(**job["vocabulary"])
        while True:
            turn = json.loads(lines.get())
            times = _take(run, vocabulary, form, **turn)
            say(json.dumps({"times": times, "peak": peak_memory()}) + "\n")
    except ModuleNotFoundError as error:
        if f"{error.name}.".startswith("bertspec."):
            raise
        say(json.dumps({"missing": error.name}) + "\n")
    except BertspecError as error:
        say(tell(error))
    os._exit(0)


def _take(
    run: Any, vocabulary: Vocabulary, format: Format, batch: int, tokens: int, seconds: float
) -> list[float]:
    """Seconds of each run of a turn."""
    inputs = vocabulary.inputs(batch, tokens)
    try:
        _runs(run, inputs, WARM_SECONDS, WARM_RUNS)
        return _runs(run, inputs, seconds, LEAST_RUNS)
    except Exception as error:  # noqa: BLE001 - the errors of runtimes share no class
        size = f"with {batch} x {tokens} tokens"
        if is_out_of_memory(error):
            what = f"{format.path} {size}"
            raise no_memory(what, error, "lower --batch or --tokens") from None
        raise InputError.of(
            "E451", f"{format.path} cannot be run {size}: {reason(error)}", RESTORE
        ) from None


def _runs(run: Any, inputs: Any, seconds: float, least: int) -> list[float]:
    times: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(times) < least:
        begun = perf_counter()
        run(inputs)
        times.append(perf_counter() - begun)
    return times


def _listen(lines: "SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(1)


if __name__ == "__main__":
    main()
