"""Headless Chromium, by the WebDriver protocol (W3C) of its chromedriver."""

import re
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import httpx2

from tests.skipping import skip_here
from tests.waiting import PATIENCE, wait_for

# Without a sandbox, which root cannot have, and without asking for anything on the network.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


class Browser:
    """One window."""

    def __init__(self, session: httpx2.Client) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def emulate(self, scheme: str, width: int) -> None:
        """What the next pages are told of their reader: `light` or `dark`, and pixels across."""
        phone = width < 600
        feature = {"name": "prefers-color-scheme", "value": scheme}
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone}
        self._devtools("Emulation.setEmulatedMedia", features=[feature])
        self._devtools("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self, file: Path) -> None:
        """All of the page, as a PNG."""
        shot = self._devtools("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(b64decode(shot["data"]))

    def type(self, css: str, text: str) -> None:
        """As by hand, into an empty field. It has no keys beyond U+FFFF."""
        self._post(f"element/{self._find(css)}/clear")
        self._post(f"element/{self._find(css)}/value", text=text)

    def click(self, css: str) -> None:
        self._post(f"element/{self._find(css)}/click")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self._post("execute/sync", script=f"return {script}", args=[])

    def texts(self, css: str) -> list[str]:
        """The text of each element, as it is in the page."""
        return list(self.run(f"[...document.querySelectorAll('{css}')].map(e => e.textContent)"))

    def wait_for(self, condition: str) -> None:
        """Until the JavaScript expression is true."""
        wait_for(lambda: bool(self.run(condition)))

    def _devtools(self, command: str, **params: Any) -> Any:
        """What WebDriver has no command for, by the protocol of Chromium's developer tools."""
        return self._post("goog/cdp/execute", cmd=command, params=params)

    def _find(self, css: str) -> str:
        found = self._post("element", using="css selector", value=css)
        return str(*found.values())

    def _post(self, command: str, **body: Any) -> Any:
        response = self._session.post(command, json=body)
        assert response.is_success, response.text
        return response.json()["value"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own. Skips the test where there is no Chromium."""
    if (driver := which("chromedriver")) is None:
        skip_here("there is no chromedriver")
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = next(filter(None, (re.search(r"on port (\d+)\.", s) for s in process.stdout)))[1]
            sessions = f"http://127.0.0.1:{port}/session"
            wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": ARGUMENTS}}
            with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
                body = {"capabilities": {"alwaysMatch": wanted}}
                made = client.post(sessions, json=body).raise_for_status().json()["value"]
                client.base_url = httpx2.URL(session := f"{sessions}/{made['sessionId']}")
                try:
                    yield Browser(client)
                finally:
                    client.delete(session).raise_for_status()  # which ends Chromium
        finally:
            process.kill()
