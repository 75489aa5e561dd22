"""Files on the web whose digest `bertspec lock` looks up."""

from pathlib import Path

import pytest

from bertspec.catalog.sources import url as url_module
from bertspec.core.errors import EnvironmentFault
from tests.data import test_url_source
from tests.data.test_url_source import CONTENT, HALF, SHA, Handler, Server, kept
from tests.waiting import wait_for

server = test_url_source.server


def test_two_look_ups_of_one_address_at_once(server: Server, tmp_path: Path) -> None:
    found: list[str] = []

    def behave(handler: Handler, _start: int) -> None:
        if len(server.ranges) > 1:
            handler.give(200, CONTENT)
            return
        handler.give(200, CONTENT[:HALF], len(CONTENT))
        wait_for(lambda: any(p.stat().st_size for p in tmp_path.rglob("reviews.csv")))
        found.append(url_module._look_up(server.url(), tmp_path))  # while the first is under way
        handler.wfile.write(CONTENT[HALF:])

    server.behave = behave
    found.append(url_module._look_up(server.url(), tmp_path))
    assert found == [SHA, SHA]
    assert server.ranges == [None, None]
    assert kept(tmp_path) == [".gitignore", "reviews.csv"]


def test_a_look_up_that_breaks_off_begins_anew_and_leaves_nothing(
    server: Server, tmp_path: Path
) -> None:
    stops = iter([HALF, 10, None])
    server.behave = lambda handler, start: handler.give_from(start, next(stops))
    assert url_module._look_up(server.url(), tmp_path) == SHA
    assert server.ranges == [None, None, None], "nothing would tell two files in one"

    server.behave = lambda handler, start: handler.give_from(start, HALF)
    with pytest.raises(EnvironmentFault) as caught:
        url_module._look_up(server.url("/b.csv"), tmp_path)
    (told,) = caught.value.diagnostics
    assert told.code == "E358"
    assert "run it again" in told.help
    assert "kept" not in told.help
    assert kept(tmp_path) == [".gitignore", "reviews.csv"]
    assert len(list((tmp_path / ".bertspec/downloads").iterdir())) == 1
