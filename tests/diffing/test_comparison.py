"""`bertspec compare --html` and `--format markdown`: two models of one folder, written by hand."""

import json
import re
from html import unescape
from typing import Any

import pytest
from markdown_it import MarkdownIt

from bertspec.diffing.comment import MOST, code
from bertspec.runtime.stage import run_stage
from tests.diffing.models import write_model
from tests.projects import SPEC, Project
from tests.stages import prepared_rows

WICKED = (
    "</script><script>alert(1)</script>",
    "`` @someone | <!-- {{ 7*7 }}",
    "<details>",
    "\u202e",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """`tiny` has test rows 0 and 1 wrong, and `other` 1, 2 and 3; rows have wicked texts."""
    project = Project.create(tmp_path_factory.mktemp("beside") / "project")
    texts = [f"{WICKED[i % 4]} film {i}" for i in range(120)]
    project.write_rows([(text, "good" if i % 2 else "bad") for i, text in enumerate(texts)])
    project.write_spec(SPEC | {"name": "other", "training": {"epochs": 3}}, "other.json")
    project.compile()
    for kind in ("fetch", "prepare", "contract"):
        run_stage(f"reviews-{kind}", project.root)
    write_model(project, "tiny", {0, 1})
    write_model(project, "other", {1, 2, 3})
    return project


@pytest.fixture(scope="module")
def made(project: Project) -> tuple[str, str]:
    """The page and the comment."""
    said = project.call("compare", "tiny", "other", "--html", "c.html", "--format", "markdown")
    return (project.root / "c.html").read_text(encoding="utf-8"), said.stdout


def test_rows_that_one_model_has_right_are_shown(project: Project, made: tuple[str, str]) -> None:
    page, comment = made
    texts = prepared_rows(project, "test")["text"].to_pylist()
    assert "2 rows now wrong, 1 now right" in page
    rows = re.findall(r'<li data-change="(\d)".*?</li>', page, re.DOTALL)
    assert rows == ["0", "0", "1"]
    shown = [unescape(t) for t in re.findall(r'<p class="text" dir="auto">(.*?)</p>', page)]
    assert sorted(shown[:2]) == sorted(texts[2:4])
    assert shown[2] == texts[0]
    assert comment.count("\n- now wrong: ") == 2
    assert comment.count("\n- now right: ") == 1


def test_the_page_has_fields_curves_parts_and_stages(made: tuple[str, str]) -> None:
    page, _ = made
    for part in (
        "training.epochs 10 -&gt; 3", "accuracy 0.9", "<h2>Changed fields</h2>", "by epoch",
        "Training loss, smoothed", "ROC of good, on test", "Precision and recall of good",
        "Calibration: accuracy", "Test by class", "0.2500 → 0.2500", "18 → 18", "E601",
        "McNemar",
    ):  # fmt: skip
        assert part in page, part
    assert page.count("<script") == 1, "texts are no elements"
    assert "&lt;i&gt;" in page


def test_the_comment_is_markdown_that_no_text_leaves(made: tuple[str, str]) -> None:
    _, comment = made
    html = MarkdownIt("commonmark").enable("table").render(comment)
    assert "<table>" in html
    plain = re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL)
    assert "@someone" not in plain
    assert "alert" not in plain
    assert plain.count("<details>") == plain.count("</details>") == comment.count("\n</details>")
    assert "`training.epochs 10 -> 3` | train |" in comment


@pytest.mark.parametrize(
    "text", ["a", "`", "a``b`", "`` ` ```", " ", "", "|\\|", "\\", "*_<b>&amp;"]
)
def test_a_code_span_says_what_it_is_given(text: str) -> None:
    html = MarkdownIt().render(f"x {code(text)} y")
    (inner,) = re.findall(r"<code>(.*?)</code>", html)
    assert unescape(inner).strip() == text.strip()


def test_a_comment_fits_however_much_has_changed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.diffing import comment

    monkeypatch.setattr(comment, "ROOM", 1300)
    said = project.call("compare", "tiny", "other", "--format", "markdown").stdout
    assert len(said) <= 1300 < MOST
    assert "3 more are left out." in said


def test_what_is_not_to_be_had_is_told(project: Project) -> None:
    folder = project.root / "data/reviews/prepared"
    folder.rename(folder.with_suffix(".away"))
    try:
        said = project.call("compare", "tiny", "other", "--html", "d.html").stdout
    finally:
        folder.with_suffix(".away").rename(folder)
    page = (project.root / "d.html").read_text(encoding="utf-8")
    assert "accuracy" in said
    assert "data/reviews/prepared is missing here" in page
    assert "2 rows now wrong, 1 now right." in page


def _json(project: Project, *arguments: str) -> Any:
    return json.loads(project.call("compare", *arguments, "--format", "json").stdout)


def test_a_page_changes_nothing_of_what_is_said(project: Project) -> None:
    both = ("tiny", "other")
    assert _json(project, *both, "--html", "e.html") == _json(project, *both)
    first = (project.root / "e.html").read_bytes()
    _json(project, *both, "--html", "e.html")
    assert (project.root / "e.html").read_bytes() == first


def test_a_model_with_itself(project: Project) -> None:
    said = project.call("compare", "tiny", "tiny", "--html", "f.html", "--format", "markdown")
    assert "### `tiny (first)` → `tiny (second)`" in said.stdout
    assert "0 now wrong, 0 now right" in said.stdout
