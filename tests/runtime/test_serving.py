"""`bertspec serve`: a real server on 127.0.0.1, with the tiny project's exported model."""

import base64
import json
import re
import shutil
import socket
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from threading import Barrier
from time import sleep

import httpx2
import pytest

from bertspec.runtime.at_once import TOKENS_AT_ONCE
from bertspec.runtime.predict import Predictor
from bertspec.runtime.seal import Seal
from bertspec.runtime.serving.batching import Batcher
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.service import MAX_HEAD
from tests.projects import Project
from tests.serving import (
    BROKEN,
    PANIC,
    REFUSED,
    Held,
    held,
    in_flight,
    metric,
    post,
    queued,
    same,
    serving,
)
from tests.waiting import PATIENCE, wait_for

TEXTS = ["a warm and funny film", "we hated it", "", "x" * 3000, "naïve 😀 <b>&\x00", "a dull cast"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def model(built: Project) -> Held:
    return Held(built.root / "models/tiny/export")


@pytest.fixture(scope="module")
def client(built: Project) -> Iterator[httpx2.Client]:
    """A client of a server that several tests share, with a queue of ten inputs."""
    with serving(Held(built.root / "models/tiny/export"), max_queue=10) as client:
        yield client


def test_answers_are_those_of_predict(model: Held) -> None:
    inputs = [{"text": text} for text in TEXTS]
    expected = list(model.predict(inputs))
    with serving(model, max_batch=4) as client:
        together = post(client, inputs).json()
        with in_flight(client, inputs) as responses:
            pass
        assert post(client, []).json() == []
    alone = [response.json() for response in responses]
    assert all(map(same, together, expected))
    assert all(map(same, alone, expected))


def test_many_clients_at_once_have_each_its_own_answers(model: Held) -> None:
    clients, requests = 32, 10
    words, drawn = f"{TEXTS[0]} {TEXTS[1]} {TEXTS[-1]}".split(), Random(1)  # noqa: S311
    inputs = [
        [{"text": " ".join(drawn.choices(words, k=2 + n))} for n in range(requests)]
        for _ in range(clients)
    ]
    expected = [list(model.predict(texts)) for texts in inputs]
    shares = {round(a["probabilities"]["good"], 6) for answers in expected for a in answers}
    assert len(shares) > clients, "they can be told apart"
    with serving(model) as client:
        start = Barrier(clients)

        def ask(bodies: list[dict[str, str]]) -> list[httpx2.Response]:
            start.wait(PATIENCE)
            return [post(client, body) for body in bodies]

        with ThreadPoolExecutor(clients) as pool:
            responses = list(pool.map(ask, inputs))
        assert metric(client, "bertspec_requests_total", status="200") == clients * requests
        assert metric(client, "bertspec_batch_inputs_sum") == clients * requests
        assert metric(client, "bertspec_queue_inputs") == 0
    for answers, found in zip(expected, responses, strict=True):
        assert [response.status_code for response in found] == [200] * requests
        assert all(same(r.json(), answer) for r, answer in zip(found, answers, strict=True))


def test_a_model_of_two_texts_takes_both(built: Project, tmp_path: Path) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "pairs")
    bundle = json.loads((folder / "bundle.json").read_text())
    bundle["fields"] = ["text", "text_pair"]
    (folder / "bundle.json").write_text(json.dumps(bundle))
    Seal.of(folder).write()
    predictor = Predictor(folder)
    pair = {"text": "a warm film", "text_pair": "a dull film"}
    with serving(predictor) as client:
        assert same(post(client, pair).json(), *predictor.predict([pair]))
        schema = client.get("/openapi.json").json()["components"]["schemas"]["Input"]
        assert set(schema["properties"]) == set(schema["required"]) == set(pair)
        assert post(client, {"text": "a warm film"}).status_code == 422


def test_requests_that_wait_are_predicted_together(model: Held) -> None:
    with serving(model, max_batch=4, max_wait=0) as client:
        with held(client, model), in_flight(client, [{"text": t} for t in TEXTS]) as responses:
            queued(client, len(TEXTS))
            model.go.set()
        assert [response.status_code for response in responses] == [200] * len(TEXTS)
        assert metric(client, "bertspec_batch_inputs_sum") == 1 + len(TEXTS)
        sizes = {le: metric(client, "bertspec_batch_inputs_bucket", le=le) for le in ("1.0", "2.0")}
        assert sizes == {"1.0": 1, "2.0": 2}
        assert metric(client, "bertspec_batch_inputs_count") == 3, "of 1, 4 and 2 inputs"
        assert metric(client, "bertspec_requests_total", status="200") == 1 + len(TEXTS)
        assert metric(client, "bertspec_request_seconds_count") == 1 + len(TEXTS)


