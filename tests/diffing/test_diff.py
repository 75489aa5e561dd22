"""`bertspec diff`: every change is told as what it is, and another layout as nothing."""

import json
import re
import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bertspec.core.terminal import json_text
from bertspec.core.yaml import dump, load_plain
from bertspec.diffing.diff import Diff, diff
from bertspec.diffing.report import as_json, show
from bertspec.diffing.side import SPECS
from bertspec.diffing.wanted import read_words
from bertspec.runtime.stage import run_stage
from bertspec.spec.load import load
from bertspec.spec.sections import Spec
from tests.projects import SPEC, Project, rows

FIRST, SECOND = "a" * 40, "b" * 40
HUB = {"type": "hub", "id": "acme/tiny", "revision": "main"}
DATA = ("reviews-fetch", "reviews-prepare")
METRICS = {
    "train": {"accuracy": 1.0, "f1": 1.0, "loss": 0.1},
    "test": {"f1": 0.5, "accuracy": 0.6, "loss": 0.7},
    "classes": {"bad": {"f1": 0.5, "rows": 18}, "good": {"f1": 0.25, "rows": 18}},
}


def _spec(**changes: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(SPEC)), "training": {"epochs": 2}, "export": [], **changes}


def _replace(file: Path, pattern: str, new: str) -> None:
    text, count = re.subn(pattern, new, file.read_text(), count=1)
    assert count == 1
    file.write_text(text)


def _measure(project: Project, metrics: Mapping[str, Any]) -> None:
    file = project.root / "models/tiny/metrics.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(metrics))


