"""Metrics over commits, as git itself has them, and two revisions, as `bertspec diff` tells."""

import json
import re
import shutil
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bertspec.core.program import Answer
from bertspec.runtime.revision import Revision
from bertspec.ui.history import History
from tests.plan.ready import training
from tests.projects import Project
from tests.ui.projects import COMMITS, client_of, edit, measure, metrics, text_of

SHORT = "[0-9a-f]{7,}"


def _commits(project: Project, *paths: str) -> list[str]:
    return project.run("git", "log", "--format=%h", "--", *paths).stdout.split()


def _rows(html: str) -> list[list[str]]:
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [text_of(row).split() for row in re.findall("<tr>.*?</tr>", body, re.DOTALL)]


def _noted(monkeypatch: pytest.MonkeyPatch, method: str) -> list[str]:
    """Names of the revisions of which something is read."""
    found: list[str] = []
    before = getattr(Revision, method)

    def noted(revision: Revision, *arguments: Any) -> Any:
        found.append(revision.name)
        return before(revision, *arguments)

    monkeypatch.setattr(Revision, method, noted)
    return found


def test_each_commit_that_changed_metrics_has_them(fresh: Project) -> None:
    with client_of(fresh) as pages:
        html = pages.get("/specs/tiny/history").text
    rows = _rows(html)
    commits = _commits(fresh, "models/tiny/metrics.json")
    assert [row[0] for row in rows] == commits
    assert len(commits) == COMMITS + 1
    for commit, row in zip(commits, rows, strict=True):
        text = fresh.run("git", "show", f"{commit}:models/tiny/metrics.json").stdout
        test = json.loads(text)["test"]
        assert all(f"{test[name]:.4f}" in row for name in ("accuracy", "f1", "loss"))
    assert "+0.0500" in rows[0]
    assert "step 4 &lt;b&gt;&amp;" in html
    assert html.count('<svg xmlns="http://www.w3.org/2000/svg"') == 3
    assert html.count("<circle") == 3 * 3 * (COMMITS + 1)
    last = metrics(COMMITS)["validation"]["f1"]
    assert re.search(f"<title>validation {last:.4f}, {commits[0]} of [-0-9]+: built</title>", html)
    assert f"/compare?a={commits[1]}&amp;b={commits[0]}&amp;spec=tiny" in html