def test_an_input_waits_for_others_until_the_batch_is_full(model: Held) -> None:
    with serving(model, max_batch=2, max_wait=PATIENCE * 60) as client:
        with in_flight(client, [{"text": "a"}, {"text": "b"}]) as responses:
            pass
        assert [response.status_code for response in responses] == [200, 200]
        assert metric(client, "bertspec_batch_inputs_count") == 1


def test_a_full_queue_refuses_and_takes_no_part(model: Held) -> None:
    with serving(model, max_queue=2, max_wait=0) as client:
        with held(client, model), in_flight(client, [{"text": "second"}]) as responses:
            queued(client, 1)
            refused = post(client, [{"text": "third"}, {"text": "fourth"}])
            assert metric(client, "bertspec_queue_inputs") == 1
            with in_flight(client, [{"text": "the last that may wait"}]) as last:
                queued(client, 2)
                model.go.set()
        assert responses[0].status_code == last[0].status_code == 200
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert [error["code"] for error in refused.json()["errors"]] == ["E455"]
        assert metric(client, "bertspec_errors_total", code="E455") == 1
        assert post(client, {"text": "third"}).status_code == 200


def test_inputs_of_clients_that_have_gone_are_not_predicted(model: Held) -> None:
    """Also where a client goes after the time in which a body is to come."""
    body = json.dumps([{"text": "gone"}] * 4).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(model, max_queue=8, max_wait=0, body_seconds=0.2) as client:
        with held(client, model), in_flight(client, [{"text": "here"}]) as responses:
            queued(client, 1)
            with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as other:
                other.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                queued(client, 1 + 4)
                assert post(client, [{"text": "more"}] * 4).status_code == 503
                sleep(0.3)
            queued(client, 1)
            assert metric(client, "bertspec_requests_total", status="499") == 1
            with in_flight(client, [[{"text": "more"}] * 4]) as later:
                queued(client, 1 + 4)
                model.go.set()
        assert responses[0].status_code == later[0].status_code == 200
        assert metric(client, "bertspec_batch_inputs_sum") == 1 + 1 + 4


def test_a_queue_whose_clients_have_all_gone_is_no_end() -> None:
    """They go while the thread waits for further inputs."""
    answer = {"label": "good"}
    limits = Limits(max_wait=0.05)
    with Batcher(lambda inputs: [answer] * len(inputs), limits, lambda _: None) as batcher:
        batcher.cancel(batcher.submit(["gone"]))
        assert batcher.waiting() == 0
        sleep(2 * limits.max_wait)
        (outcome,) = batcher.submit(["here"])
        assert outcome.result(PATIENCE) == answer


def test_a_large_body_is_refused_with_and_without_a_length(model: Held) -> None:
    body = json.dumps({"text": "x" * 5000}).encode()
    pieces = (body[i : i + 500] for i in range(0, len(body), 500))
    with serving(model, max_body=1000) as client:
        for content in (body, pieces):
            refused = client.post("/predict", content=content, headers=JSON)
            assert refused.status_code == 413
            assert [error["code"] for error in refused.json()["errors"]] == ["E454"]
        empty = len(b'{"text": ""}')
        for size, status in ((1000, 200), (1001, 413)):
            content = b'{"text": "%s"}' % (b"x" * (size - empty))
            assert client.post("/predict", content=content, headers=JSON).status_code == status


def test_a_body_that_is_said_to_be_large_is_refused_before_it_is_read(model: Held) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(model, max_body=1000, body_seconds=3) as client:
        address = ("127.0.0.1", client.base_url.port or 0)
        with socket.create_connection(address, PATIENCE) as other:
            other.sendall(head + b"Content-Length: 1001\r\n\r\n")
            assert other.recv(1000).startswith(b"HTTP/1.1 413")