def _build(project: Project, tag: str) -> None:
    """Compile, make the rows, and commit all of it."""
    project.bertspec("compile")
    for stage in DATA:
        run_stage(stage, project.root)
    project.run("dvc", "commit", "--force", "--quiet", *DATA)
    project.commit(tag)
    project.run("git", "tag", tag)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two commits, `v1` and `v2`, between which a little of everything has changed. A second spec
    has a base of the hub, whose branch has moved.
    """
    project = Project.create(tmp_path_factory.mktemp("diff") / "project")
    project.init_dvc()
    project.write_spec(_spec())
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    lock = project.root / "bertspec.lock"
    lock.write_text(lock.read_text() + f"hub:\n  models/acme/tiny@main: {FIRST}\n")
    project.write_spec(_spec(name="hubbed", model={"base": HUB}), "hubbed.json")
    project.write_spec(_spec(name="gone"), "gone.json")
    _measure(project, METRICS)
    _build(project, "v1")

    raw = rows()
    raw[4] = (raw[4][0], "good")
    project.write_rows([*raw, ("one more film", "good")])
    project.write_spec(
        _spec(
            description="words",
            training={"epochs": 2, "learning_rate": 0.001, "execution": {"processes": 1},
                      "seeds": [14]},
        )
    )  # fmt: skip
    (project.root / "specs/gone.json").rename(project.root / "specs/new.json")
    _replace(project.root / "specs/new.json", '"gone"', '"new"')
    _replace(lock, FIRST, SECOND)
    _replace(lock, "jinja2: .*", "jinja2: 0.0.1")
    _measure(project, METRICS | {"test": {"f1": 0.5, "accuracy": 0.65, "loss": 0.7}})
    _build(project, "v2")
    return project


@pytest.fixture
def copied(history: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(history.root, tmp_path / "copy", symlinks=True))


def _diff(project: Project, *words: str, code: int = 0) -> Any:
    return json.loads(project.call("diff", *words, "--format", "json", code=code).stdout)


@pytest.fixture(scope="module")
def found(history: Project, tmp_path_factory: pytest.TempPathFactory) -> Diff:
    """`bertspec diff v1`: DVC is asked for the rows once."""
    here = load([SPECS], history.root)
    names = {loaded.spec.name for loaded in here.specs}
    folder = tmp_path_factory.mktemp("found")
    return diff(read_words(["v1"], history.root, names), history.root, here, folder)


@pytest.fixture(scope="module")
def told(found: Diff) -> Any:
    return json.loads(json_text(as_json(found)))


def _of(told: Any, name: str) -> Any:
    (spec,) = (spec for spec in told["specs"] if spec["names"] == [name, name])
    return spec


def test_fields_are_told_with_places_and_what_runs_again(history: Project, told: Any) -> None:
    fields = {field["field"]: field for field in _of(told, "tiny")["fields"]}
    assert {name: (f["stages"], f["old"], f["new"]) for name, f in fields.items()} == {
        "description": ([], "", "words"),
        "training.learning_rate": (["train"], 5e-5, 0.001),
        "training.seeds": (["seeds"], [], [14]),
    }
    before, after = fields["training.learning_rate"]["places"]
    assert before == {"file": "specs/tiny.json", "line": None, "column": None}, "it is the default"
    line = (history.root / after["file"]).read_text().splitlines()[after["line"] - 1]
    assert line[after["column"] - 1 :].startswith("0.001")
    assert (told["added"], told["removed"]) == (["new"], ["gone"])
    assert told["first"]["commit"] == history.run("git", "rev-parse", "v1").stdout.strip()


def test_a_moved_branch_and_another_version_are_told_at_their_places(
    history: Project, told: Any
) -> None:
    (field,) = _of(told, "hubbed")["fields"]
    assert (field["field"], field["stages"]) == ("model.base.revision", ["base"])
    assert (field["old"], field["new"]) == (FIRST, SECOND)
    lines = (history.root / "bertspec.lock").read_text().splitlines()
    assert all(SECOND in lines[p["line"] - 1] for p in field["places"])
    (entry,) = _of(told, "hubbed")["locked"]
    assert (entry["what"], entry["name"], entry["new"]) == ("package", "jinja2", "0.0.1")
    assert entry["stages"] == ["report"]
    assert lines[entry["places"][1]["line"] - 1].endswith("0.0.1")


def test_rows_and_metrics_are_told(told: Any) -> None:
    (data,) = told["data"]
    assert (data["specs"], data["missing"]) == (["hubbed", "tiny"], [])
    changes = data["rows"]["changes"]
    assert {kind: change["count"] for kind, change in changes.items()} == {
        "added": 1, "relabelled": 1
    }  # fmt: skip
    (example,) = changes["relabelled"]["examples"]
    assert (example["before"]["target"], example["after"]["target"]) == ("bad", "good")
    assert example["before"]["row"] == example["after"]["row"] == 5
    metrics = _of(told, "tiny")["metrics"]
    assert [m["path"] for m in metrics][:2] == [["test", "accuracy"], ["test", "f1"]]
    assert metrics[0]["difference"] == pytest.approx(0.05)
    assert {tuple(m["path"]) for m in metrics if m["difference"]} == {("test", "accuracy")}
    assert len(metrics) == 10
    assert "metrics" in _of(told, "hubbed")


def test_the_text_says_the_same(found: Diff) -> None:
    told = StringIO()
    show(found, Console(file=told, width=80, highlight=False, markup=False, emoji=False))
    said = told.getvalue()
    assert re.search(r"learning_rate 5e-05 -> 0.001 +train +v1:specs/tiny.json -> specs/tiny", said)
    assert re.search(r'rebuilds nothing:\n    description "" -> "words"', said)
    assert "1 relabelled" in said
    assert "row 5, " in said
    assert '"bad" -> "good"  we hated every minute number 4' in said
    assert "`bertspec compare tiny@v1 tiny`" in said
    assert re.search(rf"hubbed\n  changes.*\n    model.base.revision .{FIRST}. -> .{SECOND}.", said)
    assert re.search(
        r"jinja2 \S+ -> 0.0.1 +report +v1:bertspec.lock:\d+:\d+ -> bertspec.lock", said
    )


def test_another_layout_is_no_difference(copied: Project) -> None:
    written = json.loads((copied.root / "specs/tiny.json").read_text())
    full = Spec.model_validate(written).model_dump(mode="json")
    full["training"]["execution"] = {"checkpoint_seconds": 60.0}
    (copied.root / "specs/tiny.json").unlink()
    text = "# comment\n" + dump(dict(reversed(full.items())))
    (copied.root / "specs/elsewhere.yaml").write_text(text)
    hubbed = json.loads((copied.root / "specs/hubbed.json").read_text())
    (copied.root / "specs/_base.json").write_text(json.dumps({**hubbed, "name": "x"}))
    copied.write_spec({"bertspec": 1, "name": "hubbed", "extends": "_base.json"}, "hubbed.json")
    told = _diff(copied, "--exit-code")
    assert (told["specs"], told["data"], told["differs"]) == ([], [], False)
    assert "nothing differs" in copied.bertspec("diff", "v2", "HEAD")


def test_the_commit_in_place_of_its_branch_rebuilds_nothing(copied: Project) -> None:
    copied.write_spec(
        _spec(name="hubbed", model={"base": HUB | {"revision": SECOND}}), "hubbed.json"
    )
    (field,) = _of(_diff(copied, "HEAD", "--exit-code", code=1), "hubbed")["fields"]
    assert (field["old"], field["new"], field["stages"]) == ("main", SECOND, [])


def test_what_was_compiled_by_another_bertspec_on_another_machine(copied: Project) -> None:
    params = load_plain((copied.root / "params.yaml").read_text())
    for name in ("tiny-train", "tiny-evaluate"):
        params["bertspec"]["stages"][name] |= {"threads": 2, "device": "cuda"}
    params["bertspec"]["stages"]["tiny-train"]["version"] = 1
    params["bertspec"]["hardware"]["isa"] = "other"
    (copied.root / "params.yaml").write_text(dump(params))
    copied.commit()
    locked = _of(_diff(copied, "tiny@HEAD"), "tiny")["locked"]
    told = {entry["name"]: (entry["what"], entry["stages"], entry["old"]) for entry in locked}
    assert told == {
        "train": ("version", ["train"], 1),
        "threads": ("threads", ["train", "evaluate"], 2),
        "device": ("device", ["train", "evaluate"], "cuda"),
        "hardware.isa": ("hardware", [], "other"),
    }
    places = {entry["name"]: entry["places"] for entry in locked}
    assert places["train"] == [None, None]
    assert places["threads"][1]["line"]
    said = copied.bertspec("diff", "tiny@HEAD")
    assert re.search(r"version of stage train 1 -> \d +train\n", said)


def test_what_is_not_in_the_cache_is_told_and_the_rest_compared(copied: Project) -> None:
    shutil.rmtree(copied.root / ".dvc/cache")
    told = _diff(copied, "tiny@v1")
    assert [spec["names"] for spec in told["specs"]] == [["tiny", "tiny"]]
    (data,) = told["data"]
    assert data["rows"] is None
    assert "DVC does not give data/reviews/prepared of v1" in data["missing"][0]
    assert data["differs"], "by what dvc.lock says"
    assert _of(told, "tiny")["metrics"]


def test_what_is_older_than_the_files_here_is_told(copied: Project) -> None:
    copied.write_rows(rows(50))
    notes = [note for spec in _diff(copied)["specs"] for note in spec["notes"]]
    assert any("rows of reviews here are older" in note for note in notes)
    edited = load_plain((copied.root / "bertspec.lock").read_text())
    del edited["packages"]["jinja2"]
    (copied.root / "bertspec.lock").write_text(dump(edited))
    (note, *_) = _diff(copied)["notes"]
    assert "cannot be compiled" in note
    assert "jinja2" in note
    copied.write_spec(_spec(name="third", model={"base": {"type": "spec", "name": "no"}}), "3.json")
    told = _diff(copied)
    assert told["added"] == ["third"]
    assert "cannot be compiled" in told["notes"][0]


def test_two_specs_of_one_project(history: Project) -> None:
    (spec,) = _diff(history, "hubbed", "new")["specs"]
    assert spec["names"] == ["hubbed", "new"]
    assert [f["field"] for f in spec["fields"]] == ["model.base.type"]


def test_what_is_not_clear_is_refused(copied: Project) -> None:
    copied.run("git", "branch", "tiny")
    copied.run("git", "branch", "hubbed")
    assert "E493" in (said := copied.bertspec("diff", "tiny", "hubbed", code=2))
    assert "`refs/heads/tiny` is the branch" in said
    assert _diff(copied, "refs/heads/tiny", "hubbed")["specs"] == []
    assert _diff(copied, "tiny@HEAD", "hubbed")["specs"][0]["names"] == ["tiny", "hubbed"]
    assert _diff(copied, "@", "HEAD@{0}")["first"]["title"] == "@", "as git has it"
    assert "nothing to compare it with" in copied.bertspec("diff", "new", code=2)
    said = copied.bertspec("diff", "new", "v1", code=2)
    assert "`new` is a spec, and `v1` is a revision" in said
    assert "new@v1" in said
    assert "did you mean `hubbed`" in copied.bertspec("diff", "hubed", code=2)
    assert "E490" in copied.bertspec("diff", "tiny@nowhere", code=2)
    assert "there is no spec `new` at v1" in copied.bertspec("diff", "new@v1", code=2)
    assert "no more" in copied.bertspec("diff", "v1", "v2", "HEAD", code=2)
    (copied.root / "specs/tiny.json").write_text("{}")
    assert "error[E011]" in copied.bertspec("diff", "v2", code=2)
    copied.commit("broken")
    assert "at HEAD: " in copied.bertspec("diff", "HEAD", "v1", code=2)


def test_before_there_is_a_commit(project: Project) -> None:
    """In a folder of a larger repository, too."""
    project.write_spec(_spec())
    assert "E490" in project.bertspec("diff", code=2)
    project.run("git", "init", "--quiet", "..")
    assert "E490" in project.bertspec("diff", code=2)
    project.commit()
    told = _diff(project)
    assert (told["differs"], told["data"]) == (False, [])
    project.write_spec(_spec(description="words"))
    told = _diff(project)
    assert [f["field"] for f in _of(told, "tiny")["fields"]] == ["description"]
    assert any("no bertspec.lock" in note for note in told["notes"])
