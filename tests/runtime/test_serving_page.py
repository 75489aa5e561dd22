"""The pages of `bertspec serve` in headless Chromium, where there is one."""

from collections.abc import Iterator

import httpx2
import pytest

from bertspec.runtime.predict import Predictor
from tests.browser import Browser
from tests.projects import Project
from tests.serving import post, serving

TEXT = "a warm and funny film <b>& naïve</b>"


@pytest.fixture(scope="module")
def client(built: Project) -> Iterator[httpx2.Client]:
    with serving(Predictor(built.root / "models/tiny/export"), max_body=1000) as client:
        yield client


def test_a_text_is_typed_and_labels_are_read(browser: Browser, client: httpx2.Client) -> None:
    probabilities = post(client, {"text": TEXT}).json()["probabilities"]
    best, other = sorted(probabilities, key=lambda label: -probabilities[label])
    browser.open(str(client.base_url))
    browser.wait_for("!document.forms[0].hidden")
    assert browser.texts("title, h1") == ["tiny", "tiny"]
    browser.type("#field-text", TEXT)
    browser.click("#go")
    browser.wait_for("document.querySelector('.bars')")
    assert browser.texts("#result h2") == ["Answer"]
    percents = [f"{probabilities[label]:.1%}".replace("%", " %") for label in (best, other)]
    assert browser.texts(".bars li *") == [
        f"{best} ✓", "", "", percents[0], other, "", "", percents[1],
    ]  # fmt: skip
    widths = browser.run("[...document.querySelectorAll('.track span')].map(e => e.clientWidth)")
    share = widths[0] / browser.run("document.querySelector('.track').clientWidth")
    assert share == pytest.approx(probabilities[best], abs=0.02), "the policy lets bars be drawn"


def test_an_error_is_told_where_answers_are(browser: Browser, client: httpx2.Client) -> None:
    browser.open(str(client.base_url))
    browser.wait_for("!document.forms[0].hidden")
    browser.run("document.getElementById('field-text').value = 'x'.repeat(2000)")
    browser.click("#go")
    browser.wait_for("document.querySelector('.error')")
    assert browser.texts("#result h2") == ["Error"]
    assert "E454" in browser.texts(".error strong")[0]


@pytest.mark.parametrize(
    ("path", "ready"),
    [("/", "!document.forms[0].hidden"), ("/docs", "document.querySelector('.opblock')")],
)
def test_a_page_asks_its_own_server_alone(
    browser: Browser, client: httpx2.Client, path: str, ready: str
) -> None:
    browser.open(f"{client.base_url}{path}")
    browser.wait_for(ready)
    asked = browser.run("performance.getEntriesByType('resource').map(e => e.name)")
    assert asked
    assert all(url.startswith((str(client.base_url), "data:")) for url in asked), asked