def test_every_response_has_the_headers_that_protect_it(client: httpx2.Client) -> None:
    refused = client.post("/predict", content=b"{", headers=JSON)
    for response in (client.get("/"), client.get("/nothing"), refused, client.get("/metrics")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_a_head_that_does_not_come_whole_is_refused_at_its_size(client: httpx2.Client) -> None:
    """Beside one that is a little smaller and then ends, and what is no HTTP at all."""
    begin, end = b"GET /health HTTP/1.1\r\nHost: a\r\nX-Large: ", b"\r\n\r\n"
    address = ("127.0.0.1", client.base_url.port or 0)
    with socket.create_connection(address, PATIENCE) as other:
        other.sendall(begin + b"a" * (MAX_HEAD - 100))
        client.get("/health")  # it reads in the order in which they come
        other.sendall(end)
        assert other.recv(1000).startswith(b"HTTP/1.1 200")
    for sent in (begin + b"a" * MAX_HEAD, b"no HTTP" + end):
        with socket.create_connection(address, PATIENCE) as other:
            other.sendall(sent)
            said = b"".join(iter(partial(other.recv, 1000), b""))
            assert said.startswith(b"HTTP/1.1 400")
            assert b"content-type: text/plain" in said.lower()


def _errors(client: httpx2.Client) -> list[str]:
    """The lines of /metrics that count errors."""
    lines = client.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("bertspec_errors_total")]


def test_who_leaves_in_the_middle_of_a_body_is_told_no_error(model: Held) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with serving(model) as client:
        address = ("127.0.0.1", client.base_url.port or 0)
        with socket.create_connection(address, PATIENCE) as other:
            other.sendall(head + b'Content-Length: 20\r\n\r\n{"text"')
            client.get("/health")  # it reads in the order in which they come
        wait_for(lambda: metric(client, "bertspec_requests_total", status="499") == 1)
        assert metric(client, "bertspec_requests_total", status="400") == 0
        assert _errors(client) == []


def test_errors_of_other_paths_are_not_counted(model: Held) -> None:
    with serving(model) as client:
        assert client.get("/nothing").status_code == 404
        assert client.post("/health").status_code == 405
        assert _errors(client) == []
        assert client.get("/predict").status_code == 405
        assert metric(client, "bertspec_errors_total", code="405") == 1


def test_a_websocket_that_is_asked_for_is_no_matter_for_the_log(
    model: Held, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    with serving(model) as client:
        assert client.get("/health", headers=asked).json()["status"] == "ok"
    assert capfd.readouterr().err == ""


def test_twenty_errors_are_told_at_most(model: Held) -> None:
    with serving(model) as client:
        for wrong in ({"text": 7}, {"text": REFUSED}):
            errors = post(client, [wrong] * 30).json()["errors"]
            assert [error["input"] for error in errors] == [*range(20)]


def test_the_page_has_the_limits_that_hold() -> None:
    page = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
    for words in (
        f"`--max-batch` ({Limits.max_batch})",
        f"`--max-wait-ms` ({1000 * Limits.max_wait:g})",
        f"as many at once as have {TOKENS_AT_ONCE} tokens",
        f"`--max-queue`, by default {Limits.max_queue} ",
        f"`--max-body` bytes, {Limits.max_body / 2**20:g} MiB by default",
        f"did not come within {Limits.body_seconds:g} seconds",
        f"have not come whole when more than {MAX_HEAD / 2**10:g} KiB of them have been read",
    ):
        assert words in page


@pytest.mark.parametrize(
    ("body", "number", "words"),
    [
        ("{", None, ["not JSON", '{"text": "..."}']),
        ("", None, ["required"]),
        ("7", None, ["object", "`text`"]),
        ('{"txet": "a"}', None, ["`txet`"]),
        ('{"text": 7}', None, ["`text`: ", "string"]),
        ('{"text": ["a"]}', None, ["`text`: ", "string"]),
        ('{"text": "a", "id": 1}', None, ["`id`: "]),
        ('[{"text": "a"}, {"text": null}]', 1, ["`text`: ", "string"]),
        ('[{"text": "a"}, "b"]', 1, ["object"]),
        (json.dumps([{"text": "a"}] * 11), None, ["at most 10", "--max-queue"]),
        (json.dumps({"text": REFUSED}), None, ["no mask", "write one"]),
        (json.dumps([{"text": t} for t in ("a", "b", "c", REFUSED, "d")]), 3, ["no mask"]),
    ],
)
def test_what_is_wrong_with_an_input_is_told(
    client: httpx2.Client, body: str, number: int | None, words: list[str]
) -> None:
    before = metric(client, "bertspec_errors_total", code="E453")
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code == 422
    errors = response.json()["errors"]
    assert {error["code"] for error in errors} == {"E453"}
    assert {error["input"] for error in errors} == {number}
    said = " ".join(f"{error['message']} {error['help']}" for error in errors)
    assert all(word in said for word in words), said
    assert metric(client, "bertspec_errors_total", code="E453") == before + len(errors)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"text": "\xe4"}', "'utf-8' codec can't decode byte 0xe4"),
        (b"[" * 100_000, "maximum recursion depth"),
        (b"1" * 5000, "limit"),
    ],
)
def test_why_a_body_cannot_be_read_is_told(client: httpx2.Client, body: bytes, words: str) -> None:
    (error,) = client.post("/predict", content=body, headers=JSON).json()["errors"]
    assert error["message"].startswith("the body is not JSON: ")
    assert words in error["message"]
    assert '{"text": "..."}' in error["help"]


