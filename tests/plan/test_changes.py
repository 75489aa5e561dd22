"""After each kind of change a plan names what DVC itself names, and says why."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bertspec.core.yaml import load_plain
from tests.plan.ready import actions, edit, plan, reasons, spec, stages, training
from tests.projects import SPEC, Project, rows

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("preloaded")]

FIRST = ["reviews-fetch", "reviews-prepare", "reviews-contract"]
LAST = ["tiny-train", "tiny-evaluate", "tiny-export", "tiny-report"]


@dataclass(frozen=True)
class Change:
    """What is done to a project, and what a plan then says."""

    do: Callable[[Project], object]
    run: tuple[str, ...] = ()
    """Stages that run for certain; BASE and TOKENIZE stand for those named by a digest."""
    restore: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()
    why: tuple[tuple[str, str], ...] = ()
    """Stage, and one of its reasons, as a pattern."""
    stale: tuple[str, ...] = ()
    gone: int = 0


def _write(**changes: object) -> Callable[[Project], None]:
    return lambda project: project.write_spec(spec(**changes))


def _lock(old: str, new: str) -> Callable[[Project], None]:
    return lambda project: _replace(project, "bertspec.lock", old, new)


def _replace(project: Project, file: str, pattern: str, new: str) -> None:
    path = project.root / file
    text, count = re.subn(pattern, new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


def _remove(*paths: str) -> Callable[[Project], None]:
    def do(project: Project) -> None:
        for path in paths:
            place = project.root / path
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return do


def _row(project: Project) -> None:
    project.write_rows([*rows(), ("one more film", "good")])


def _forget_cached(project: Project) -> None:
    """Remove from DVC's cache one file of the trained model."""
    lock = load_plain((project.root / "dvc.lock").read_text())
    outs = {out["path"]: out["md5"] for out in lock["stages"]["tiny-train"]["outs"]}
    cache = project.root / ".dvc/cache/files/md5"
    digest = outs["models/tiny/trained"]
    folder = json.loads((cache / digest[:2] / digest[2:]).read_text())
    one = next(entry["md5"] for entry in folder if entry["relpath"] == "one.txt")
    (cache / one[:2] / one[2:]).unlink()


def _of_stage(name: str, **values: object) -> Callable[[Project], None]:
    return lambda project: edit(project.root / "dvc.yaml", stages={name: values})


def _own_stage(project: Project) -> None:
    own = {"cmd": "cat data/reviews/raw/one.txt > own.txt", "deps": ["data/reviews/raw/one.txt"],
           "params": [{"own.yaml": ["a.b"]}], "outs": ["own.txt"]}  # fmt: skip
    (project.root / "own.yaml").write_text("a: {b: 1}\n")
    edit(project.root / "dvc.yaml", stages={"own": own})


def _own_param(project: Project) -> None:
    _own_stage(project)
    (project.root / "own.txt").write_text("data/reviews/raw")
    project.run("dvc", "commit", "--force", "--quiet", "own")
    (project.root / "own.yaml").write_text("a: {b: 1.5}\n")


def _frozen(project: Project) -> None:
    _of_stage("tiny-train", frozen=True)(project)
    project.write_spec(training(learning_rate=0.001))


def _older_version(project: Project) -> None:
    lock = load_plain((project.root / "dvc.lock").read_text())["stages"]["tiny-report"]
    lock["params"]["params.yaml"]["bertspec.stages.tiny-report"]["version"] = 1
    edit(project.root / "dvc.lock", stages={"tiny-report": lock})


def _filtered_before(project: Project) -> None:
    """As if the rows had been filtered in the last run."""
    lock = load_plain((project.root / "dvc.lock").read_text())["stages"]["reviews-prepare"]
    params = lock["params"]["params.yaml"]
    params["datasets.reviews.where"] = [{"column": "review", "equals": "x"}]
    params["bertspec.stages.reviews-prepare"]["params"]["where"] = "datasets.reviews.where"
    edit(project.root / "dvc.lock", stages={"reviews-prepare": lock})


def _second(project: Project) -> None:
    project.write_spec(training(epochs=1) | {"name": "second", "export": []}, "second.json")


SOME_BASE = json.loads(json.dumps(SPEC["model"]))
SOME_BASE["base"]["config"]["intermediate_size"] = 32
BOTH, PARAMS = ("dvc.yaml", "params.yaml"), ("params.yaml",)

