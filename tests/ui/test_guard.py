"""Who may ask, what a browser may do with an answer, and that nothing is written."""

import os
import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bertspec.planning import hashes
from tests.cli.test_commands import HEAVY
from tests.plan.ready import training
from tests.projects import Project
from tests.ui.projects import client_of, edit

PAGES = [
    "/",
    "/pipeline",
    "/specs/tiny",
    "/specs/slow",
    "/specs/tiny/history",
    "/compare",
    "/compare?a=before&b=HEAD",
    "/compare?a=HEAD&spec=tiny",
]
NO_PAGES = [
    "/nothing",
    "/specs/nothing",
    "/specs/tiny/history?last=0",
    "/specs/../../etc/passwd",
    "/compare?a=nowhere",
    "/docs",
    "/openapi.json",
]


@pytest.fixture(scope="module")
def served(fresh: Project) -> Iterator[TestClient]:
    with client_of(fresh) as client:
        yield client


def _everything(root: Path) -> dict[str, tuple[float, str]]:
    """Time of change and content of every file, and every folder."""
    found = {}
    for path in sorted(root.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (path.lstat().st_mtime, sha256(content).hexdigest())
    return found


def test_nothing_in_the_repository_is_written(copied: Project, pages: TestClient) -> None:
    edit(copied, "tiny.json", training={"epochs": 12, "learning_rate": 0.01})
    copied.write_spec({**training(learning_rate=0.1), "name": "third"}, "third.json")
    (copied.root / "specs/syntax.yaml").write_text("name: [")
    (copied.root / "data/reviews.csv").open("a").write("one more,good\n")
    before = _everything(copied.root)
    for path in [*PAGES, *NO_PAGES, "/specs/third"]:
        pages.get(path)
    assert _everything(copied.root) == before
    assert "stale" in pages.get("/").text


def test_a_file_is_read_again_only_where_it_changed(
    copied: Project, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    md5 = hashes._md5_of_file

    def noted(place: str) -> str:
        read.append(place)
        return md5(place)

    monkeypatch.setattr(hashes, "_md5_of_file", noted)
    for path in copied.root.rglob("*"):  # what has only just changed is read once more
        if path.is_file():
            os.utime(path, (1e9, 1e9))
    pages.get("/")
    assert len(read) > 10
    read.clear()
    (copied.root / "data/reviews.csv").open("a").write("one more,good\n")
    assert "data/reviews.csv changed" in pages.get("/").text
    assert read == [str(copied.root / "data/reviews.csv")]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8010", "localhost:9000", "LOCALHOST"])
def test_this_machine_is_answered(served: TestClient, host: str) -> None:
    assert served.get("/style.css", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org:8010", "localhost.example.org", "", "[::1]:80"]
)
def test_other_names_of_this_machine_are_refused(served: TestClient, host: str) -> None:
    """A site can have its name lead to 127.0.0.1 (DNS rebinding)."""
    for path in ("/", "/style.css", "/nothing"):
        response = served.get(path, headers={"Host": host})
        assert response.status_code == 421
        assert "E465" in response.text
        assert "tiny" not in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/specs/tiny", "/compare"])
def test_nothing_can_be_written(served: TestClient, method: str, path: str) -> None:
    assert served.request(method, path).status_code == 405


def test_the_head_of_a_page_can_be_asked_for(served: TestClient) -> None:
    response = served.head("/style.css")
    assert (response.status_code, response.headers["content-type"][:8]) == (200, "text/css")


def test_a_page_of_another_site_can_lead_here_and_no_more(served: TestClient) -> None:
    elsewhere = {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}
    led = served.get("/", headers=elsewhere | {"Sec-Fetch-Mode": "navigate"})
    assert led.status_code == 200
    by_link = elsewhere | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert served.get("/", headers=by_link).status_code == 200
    for kind in ("iframe", "frame", "object", "embed"):
        response = served.get("/", headers=by_link | {"Sec-Fetch-Dest": kind})
        assert response.status_code == 403, "it is made in the background"
    for mode in ("no-cors", "cors"):
        response = served.get("/compare", headers=elsewhere | {"Sec-Fetch-Mode": mode})
        assert response.status_code == 403
        assert "E465" in response.text
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}
    assert served.get("/style.css", headers=own).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, *NO_PAGES, "/style.css", "/icon.svg"])
def test_an_answer_lets_a_browser_do_nothing_else(served: TestClient, path: str) -> None:
    response = served.get(path)
    assert response.status_code == (200 if path not in NO_PAGES else response.status_code)
    assert response.status_code in (200, 400, 404)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in response.headers if name.startswith("access-control")]
    if "html" in response.headers["content-type"]:
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", response.text)
        elsewhere = set(re.findall(r"""["'(](https?://[^"')]*)""", response.text))
        assert elsewhere <= {"http://www.w3.org/2000/svg"}
        assert "{{" not in response.text


def test_a_defect_is_told_with_the_same_headers(
    copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(copied) as client:
        client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]

        def fail(_: object) -> None:
            raise RuntimeError("<b>unexpected</b>")

        monkeypatch.setattr("bertspec.ui.app.read_project_here", fail)
        response = client.get("/")
    assert response.status_code == 500
    assert "E901" in response.text
    assert "&lt;b&gt;unexpected" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_pages_need_nothing_heavy(fresh: Project) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.ui.projects import client_of\n"
        "from tests.projects import Project\n"
        "client = client_of(Project(Path.cwd()))\n"
        f"assert all(client.get(path).status_code == 200 for path in {PAGES!r})\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    root = str(Path(__file__).parents[2])
    modules = set(fresh.run(sys.executable, "-c", code, PYTHONPATH=root).stdout.split())
    assert "pygal" in modules
    assert not modules & {*HEAVY, "vl_convert", "matplotlib"} - {"numpy"}  # grandalf has it
