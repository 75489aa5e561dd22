"""`bertspec explain`: every stage, field and file that an artifact is made from; its history."""

import json
from typing import Any

import pytest

from tests.plan.ready import plan, training
from tests.projects import Project


def _explain(project: Project, target: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(project.call("explain", target, "--format", "json").stdout)
    return told


def test_a_file_is_followed_to_raw_data_and_lines_of_specs(ready: Project) -> None:
    told = _explain(ready, "models/tiny/trained/one.txt")
    assert told["stage"] == "tiny-train"
    kinds = [origin["kind"] for origin in told["origins"]]
    assert sorted(kinds) == sorted(["train", "contract", "prepare", "fetch", "tokenize", "base"])
    by_kind = {origin["kind"]: origin for origin in told["origins"]}
    assert by_kind["fetch"]["files"] == ["data/reviews.csv"]
    assert by_kind["fetch"]["depth"] > by_kind["prepare"]["depth"] > 0
    assert by_kind["train"]["locked"]["threads"] == "1"
    lines = (ready.root / "specs/tiny.json").read_text().splitlines()
    fields = [field for origin in told["origins"] for field in origin["fields"]]
    written = [field for field in fields if field["position"]["line"]]
    assert len(written) > 15
    for field in written:
        line = lines[field["position"]["line"] - 1][field["position"]["column"] - 1 :]
        assert line.startswith(("[", json.dumps(field["value"]))), field
    assert {"training.seed", "training.epochs"} <= {field["name"] for field in fields}
    assert not any(field["name"].startswith(("evaluation", "export")) for field in fields)


def test_it_is_said_by_stage_too_and_as_text(ready: Project) -> None:
    said = ready.bertspec("explain", "tiny-train")
    assert said.splitlines()[0] == "up to date"
    assert "\n          data/reviews.csv\n" in said
    assert "training.learning_rate 0.003   specs/tiny.json:" in said
    assert "locked: numpy " in said
    assert said.count("\n      reviews-fetch makes data/reviews/raw\n") == 1, "each stage once"
    same = ready.bertspec("explain", "./models/tiny/trained/").splitlines()
    assert same[0] == "./models/tiny/trained/ is made by tiny-train"
    assert same[1:] == said.splitlines()


def test_why_it_would_run_and_why_it_last_did(ready: Project) -> None:
    never = _explain(ready, "tiny-train")
    assert never["last_rebuild"]["first"]
    assert never["last_rebuild"]["commit"] is None
    ready.commit("first")
    first = _explain(ready, "tiny-train")["last_rebuild"]
    assert (first["first"], len(first["commit"]) >= 7) == (True, True)
    ready.write_spec(training(learning_rate=0.001))
    planned = _explain(ready, "tiny-train")["planned"]
    assert planned == next(s for s in plan(ready)["stages"] if s["name"] == "tiny-train")
    ready.bertspec("compile")
    ready.run("dvc", "commit", "--force", "--quiet", "tiny-train")
    now = _explain(ready, "tiny-train")
    assert now["planned"] is None
    assert now["last_rebuild"]["commit"] is None
    ready.commit("second")
    ready.commit("third, without a change of dvc.lock")
    last = _explain(ready, "tiny-train")["last_rebuild"]
    assert last["reasons"] == ["training.learning_rate 0.003 -> 0.001"]
    assert last["commit"] not in (None, first["commit"])
    assert not last["first"]
    unchanged = _explain(ready, "tiny-evaluate")["last_rebuild"]
    assert unchanged["commit"] == first["commit"], "it was not made anew"
    said = ready.bertspec("explain", "tiny-train").splitlines()[1]
    assert said == f"last made anew in {last['commit']} of {last['date']}: {last['reasons'][0]}"


def test_before_it_was_built_and_without_git(project: Project) -> None:
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    said = project.bertspec("explain", "tiny-export").splitlines()
    assert said[0] == "would run now: new"
    assert said[1] == "never built, as far as dvc.lock knows"


@pytest.mark.parametrize("target", ["tiny-tran", "models/tiny/traned", "data/reviews.csv"])
def test_what_no_stage_makes_is_told(ready: Project, target: str) -> None:
    said = ready.bertspec("explain", target, code=2)
    assert "error[E220]" in said
    assert "did you mean" in said