CHANGES = {
    "nothing": Change(lambda project: None),
    "a description": Change(_write(description="words")),
    "a way to run": Change(
        lambda project: project.write_spec(
            training(execution={"gradient_checkpointing": True})
        ),
        stale=PARAMS,
    ),
    "a field of training": Change(
        lambda project: project.write_spec(training(learning_rate=0.001)),
        run=("tiny-train",), follow=("tiny-evaluate", "tiny-export", "tiny-report"),
        why=(("tiny-train", r"training\.learning_rate 0.003 -> 0.001 specs/tiny.json:\d+:\d+$"),),
        stale=PARAMS,
    ),
    "a default that was written out": Change(
        lambda project: project.write_spec(
            spec(training={k: v for k, v in SPEC["training"].items() if k != "epochs"})
        ),
        run=("tiny-train",), follow=("tiny-evaluate", "tiny-export", "tiny-report"),
        why=(("tiny-train", r"training\.epochs 10 -> 3 specs/tiny.json$"),),
        stale=PARAMS,
    ),
    "metrics": Change(
        _write(evaluation={"metrics": ["accuracy"]}),
        run=("tiny-evaluate",), follow=("tiny-export", "tiny-report"),
        why=(("tiny-evaluate", r"evaluation\.metrics \[.*\] -> \[.*\] specs/tiny.json:\d+:\d+$"),),
        stale=PARAMS,
    ),
    "the length of texts": Change(
        _write(tokenization={"max_length": 33}),
        run=("TOKENIZE", *LAST),
        why=(("TOKENIZE", r"tokenization\.max_length 32 -> 33 specs/tiny.json:\d+:\d+$"),
             ("tiny-train", r"reads data/reviews/tokenized/\w+, not data/reviews/tokenized/\w+$")),
        stale=BOTH, gone=1,
    ),
    "the base": Change(
        _write(model=SOME_BASE),
        run=("BASE", "TOKENIZE", *LAST),
        why=(("BASE", r"model\.base\.config\.intermediate_size 64 -> 32 specs/tiny.json:\d+"),
             ("TOKENIZE", r"reads models/bases/[\w-]+, not models/bases/[\w-]+$")),
        stale=BOTH, gone=2,
    ),
    "no export": Change(
        _write(export=[]), run=("tiny-report",), stale=BOTH, gone=1,
        why=(("tiny-report", r"no longer reads models/tiny/parity.json$"),),
    ),
    "a rule of the contract": Change(
        _write(data=SPEC["data"] | {"contract": {"empty_text": {"severity": "warn"}}}),
        run=("reviews-contract",), follow=("tiny-train", *LAST[1:]),
        why=(("reviews-contract", r'data\.contract\.empty_text\.severity "error" -> "warn" spec'),),
        stale=PARAMS,
    ),
    "the split": Change(
        _write(data=SPEC["data"] | {"split": SPEC["data"]["split"] | {"salt": "2"}}),
        run=("reviews-prepare",), follow=("reviews-contract", "BASE", "TOKENIZE", *LAST),
        why=(("reviews-prepare", r'data\.split\.salt "" -> "2" specs/tiny.json:\d+:\d+$'),),
        stale=PARAMS,
    ),
    "a filter taken away": Change(
        _filtered_before, restore=("reviews-prepare",),
        why=(("reviews-prepare", r"data\.where is no longer set specs/tiny.json$"),),
    ),
    "a budget of tokens": Change(
        _write(tokenization={"max_length": 32, "truncation": {"budget": 0.5}}),
        run=("TOKENIZE",), follow=tuple(LAST),
        why=(("TOKENIZE", r"tokenization\.truncation not set -> .* specs/tiny.json:\d+:\d+$"),),
        stale=BOTH,
    ),
    "a row": Change(
        _row, run=("reviews-fetch",), follow=(*FIRST[1:], "BASE", "TOKENIZE", *LAST),
        why=(("reviews-fetch", "data/reviews.csv changed$"),),
    ),
    "a package": Change(
        _lock(r"jinja2: .*", "jinja2: 0.0.1"), run=("tiny-export", "tiny-report"),
        why=(("tiny-report", r"jinja2 [\d.]+ -> 0.0.1 bertspec.lock:\d+:\d+$"),), stale=PARAMS,
    ),
    "threads": Change(
        _lock("threads: 1", "threads: 2"), run=("tiny-train", "tiny-evaluate", "tiny-export"),
        follow=("tiny-report",), why=(("tiny-train", r"threads 1 -> 2 bertspec.lock:\d+:\d+$"),),
        stale=PARAMS,
    ),
    "another version of a stage": Change(
        _older_version, restore=("tiny-report",),
        why=(("tiny-report", r"version \d -> \d of the stage"),),
    ),
    "an output that is gone": Change(
        _remove("data/reviews/prepared"), restore=("reviews-prepare",),
        why=(("reviews-prepare", "data/reviews/prepared is missing$"),),
    ),
    "an output changed by hand": Change(
        lambda project: (project.root / "models/tiny/trained/more.txt").write_text("x"),
        restore=("tiny-train",), why=(("tiny-train", "models/tiny/trained was changed$"),),
    ),
    "metrics changed by hand": Change(
        lambda project: (project.root / "models/tiny/metrics.json").write_text("{}"),
        restore=("tiny-evaluate",), why=(("tiny-evaluate", "metrics.json was changed$"),),
    ),
    "a file gone from the cache": Change(
        _forget_cached, run=("tiny-train",), follow=("tiny-evaluate", "tiny-export", "tiny-report"),
        why=(("tiny-train", "models/tiny/trained is not in DVC's cache$"),),
    ),
    "no cache": Change(
        _remove(".dvc/cache"), run=(*FIRST, "BASE", "TOKENIZE", *LAST),
        why=(("tiny-report", "report.html is not in DVC's cache$"),),
    ),
    "no dvc.lock": Change(
        _remove("dvc.lock"), restore=(*FIRST, "BASE", "TOKENIZE", *LAST),
        why=(("tiny-train", "^new$"),),
    ),
    "a stage without its entry in dvc.lock": Change(
        lambda project: edit(project.root / "dvc.lock", stages={"tiny-export": None}),
        restore=("tiny-export",),
    ),
    "another spec": Change(
        _second, run=("second-train", "second-evaluate", "second-report"), stale=BOTH,
    ),
    "another name": Change(
        _write(name="other"), run=tuple(n.replace("tiny", "other") for n in LAST), stale=BOTH,
        gone=4,
    ),
    "further seeds": Change(
        lambda project: project.write_spec(training(seeds=[14])),
        run=("tiny-train-seed14", "tiny-evaluate-seed14", "tiny-seeds", "tiny-report"),
        why=(("tiny-report", "reads models/tiny/seeds.json, too$"),), stale=BOTH,
    ),
    "a frozen stage": Change(_frozen, stale=PARAMS),
    "a stage that always runs": Change(
        _of_stage("tiny-evaluate", always_changed=True), run=("tiny-evaluate",),
        follow=("tiny-export", "tiny-report"), why=(("tiny-evaluate", "runs each time"),),
    ),
    "a stage of one's own": Change(_own_stage, run=("own",)),
    "a param of one's own": Change(
        _own_param, run=("own",), why=(("own", r"own.yaml a.b 1 -> 1.5$"),)
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_plan_is_what_dvc_would_do(ready: Project, change: Change) -> None:
    plan(ready, code=0)  # which is kept, and must not be taken for the next one
    change.do(ready)
    before = {p: p.read_bytes() for p in ready.root.glob("*.*") if p.is_file()}
    told = plan(ready)
    assert {p: p.read_bytes() for p in before} == before, "nothing is written"
    ready.bertspec("compile")
    names = {"BASE": "-base", "TOKENIZE": "-tokenize"}
    known = {short: next(n for n in stages(ready) if n.endswith(e)) for short, e in names.items()}
    for action, found in actions(told).items():
        assert found == {known.get(n, n) for n in getattr(change, action, ())}, action
    for stage, pattern in change.why:
        assert any(re.search(pattern, r) for r in reasons(told, known.get(stage, stage)))
    assert tuple(told["stale"]) == change.stale
    assert len(told["gone"]) == change.gone
    assert _named_by_dvc(ready, told["dry"]) == set(told["dry"])


def _named_by_dvc(project: Project, expected: list[str]) -> set[str]:
    """Stages that `dvc repro --dry` names, or `dvc status` where that one stops: at the first
    stage of which an input is not there.
    """
    result = project.run("dvc", "repro", "--dry", code=None)
    ran = set(re.findall(r"^Running stage '(.+)':$", result.stdout, re.MULTILINE))
    if result.returncode == 0:
        return ran
    stopped = re.search(r"failed to reproduce '(.+)': \[Errno 2\]", result.stderr)
    assert stopped, result.stderr
    assert {*ran, stopped[1]} <= set(expected)
    return set(json.loads(project.run("dvc", "status", "--json").stdout))
