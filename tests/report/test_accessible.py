"""Pages in a real browser: nobody is shut out by them, and their filters find what one asks for.

axe-core checks them in light and dark, on a phone and on a desktop.
"""

import json
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Browser
from tests.diffing.models import write_model
from tests.projects import SPEC, Project
from tests.report.inputs import render, write_inputs
from tests.stages import run_kinds

TEXTS = [f"a text number {i}{' on zebras' if i < 6 else ''}" for i in range(24)]
"""Row i has the last but i as its second text."""


@pytest.fixture(scope="module")
def axe() -> str:
    try:
        (path,) = (f for f in files("axe-playwright-python") or () if f.name == "axe.min.js")
    except PackageNotFoundError:
        pytest.skip("there is no axe-core")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    render(write_inputs(folder, texts=TEXTS, spikes={3: 9.0}), folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Project.create(tmp_path_factory.mktemp("comparison") / "project")
    project.write_spec(SPEC | {"name": "other", "training": {"epochs": 3}}, "other.json")
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract")
    write_model(project, "tiny", {0, 1})
    write_model(project, "other", {1, 2, 3}, sure=0.7)
    project.bertspec("compare", "tiny", "other", "--html", "comparison.html")
    return project.root / "comparison.html"


def _look(browser: Browser, page: Path, scheme: str, width: int) -> None:
    browser.emulate(scheme, width)
    browser.open(page.as_uri())


@pytest.mark.parametrize("page", ["report", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(
    request: pytest.FixtureRequest, browser: Browser, axe: str, page: str, scheme: str, width: int
) -> None:
    _look(browser, request.getfixturevalue(page), scheme, width)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    # The page's policy holds back scripts of texts, and not the one of who drives the browser.
    browser.run(f"(() => {{ {axe}; return typeof axe }})()")
    found: Any = browser.run(
        "axe.run().then(r => r.violations.map(v => "
        "[v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html)]))"
    )
    serious = [violation for violation in found if violation[0] in ("serious", "critical")]
    assert not serious, json.dumps(serious, indent=1)


@pytest.mark.parametrize("page", ["report", "comparison"])
def test_a_phone_need_not_be_pushed_sideways(
    request: pytest.FixtureRequest, browser: Browser, page: str
) -> None:
    _look(browser, request.getfixturevalue(page), "light", 390)
    assert browser.run("document.documentElement.scrollWidth") == 390


def test_colours_follow_the_reader(browser: Browser, report: Path) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        _look(browser, report, scheme, 1280)
        line = "document.querySelector('.mark-line path')"
        colours.add(browser.run(f"getComputedStyle({line}).stroke"))
    assert len(colours) == 2


def test_rows_are_found_by_text_and_label(browser: Browser, report: Path) -> None:
    def shown() -> int:
        return int(browser.run("document.querySelectorAll('.browse li:not([hidden])').length"))

    _look(browser, report, "light", 1280)
    assert shown() == 24
    assert browser.texts("output") == ["24 of 24 rows"]
    browser.type(".browse input", "ZEBRAS text")
    assert shown() == 12
    browser.run("document.querySelector('select[name=actual]').value = '1'")
    browser.type(".browse input", "zebras")
    assert shown() == 6
    assert set(browser.texts(".browse li:not([hidden]) .good-word")) == {"good"}
    assert browser.texts("output") == [f"{shown()} of 24 rows"]
    browser.click(".browse button")
    browser.wait_for("document.querySelector('output').textContent == '24 of 24 rows'")


def test_a_script_of_a_text_does_not_run(browser: Browser, tmp_path: Path) -> None:
    """Were one to get into the page, its policy would stop it."""
    page = tmp_path / "r.html"
    html = render(write_inputs(tmp_path), page)
    page.write_text(html.replace("</main>", "<script>window.ran = 1</script></main>"))
    _look(browser, page, "light", 1280)
    assert browser.run("window.ran") is None
    assert browser.texts("output") == ["2 of 2 rows"], "and the page's own runs"