@pytest.mark.parametrize("body", ["[" * 100_000, '{"\\ud800": 1}', "[" + "{}," * 999 + "{}]"])
def test_hostile_bodies_are_the_clients_fault(client: httpx2.Client, body: str) -> None:
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert {error["code"] for error in response.json()["errors"]} == {"E453"}
    assert len(response.content) < 10_000


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_not_said_to_be_json_is_refused(
    client: httpx2.Client, kind: str | None
) -> None:
    """Otherwise a page of another site could make a browser send it."""
    headers = {"Content-Type": kind} if kind else {}
    response = client.post("/predict", content='{"text": "a"}', headers=headers)
    assert response.status_code == 422
    assert "Content-Type" in response.json()["errors"][0]["help"]


def test_one_wrong_input_spoils_no_other_request(model: Held) -> None:
    with serving(model, max_wait=0) as client:
        bodies = [{"text": text} for text in ("a", REFUSED, "b", BROKEN, "c", PANIC)]
        with held(client, model), in_flight(client, bodies) as responses:
            queued(client, len(bodies))
            model.go.set()
        assert [response.status_code for response in responses] == [200, 422, 200, 500, 200, 500]
        for failed in (responses[3], responses[5]):
            assert failed.json()["errors"][0]["code"] == "E901"
            assert not any(word in failed.text for word in ("secret", "Traceback"))
        assert post(client, {"text": "a"}).status_code == 200


def test_unknown_paths_and_methods_are_told_in_json(client: httpx2.Client) -> None:
    assert client.get("/nothing").json()["errors"][0]["message"] == "Not Found"
    assert client.get("/predict").status_code == 405
    for path in ("/", "/health"):
        assert client.head(path).status_code == 200
        assert not client.head(path).content
    assert client.get("/health").json() == {
        "status": "ok", "model": "tiny", "task": "text-classification", "fields": {"text": "text"},
    }  # fmt: skip


def test_a_response_is_sent_at_once(client: httpx2.Client) -> None:
    """Over a connection that stays open, one that is held back comes 40 ms late."""
    times = [client.get("/health").elapsed.total_seconds() for _ in range(40)]
    assert statistics.median(times) < 0.03


def test_the_pages_load_nothing_from_elsewhere(client: httpx2.Client) -> None:
    page, docs = client.get("/"), client.get("/docs")
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', docs.text)
    assert loaded
    assert all(client.get(path).status_code == 200 for path in loaded)
    assert not re.search(r"(src|href)=.https?:", page.text)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*)</{tag}>", page.text, re.DOTALL)
        digest = base64.b64encode(sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", page.text)
    assert not re.search(r"<[^>]* (on\w+|style)=", page.text), "the policy would block it"


def test_without_the_extra_it_is_told_what_to_install(
    built: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("bertspec.runtime.serving.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    said = built.bertspec("serve", "tiny", code=3)
    assert "E502" in said
    assert "pip install 'bertspec[serve]'" in said


def test_a_port_that_is_taken_is_told(built: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = built.bertspec("serve", "tiny", "--port", port, code=3)
    assert "E503" in said
    assert port in said
