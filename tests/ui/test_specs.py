"""The pages of specs say of what is stale what `bertspec plan` says, whatever else is broken."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.plan.ready import actions, plan, reasons, spec, training
from tests.plan.ready import edit as edit_yaml
from tests.projects import SPEC, Project
from tests.ui.projects import cards, client_of, edit, stage_states, text_of

STATES = {"run": {"runs", "new"}, "follow": {"may run"}, "restore": {"from the run cache"}}


def test_what_is_built_is_up_to_date_and_has_its_metrics(fresh: Project) -> None:
    with client_of(fresh) as pages:
        html = pages.get("/").text
        told = cards(html)
        assert set(told) == {"slow", "tiny"}
        assert all("up to date" in said for said in told.values())
        assert "0.8500 accuracy f1 0.8500, loss 0.4000 on test" in told["tiny"]
        assert "0.7000 accuracy" in told["slow"]
        assert "nothing to run" in text_of(html)
        said = text_of(pages.get("/specs/tiny").text)
        assert "metric test validation train accuracy 0.8500 0.8700 0.9000" in said
        assert "A tiny model." in said
        states = stage_states(pages.get("/specs/tiny").text)
        assert len(states) == 9
        assert set(states.values()) == {"up to date"}


def test_what_is_stale_is_told_as_a_plan_tells_it(copied: Project, pages: TestClient) -> None:
    copied.write_spec({**training(epochs=12, learning_rate=0.01), "description": "A tiny model."})
    (copied.root / "data/reviews.csv").open("a").write("one more,good\n")
    shutil.rmtree(copied.root / "models/slow/export")  # it is in DVC's cache
    told = plan(copied, code=2)
    states = stage_states(pages.get("/specs/tiny").text)
    states |= stage_states(pages.get("/specs/slow").text)
    whole = pages.get("/pipeline").text
    assert stage_states(whole) == states
    assert 'href="/specs/tiny#stage-tiny-train"' in whole
    for action, stages in actions(told).items():
        assert all(states.pop(name) in STATES[action] for name in stages)
    assert set(states.values()) <= {"up to date"}
    html = pages.get("/").text
    card = cards(html)["tiny"]
    for stage in ("tiny-train", "reviews-fetch"):
        assert all(reason in card for reason in reasons(told, stage))
        assert all(r in text_of(pages.get("/specs/tiny").text) for r in reasons(told, stage))
    (step,) = (step for step in told["stages"] if step["name"] == "tiny-train")
    (place,) = (r["position"] for r in step["reasons"] if r["field"])
    line, column = place["line"], place["column"]
    source = (copied.root / "specs/tiny.json").read_text().splitlines()[line - 1]
    assert source[column - 1 :].startswith("0.01")
    assert f"specs/tiny.json:{line}:{column}" in card
    assert "First: bertspec compile writes params.yaml" in text_of(html)


def test_a_new_spec_was_never_built_and_shares_what_was(copied: Project, pages: TestClient) -> None:
    copied.write_spec({**training(learning_rate=0.1), "name": "third"}, "third.json")
    assert "never built" in cards(pages.get("/").text)["third"]
    states = stage_states(pages.get("/specs/third").text)
    assert {states[n] for n in states if n.startswith("third-")} == {"new"}
    assert {states[n] for n in states if not n.startswith("third-")} == {"up to date"}


def test_a_stage_of_the_users_own_leads_nowhere(copied: Project, pages: TestClient) -> None:
    own = {"lines": {"cmd": "wc -l data/reviews.csv > lines", "deps": ["data/reviews.csv"]}}
    edit_yaml(copied.root / "dvc.yaml", stages=own)
    html = pages.get("/pipeline").text
    assert stage_states(html)["lines"] == "new"
    assert "#stage-lines" not in html
    assert 'href="/specs/slow#stage-slow-train"' in html


def test_a_stage_tells_what_it_reads_and_writes(fresh: Project) -> None:
    with client_of(fresh) as pages:
        html = pages.get("/specs/tiny").text
    section = html.split('id="stage-reviews-prepare"')[1].split("</section>")[0]
    said = text_of(section)
    assert "reads of reviews-fetch : data/reviews/raw writes data/reviews/prepared ," in said
    assert 'href="#stage-reviews-fetch"' in section
    assert "data.split.test 0.3 specs/slow.json" in said
    assert "pyarrow" in said


_DATA = SPEC["data"]
_LEARNED = SPEC["training"] | {"distillation": {"teacher": {"type": "spec", "name": "z-teacher"}}}

BROKEN = {
    "unknown.json": spec(name="unknown") | {"extra": 1},
    "rule.json": spec(name="rule", evaluation={"metrics": ["nothing"]}),
    "twice.json": spec(name="slow"),
    "student.json": spec(name="student", model={"base": {"type": "spec", "name": "rule"}}),
    # The teacher is at odds with `slow`, and comes with its pupil where it is not asked for.
    "pupil.json": spec(name="pupil", data=_DATA | {"name": "own"}, training=_LEARNED),
    "z-teacher.json": spec(
        name="z-teacher", data=_DATA | {"split": _DATA["split"] | {"test": 0.2}}
    ),
}


def test_what_is_not_valid_is_told_in_its_place_and_the_rest_goes_on(
    copied: Project, pages: TestClient
) -> None:
    for name, content in BROKEN.items():
        copied.write_spec(content, name)
    (copied.root / "specs/syntax.yaml").write_text("bertspec: 1\nname: [")
    (copied.root / "specs/lost.yaml").symlink_to("nowhere")
    (copied.root / "specs/datasets").mkdir()
    (copied.root / "specs/datasets/rows.yaml").write_text("nothing: 1\n")
    edit(copied, "tiny.json", training={"epochs": 12, "learning_rate": 0.01})
    html = pages.get("/").text
    told = cards(html)
    files = {"datasets/rows.yaml", "lost.yaml", "syntax.yaml", *BROKEN}
    assert {f"specs/{name}" for name in files} == {name for name in told if "/" in name}
    assert "E010" in told["specs/unknown.json"]
    assert "nothing" in told["specs/rule.json"]
    assert "`slow`" in told["specs/twice.json"]
    assert "E126" in told["specs/z-teacher.json"]
    assert all("[E" in told[f"specs/{name}"] for name in files)
    assert "up to date" in told["slow"]
    assert "training.learning_rate 0.003 -> 0.01 specs/tiny.json" in told["tiny"]
    assert stage_states(pages.get("/specs/tiny").text)["tiny-train"] == "runs"
    assert "Planned without" in text_of(html)
    assert pages.get("/specs/unknown").status_code == 404


def test_what_the_lock_has_not_is_told_at_the_spec_that_needs_it(
    copied: Project, pages: TestClient
) -> None:
    hub = {"type": "hub", "id": "acme/tiny", "revision": "main"}
    copied.write_spec(spec(name="hubbed", model={"base": hub}), "hubbed.json")
    told = cards(pages.get("/").text)
    assert "E215" in told["hubbed"]
    assert "unknown" in told["hubbed"]
    assert "up to date" in told["tiny"]
    assert "E215" in pages.get("/specs/hubbed").text


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda root: (root / "bertspec.lock").unlink(), "E207"),
        (lambda root: (root / "bertspec.lock").write_text("{"), "E208"),
        (lambda root: (root / "dvc.yaml").write_text("- <<<<<<"), "E209"),
        (lambda root: (root / "dvc.lock").write_text("["), "E218"),
        (lambda root: shutil.rmtree(root / "specs"), "E007"),
    ],
)
def test_without_a_plan_the_rest_is_shown(
    copied: Project, pages: TestClient, break_it: Callable[[Path], object], code: str
) -> None:
    break_it(copied.root)
    response = pages.get("/")
    assert response.status_code == 200
    assert code in response.text
    if code != "E007":
        assert "0.8500 accuracy" in cards(response.text)["tiny"]
        assert "0.8500" in pages.get("/specs/tiny").text


def test_an_empty_folder_and_no_dvc_are_no_errors(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    with client_of(Project(tmp_path)) as pages:
        assert "bertspec init" in pages.get("/").text
    with client_of(Project.create(tmp_path / "bare")) as pages:
        assert "E207" in pages.get("/").text
        assert "no commit" in pages.get("/").text


def test_two_specs_of_many_stages(copied: Project, pages: TestClient) -> None:
    for name in ("many", "re-trained"):
        seeds = list(range(100, 140))
        copied.write_spec({**training(seeds=seeds), "name": name}, f"{name}.json")
    for name in ("many", "re-trained"):
        html = pages.get(f"/specs/{name}").text
        assert len(stage_states(html)) == 9 + 1 + 2 * 40
        assert f">{name}</text>" in html
        assert f">{name}-seed100</text>" in html
        assert ">reed-train</text>" not in html


def test_text_of_specs_is_text_and_secrets_are_hidden(copied: Project, pages: TestClient) -> None:
    token = "hf_" + "a" * 34
    edit(copied, "tiny.json", description=f"<script>alert(1)</script> {token} \u202e")
    html = pages.get("/specs/tiny").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html
    assert token not in html
    assert "\u202e" not in html
