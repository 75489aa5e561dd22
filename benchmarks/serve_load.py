"""`bertspec serve` on 127.0.0.1 with one client after another, and with many at once.

Requests are one text each, over connections that stay open. One at a time is measured twice: with
the server's defaults, and with `--max-wait-ms 0`, the best for a client alone, which the ratio is
of. The same texts are predicted without a server, one after another and as many together as there
are clients: more than that ratio no server gains by putting requests together, and beside these
texts a second it loses what is the server's and the clients' own. All take turns, so that other
work on the machine meets each alike. Prints requests a second, latencies, and how far the answers
are from those of `predict`. Where a label is another one, or a number is off by more than 1e-5,
the exit code is 1. About a minute.
"""

import argparse
import asyncio
import csv
import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bertspec.cli.predict import export_folder
from bertspec.runtime.predict import Predictor

ROUNDS = 3
ALONE, DEFAULT, MANY = "one at a time, no wait", "one at a time", "{} at once"
MODEL_ALONE, MODEL_MANY = "no server, one at a time", "no server, {} at once"
RUNS = (ALONE, DEFAULT, MANY, MODEL_ALONE, MODEL_MANY)
CLOSE = 1e-5
"""By how much numbers of an answer may differ: an input is padded beside others."""


@dataclass
class Load:
    """What clients of one kind have seen."""

    answers: list[tuple[int, Any]] = field(default_factory=list)
    """The place of a text, and its answer."""
    times: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """Requests a second, of each round."""


@contextmanager
def server(model: str, *options: str) -> Iterator[tuple[str, int]]:
    """Host and port of a server that runs meanwhile."""
    command = ["bertspec", "serve", model, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            url = urlsplit(said.split()[3].rstrip(";"))
            yield url.hostname or "", url.port or 0
        finally:
            process.terminate()


async def ask(
    address: tuple[str, int], bodies: list[bytes], places: "count[int]", end: float, load: Load
) -> None:
    """One client, which sends its next request when it has the answer to the last."""
    reader, writer = await asyncio.open_connection(*address)
    while (start := time.perf_counter()) < end:
        place = next(places) % len(bodies)
        body = bodies[place]
        writer.write(
            b"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        load.times.append(time.perf_counter() - start)
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(answer)
        load.answers.append((place, answer))
    writer.close()


async def run(
    address: tuple[str, int], bodies: list[bytes], clients: int, seconds: float, load: Load
) -> None:
    start, before, places = time.perf_counter(), len(load.times), count()
    asked = (ask(address, bodies, places, start + seconds, load) for _ in range(clients))
    await asyncio.gather(*asked)
    load.rates.append((len(load.times) - before) / (time.perf_counter() - start))


def predict(
    model: Predictor, inputs: list[dict[str, str]], size: int, seconds: float, load: Load
) -> None:
    """So many inputs at a time, in this process, as the server does it."""
    start, before, first = time.perf_counter(), len(load.times), 0
    while (now := time.perf_counter()) < start + seconds:
        chosen = [inputs[place % len(inputs)] for place in range(first, first + size)]
        list(model.predict(chosen))
        load.times += [time.perf_counter() - now] * size
        first += size
    load.rates.append((len(load.times) - before) / (time.perf_counter() - start))


def compare(load: Load, expected: list[dict[str, Any]]) -> tuple[int, float]:
    """How many labels differ from those of `predict`, and the largest difference otherwise."""
    others, most = 0, 0.0
    for place, text in load.answers:
        answer, wanted = json.loads(text), expected[place]
        others += answer["label"] != wanted["label"]
        shares = wanted["probabilities"]
        most = max(most, *(abs(answer["probabilities"][name] - shares[name]) for name in shares))
    return others, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="sentiment", help="a text classifier")
    parser.add_argument("--file", type=Path, default=Path("data/movie-reviews/reviews.csv"))
    parser.add_argument("--column", default="review")
    parser.add_argument("--texts", type=int, default=128, help="how many of the file's")
    parser.add_argument("--words", type=int, help="of each text, its first; by default all")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help=f"of each run; there are {ROUNDS * len(RUNS)}"
    )
    given = parser.parse_args()
    with given.file.open(encoding="utf-8", newline="") as file:
        rows = islice(csv.DictReader(file), given.texts)
        texts = [" ".join(row[given.column].split()[: given.words]) for row in rows]
    inputs = [{"text": text} for text in texts]
    bodies = [json.dumps(value).encode() for value in inputs]
    loads = {name: Load() for name in RUNS}
    model = Predictor(export_folder(given.model))
    with server(given.model, "--max-wait-ms", "0") as unwaiting, server(given.model) as usual:
        for address in (unwaiting, usual):
            asyncio.run(run(address, bodies, 1, 0.5, Load()))  # the first are slower
        predict(model, inputs, 1, 0.5, Load())  # here, too
        for _ in range(ROUNDS):
            for name, address, clients in (
                (ALONE, unwaiting, 1), (DEFAULT, usual, 1), (MANY, usual, given.clients),
            ):  # fmt: skip
                asyncio.run(run(address, bodies, clients, given.seconds, loads[name]))
            for name, size in ((MODEL_ALONE, 1), (MODEL_MANY, given.clients)):
                predict(model, inputs, size, given.seconds, loads[name])
    show(loads, list(model.predict(inputs)), given.clients)


def show(loads: dict[str, Load], expected: list[dict[str, Any]], clients: int) -> None:
    print(f"{'':26} {'requests/s':>20} {'p50 ms':>8} {'p99 ms':>8}  other labels, difference")
    wrong = []
    for name, load in loads.items():
        cuts = statistics.quantiles(load.times, n=100)
        rates = f"{statistics.median(load.rates):.0f} ({min(load.rates):.0f}-{max(load.rates):.0f})"
        others, most = compare(load, expected)
        if others or most > CLOSE:
            wrong.append(name.format(clients))
        same = f"{others} of {len(load.answers)}, {most:.1e}" if load.answers else ""
        print(
            f"{name.format(clients):26} {rates:>20} {1000 * cuts[49]:8.1f} {1000 * cuts[98]:8.1f}"
            f"  {same}"
        )
    for many, one in (
        (MANY, ALONE), (MANY, DEFAULT), (MODEL_MANY, MODEL_ALONE), (MANY, MODEL_MANY),
    ):  # fmt: skip
        pairs = zip(loads[many].rates, loads[one].rates, strict=True)
        ratios = [rate / other for rate, other in pairs]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{many.format(clients)} beside {one.format(clients)}: "
            f"{statistics.median(ratios):.2f}x ({spread})"
        )
    if wrong:
        raise SystemExit(f"{'; '.join(wrong)}: answers are not those of predict")


if __name__ == "__main__":
    main()
