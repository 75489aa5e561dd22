"""Servers of `bertspec serve` on 127.0.0.1, and clients that send many requests at once."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bertspec.catalog.task import Answer
from bertspec.core.errors import BertspecError, InputError
from bertspec.runtime.predict import Input, Predictor
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.service import Service
from tests.waiting import PATIENCE, wait_for

REFUSED, BROKEN, PANIC = "refuse this", "break on this", "panic at this"


class Held(Predictor):
    """The tiny model, which waits until it is let go, and refuses a text as some tasks do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.go = Event()
        self.go.set()

    def outcomes(self, inputs: Iterable[Input | BertspecError]) -> Iterator[Answer]:
        values = list(inputs)
        assert self.go.wait(PATIENCE)
        if {"text": BROKEN} in values:
            raise RuntimeError("a secret of the server")
        if {"text": PANIC} in values:
            raise BaseException("a secret of a library")  # noqa: TRY002 - as PyO3 has it
        refusal = InputError.of("E453", "it has no mask", "write one")
        return super().outcomes([refusal if v == {"text": REFUSED} else v for v in values])


@contextmanager
def serving(model: Predictor, **limits: Any) -> Iterator[httpx2.Client]:
    """A client of a server that runs meanwhile."""
    service = Service("tiny", model, "127.0.0.1", 0, Limits(**limits))
    thread = Thread(target=service.run, daemon=True)
    thread.start()
    try:
        with client_of(service.url) as client:
            yield client
    finally:
        service.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def client_of(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, timeout=PATIENCE, trust_env=False)


def post(client: httpx2.Client, body: Any) -> httpx2.Response:
    return client.post("/predict", json=body)


def metric(client: httpx2.Client, name: str, **labels: str) -> float:
    """A value of /metrics; 0 for one that has not been counted."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and s.labels == labels)


@contextmanager
def in_flight(client: httpx2.Client, bodies: Sequence[Any]) -> Iterator[list[httpx2.Response]]:
    """Send requests at once; the list has their responses when this is left."""
    found: list[httpx2.Response] = []
    with ThreadPoolExecutor(len(bodies)) as pool:
        sent = [pool.submit(post, client, body) for body in bodies]
        yield found
        found += [each.result() for each in sent]


@contextmanager
def held(client: httpx2.Client, model: Held) -> Iterator[None]:
    """The model runs a batch of one input, and is let go when this is left."""
    model.go.clear()
    with in_flight(client, [{"text": "first"}]):
        try:
            wait_for(lambda: metric(client, "bertspec_batch_inputs_count") == 1)
            yield
        finally:
            model.go.set()


def queued(client: httpx2.Client, count: int) -> None:
    wait_for(lambda: metric(client, "bertspec_queue_inputs") == count)


def same(found: Any, expected: dict[str, Any]) -> bool:
    """Equal but for the last digits, which depend on what an input is padded with."""
    return found["label"] == expected["label"] and found["probabilities"] == pytest.approx(
        expected["probabilities"], abs=1e-6
    )