def test_a_message_is_one_text_and_an_answer_that_git_owes_is_asked_for_again(
    copied: Project, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "a" * 34
    measure(copied, 4)
    copied.commit(f"one\u2028two\x85three\x0bfour \u202e {token}")

    def slow(*_: str, **__: object) -> Answer:
        return Answer(-1, "", "it did not end within 60 seconds")

    head = Revision.of(copied.root, "HEAD")
    for module in ("ui.history", "runtime.revision"):
        with monkeypatch.context() as patched:
            patched.setattr(History, "head", lambda _: head)
            patched.setattr(History, "here", lambda *_: None)
            patched.setattr(f"bertspec.{module}.ask", slow)
            assert "no metrics of it yet" in text_of(pages.get("/specs/tiny/history").text)
    html = pages.get("/specs/tiny/history").text
    assert len(_rows(html)) == COMMITS + 2
    assert "- - -" not in text_of(html)
    assert "two" in " ".join(_rows(html)[0])
    assert "<title>test 0.8000" in html
    assert token not in html
    assert "\u202e" not in html


def test_what_is_not_committed_is_told_and_a_commit_is_read_once(
    copied: Project, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = _noted(monkeypatch, "text")
    pages.get("/specs/tiny/history")
    assert len(read) == COMMITS + 1
    measure(copied, 1)
    html = pages.get("/specs/tiny/history?last=2&split=train").text
    assert len(read) == COMMITS + 1
    rows = _rows(html)
    assert [row[0] for row in rows] == ["here", *_commits(copied, "models/tiny/metrics.json")[:2]]
    assert f"{metrics(1)['train']['f1']:.4f}" in rows[0]
    assert "On train" in text_of(html)


def test_a_commit_without_metrics_or_with_broken_ones_is_a_gap(
    copied: Project, pages: TestClient
) -> None:
    file = copied.root / "models/tiny/metrics.json"
    for broken in (None, "{", '{"test": {"accuracy": NaN, "new": 0.5}}', "[1]"):
        file.unlink() if broken is None else file.write_text(broken)
        copied.commit()
    nowhere = {"never": float("nan"), "all": float("inf")}
    file.write_text(json.dumps({"test": nowhere}))
    html = pages.get("/specs/tiny/history").text
    rows = _rows(html)
    assert rows[0][:3] == ["here", "not", "committed"]
    assert html.count("<figcaption") == 4, "a metric with no number has no chart"
    file.write_text("[1]")
    html = pages.get("/specs/tiny/history").text
    rows = _rows(html)
    assert len(rows) == COMMITS + 5
    assert rows[0][3:8] == ["-", "-", "-", "-", "compare"]
    assert html.count("<circle") == 3 * 3 * (COMMITS + 1) + 1


@pytest.mark.parametrize("commits", [True, False])
def test_without_history_the_rest_is_shown(copied: Project, *, commits: bool) -> None:
    shutil.rmtree(copied.root / ".git")
    if commits:
        copied.run("git", "init", "--quiet")
    with client_of(copied) as pages:
        assert "no commit of git" in pages.get("/").text
        said = text_of(pages.get("/specs/tiny/history").text)
        assert "here not committed 0.8500" in said
        response = pages.get("/compare")
        assert response.status_code == 400
        assert "E490" in response.text
        assert "nothing differs" in text_of(pages.get("/compare?a=&b=").text)


def test_two_revisions_are_compared_as_diff_does(
    copied: Project, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("DVC was asked")

    copied.write_spec({**training(learning_rate=0.5, epochs=9), "name": "slow"}, "slow.json")
    (copied.root / "specs/tiny.json").rename(copied.root / "specs/other.json")
    edit(copied, "other.json", name="other")
    told = json.loads(copied.call("diff", "before", "--format", "json").stdout)
    monkeypatch.setattr(Revision, "get", refuse)
    html = pages.get("/compare?a=before&b=").text
    said = text_of(html)
    assert "New: other" in said
    assert "Gone: tiny" in said
    (spec,) = told["specs"]
    for field in spec["fields"]:
        place = field["places"][1]
        assert f"{field['field']} {field['old']} {field['new']} ~ train" in said
        assert f"specs/slow.json:{place['line']}:{place['column']}" in said
    assert len(spec["fields"]) == 2
    html = pages.get("/compare?a=before&b=HEAD&spec=tiny").text
    assert "training.epochs 10 12 ~ train before:specs/tiny.json" in text_of(html)
    assert "test.accuracy 0.8000 0.8500 +0.0500" in text_of(html)
    assert "bertspec compare tiny@before tiny@HEAD" in text_of(html)
    assert "slow" not in text_of(html.split("</form>")[1])


def test_revisions_are_offered_and_commits_are_compared_once(
    copied: Project, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied.run("git", "branch", "side/one")
    html = pages.get("/compare").text
    options = re.findall(r"<option[^>]*>([^<]*)", html)
    short = _commits(copied)[0]
    assert {"main", "side/one", "before", "slow", "tiny", f"{short} built"} <= set(options)
    exported = _noted(monkeypatch, "export")
    for _ in range(2):
        assert "training.epochs" in pages.get("/compare?a=before&b=side/one").text
    assert exported == ["before", "side/one"]
    copied.run("git", "tag", "--force", "before", "HEAD")
    assert "nothing differs" in text_of(pages.get("/compare?a=before&b=side/one").text)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("a=nowhere", "E490"),
        ("a=--output=x", "E490"),
        ("a=HEAD&spec=nothing", "E204"),
        ("a=HEAD&b=HEAD~100", "E490"),
    ],
)
def test_what_cannot_be_compared_is_told(fresh: Project, query: str, code: str) -> None:
    with client_of(fresh) as pages:
        response = pages.get(f"/compare?{query}")
    assert response.status_code == 400
    assert code in response.text
    assert "<form" in response.text


def test_what_is_not_valid_at_a_revision_is_told_and_here_it_is_left_out(
    copied: Project, pages: TestClient
) -> None:
    (copied.root / "specs/tiny.json").write_text("{")
    copied.commit()
    response = pages.get("/compare?a=before&b=HEAD")
    assert response.status_code == 400
    assert "E001" in response.text
    response = pages.get("/compare?a=before&b=")
    assert response.status_code == 200
    assert "Gone: tiny" in text_of(response.text)
