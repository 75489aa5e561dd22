"""`bertspec ui` as a user has it: its process, and its pages in Chromium, where there is one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from signal import SIGHUP, SIGTERM
from typing import Any

import httpx2
import psutil
import pytest

from tests.browser import Browser
from tests.plan.ready import training
from tests.projects import Project
from tests.ui.projects import text_of
from tests.waiting import PATIENCE, wait_for

PHONE, DESK = 390, 1280
PAGES = [
    "/",
    "/pipeline",
    "/specs/tiny",
    "/specs/never",
    "/specs/tiny/history",
    "/compare?a=before&b=HEAD",
    "/nothing",
]


@contextmanager
def process_of(project: Project, **env: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process, and the address that it prints."""
    program = [str(Path(sys.executable).parent / "bertspec"), "ui", "--port", "0"]
    with subprocess.Popen(
        program, cwd=project.root, env=os.environ | env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def url(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A project with specs in every state: up to date, stale, never built, not valid."""
    folder = tmp_path_factory.mktemp("states") / "project"
    project = Project(shutil.copytree(fresh.root, folder, symlinks=True))
    project.write_spec({**training(epochs=12, learning_rate=0.01), "description": "A tiny model."})
    project.write_spec({**training(seeds=[14, 15]), "name": "never"}, "never.json")
    project.write_spec({**training(), "name": "wrong", "extra": 1}, "wrong.json")
    with process_of(project) as (_, url):
        yield url


@pytest.fixture
def window(browser: Browser) -> Iterator[Browser]:
    """A browser whose window is as before when the test has ended."""
    yield browser
    _devtools(browser, "Emulation.clearDeviceMetricsOverride")
    _devtools(browser, "Emulation.setEmulatedMedia", features=[])


def _devtools(browser: Browser, command: str, **params: Any) -> None:
    browser._post("goog/cdp/execute", cmd=command, params=params)


def _look(browser: Browser, width: int, scheme: str) -> None:
    _devtools(
        browser, "Emulation.setDeviceMetricsOverride",
        width=width, height=800, deviceScaleFactor=1, mobile=width == PHONE,
    )  # fmt: skip
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    _devtools(browser, "Emulation.setEmulatedMedia", features=media)


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(s, marks=pytest.mark.thorough) for s in (SIGTERM, SIGHUP))],
)
def test_it_listens_here_alone_until_it_is_told_to_stop(
    fresh: Project, number: signal.Signals, tmp_path: Path
) -> None:
    with process_of(fresh, TMPDIR=str(tmp_path)) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        with httpx2.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            assert "tiny" in client.get("/").text
            port = int(url.rpartition(":")[2])
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.2", port), PATIENCE)
            process.send_signal(number)  # with a connection that is still open
            assert process.wait(PATIENCE) == 0
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.read() == "Ctrl-C stops\n"
            assert process.stderr.read() == ""
    assert not list(tmp_path.glob("bertspec-ui-*"))


@pytest.mark.parametrize("number", [SIGHUP, pytest.param(SIGTERM, marks=pytest.mark.thorough)])
def test_it_leaves_nothing_behind_when_it_is_stopped_as_it_begins(
    fresh: Project, number: signal.Signals, tmp_path: Path
) -> None:
    code = (
        "import os, pathlib\n"
        "from bertspec.ui import service\n"
        "made = service.make_app\n"
        "def make_app(*arguments):\n"
        f"    os.kill(os.getpid(), {number})\n"
        "    return made(*arguments)\n"
        "service.make_app = make_app\n"
        "service.Service(pathlib.Path.cwd(), 0).run_until_signal()\n"
    )
    fresh.run(sys.executable, "-c", code, TMPDIR=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_it_does_not_wait_for_a_page_that_takes_long(fresh: Project, tmp_path: Path) -> None:
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    search = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    with process_of(fresh, PATH=search, TMPDIR=str(tmp_path)) as (process, url):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), PATIENCE) as asking:
            asking.sendall(b"GET /compare HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            server = psutil.Process(process.pid)
            wait_for(lambda: [p.name() for p in server.children()] == ["sleep"])
            (waited_for,) = server.children()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE / 3) == 0
            waited_for.kill()  # which a terminal's Ctrl-C would have reached, too
            assert process.stderr is not None
            assert process.stderr.read() == ""
    assert not list(tmp_path.glob("bertspec-ui-*"))


def test_a_port_in_use_is_told(fresh: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fresh.bertspec("ui", "--port", str(port), code=3)
    assert f"error[E464]: cannot listen at 127.0.0.1, port {port}" in said
    assert "--port 0" in said


def test_a_package_that_is_missing_is_named_with_its_extra(
    fresh: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith("bertspec.ui.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygal", None)
    said = fresh.bertspec("ui", "--port", "0", code=3)
    assert "error[E502]: not installed: pygal" in said
    assert "bertspec[ui]" in said


def test_pages_lead_to_each_other(window: Browser, url: str) -> None:
    _look(window, DESK, "light")
    window.open(url)
    window.click("h2 a[href='/specs/tiny']")
    assert window.texts("h1") == ["tiny"]
    window.click("svg.pipeline a[href='#stage-tiny-train']")
    assert window.run("document.querySelector('section:target').id") == "stage-tiny-train"
    window.click("p.links a")
    assert window.texts("figcaption bdi") == ["accuracy", "f1", "loss"]
    window.click("tbody tr:first-child a")
    assert "step 4" in window.texts("select[name=a] option:checked")[0]
    window.run("document.querySelector('select[name=a]').value = 'before'")
    window.click("form button")  # which may return before the next page is asked for
    window.wait_for("location.search.startsWith('?a=before')")
    assert window.run("location.search") == f"?a=before&b={_short(window)}&spec=tiny"
    assert "training.epochs" in window.texts("tbody th")


def _short(browser: Browser) -> str:
    return str(browser.run("document.querySelector('select[name=b]').value"))


def test_pages_fit_a_phone_and_have_their_style(window: Browser, url: str) -> None:
    backgrounds = set()
    for path in PAGES:
        for width, scheme in ((PHONE, "light"), (DESK, "dark")):
            _look(window, width, scheme)
            window.open(f"{url}{path}")
            assert window.run("document.documentElement.scrollWidth") <= width, path
            color = "getComputedStyle(document.body).backgroundColor"
            backgrounds.add((scheme, window.run(color)))
            asked = window.run("performance.getEntriesByType('resource').map(e => e.name)")
            assert all(each.startswith(url) for each in asked), asked
    assert backgrounds == {("light", "rgb(255, 255, 255)"), ("dark", "rgb(17, 21, 28)")}


@pytest.mark.skipif(find_spec("axe_playwright_python") is None, reason="axe-core is not here")
def test_pages_are_accessible(window: Browser, url: str) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    run = "const done = arguments[0]; axe.run().then(found => done(found.violations))"
    for path, look in zip(PAGES, cycle([(PHONE, "dark"), (DESK, "light")]), strict=False):
        _look(window, *look)
        window.open(f"{url}{path}")
        window._post("execute/sync", script=axe, args=[])
        found = window._post("execute/async", script=run, args=[])
        told = {f["id"]: [node["html"] for node in f["nodes"]] for f in found}
        assert not told, (path, look)


def test_pages_work_without_javascript(window: Browser, url: str) -> None:
    """There is none in them; that a browser may run none changes nothing."""
    _devtools(window, "Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(f"{url}/specs/tiny")
        window.click("svg.pipeline a[href='#stage-tiny-train']")
        window.click("p.links a:last-child")
        window.click("form button")
        told = "training.learning_rate 0.003 0.01 ~ train"
        wait_for(lambda: told in text_of(window._session.get("source").json()["value"]))
    finally:
        _devtools(window, "Emulation.setScriptExecutionDisabled", value=False)
