"""`bertspec explain`: every stage, field and file that an artifact is made from; its history."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bertspec.compiler.lower import lower, packages_used
from bertspec.core.diagnostics import Position
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.planning import history
from bertspec.planning.order import makers_of
from bertspec.planning.origin import origins
from bertspec.planning.project import read_project
from bertspec.planning.sources import Sources
from bertspec.spec.load import load
from tests.compiler import test_compile as language
from tests.plan.ready import edit, plan, reasons, spec, training
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


def _retrained(project: Project, **changes: Any) -> dict[str, Any]:
    """Another entry for the training; gives what dvc.lock had of it."""
    file = project.root / "dvc.lock"
    before: dict[str, Any] = load_plain(file.read_text())["stages"]["tiny-train"]
    after = json.loads(json.dumps(before))
    after["params"]["params.yaml"]["tiny.training"] |= changes
    edit(file, stages={"tiny-train": after})
    return before


def test_an_entry_that_merging_left_out_is_no_first_build(ready: Project) -> None:
    ready.commit("built")
    first = _explain(ready, "tiny-train")["last_rebuild"]
    entry = _retrained(ready, epochs=11)
    ready.commit("retrained")
    again = _explain(ready, "tiny-train")["last_rebuild"]
    assert again["reasons"] == ["training.epochs 10 -> 11"]
    lock = ready.root / "dvc.lock"
    retrained = load_plain(lock.read_text())["stages"]["tiny-train"]
    edit(lock, stages={"tiny-train": None})
    ready.commit("merged")
    edit(lock, stages={"tiny-train": retrained})
    assert _explain(ready, "tiny-train")["last_rebuild"] == again, "put back as it was"
    edit(lock, stages={"tiny-train": entry})
    told = _explain(ready, "tiny-train")["last_rebuild"]
    assert (told["commit"], told["first"]) == (None, False)
    assert told["reasons"] == ["training.epochs 11 -> 10"]
    assert first["first"]


def test_what_was_built_before_the_versions_looked_at_is_no_first_build(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epochs in (11, 12):
        ready.commit(f"before {epochs}")
        _retrained(ready, epochs=epochs)
    ready.commit("last")
    assert _explain(ready, "tiny-evaluate")["last_rebuild"]["first"]
    monkeypatch.setattr(history, "_MOST", 3)
    assert _explain(ready, "tiny-evaluate")["last_rebuild"]["first"], "there are no more"
    monkeypatch.setattr(history, "_MOST", 2)
    told = _explain(ready, "tiny-evaluate")["last_rebuild"]
    assert (told["first"], told["or_before"], told["reasons"]) == (False, True, [])
    said = ready.bertspec("explain", "tiny-evaluate").splitlines()[1]
    assert re.match(rf"last made anew in {told['commit']} of .+, or before: ", said)
    assert _explain(ready, "tiny-train")["last_rebuild"]["reasons"] == ["training.epochs 11 -> 12"]


def test_before_it_was_built_and_without_git(project: Project) -> None:
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    said = project.bertspec("explain", "tiny-export").splitlines()
    assert said[0] == "would run now: new"
    assert said[1] == "never built, as far as dvc.lock knows"


def test_a_budget_of_tokens_is_told_with_its_line(ready: Project) -> None:
    ready.write_spec(spec(tokenization={"max_length": 32, "truncation": {"budget": 0.5}}))
    said = ready.bertspec("explain", "tiny-train")
    found = re.search(r"tokenization\.truncation\.budget 0\.5   specs/tiny\.json:(\d+):", said)
    assert found
    assert "budget" in (ready.root / "specs/tiny.json").read_text().splitlines()[int(found[1]) - 1]
    assert "budgets" not in said
    fields = _explain(ready, "tiny-train")["origins"][0]["fields"]
    assert "training.ema" in {field["name"] for field in fields}, "not in params.yaml by default"


def test_a_budget_taken_away_is_told_by_the_name_of_its_field(ready: Project) -> None:
    lock = load_plain((ready.root / "dvc.lock").read_text())["stages"]
    name = next(stage for stage in lock if stage.endswith("-tokenize"))
    params = lock[name]["params"]["params.yaml"]
    key = f"tokenizations.{name.removesuffix('-tokenize')}.budgets"
    params[key] = {"tiny": {"truncation": {"budget": 0.5, "severity": "error"}}}
    params[f"bertspec.stages.{name}"]["params"]["budgets"] = key
    edit(ready.root / "dvc.lock", stages={name: lock[name]})
    (reason,) = reasons(plan(ready), name)
    assert re.fullmatch(r"tokenization has no budget any longer specs/tiny.json:\d+:\d+", reason)


def test_what_the_lock_has_of_a_base_is_told_with_its_place_there(ready: Project) -> None:
    """Its name is a digest of what it is with that."""
    lock = ready.root / "bertspec.lock"
    packages = load_plain(lock.read_text())["packages"] | {"huggingface-hub": "1.0"}
    edit(lock, hub={"models/acme/tiny@main": language.SHA}, packages=packages)
    ready.write_spec(spec(model={"base": {"type": "hub", "id": "acme/tiny", "revision": "main"}}))
    fields = {f["name"]: f for o in _explain(ready, "tiny-train")["origins"] for f in o["fields"]}
    assert fields["model.base.id"]["position"]["file"] == "specs/tiny.json"
    assert fields["model.base.id"]["position"]["line"]
    assert fields["tokenization.max_length"]["position"]["line"]
    revision = fields["model.base.revision"]
    assert revision["value"] == language.SHA
    place = revision["position"]
    assert place["file"] == "bertspec.lock"
    assert language.SHA in lock.read_text().splitlines()[place["line"] - 1]


def _listed(root: Path) -> dict[str, dict[str, Position]]:
    """For each kind of stage, fields that are told of it, with their places."""
    specs = load([Path("specs")], root).specs
    lock = Lock(threads=1, packages=dict.fromkeys(packages_used(specs), "1.0"))
    read = read_project(root, lower(specs, lock))
    makers, sources = makers_of(read.entries.values()), Sources(root, specs)
    found = origins(read.entries["tiny-report"], read.entries, makers, read.params, sources)
    return {o.kind: {f.name: f.position or Position("") for f in o.fields} for o in found if o.kind}


def _above_or_below(one: str, other: str) -> bool:
    return any(f"{a}.".startswith((f"{b}.", f"{b}[")) for a, b in ((one, other), (other, one)))


def test_every_field_that_changes_a_stage_is_told_of_it(project: Project) -> None:
    """Before the change, by default or not, and after it with the line that it stands in."""
    project.write_spec(language.full_spec())
    before = _listed(project.root)
    missing = []
    for path, affects in language._fields():
        if path in language.NOT_CHANGED or not affects:
            continue
        change = language.CHANGES[path]
        where, value = change if isinstance(change, tuple) else (path, change)
        changed = language.full_spec()
        language.set_field(changed, where, value)
        project.write_spec(changed)
        after = _listed(project.root)
        field = where.replace("export.0", "export[0]")
        for kind in affects:
            if not any(_above_or_below(field, name) for name in before.get(kind, [field])):
                missing.append((path, kind, "before"))
            lines = [p.line for f, p in after[kind].items() if _above_or_below(field, f)]
            if not (any(lines) if value else lines):  # of `{}` all that is in it is a default
                missing.append((path, kind, "after"))
    assert missing == []


@pytest.mark.parametrize("target", ["tiny-tran", "models/tiny/traned", "data/reviews.csv"])
def test_what_no_stage_makes_is_told(ready: Project, target: str) -> None:
    said = ready.bertspec("explain", target, code=2)
    assert "error[E220]" in said
    assert "did you mean" in said
