"""Merging compiled files: the compiler says what the merge must be, and real git does it."""

import json
import random
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bertspec.compiler.emit import compiled_params, compiled_stages
from bertspec.compiler.lower import lower
from bertspec.core.yaml import load_plain
from bertspec.merging.kept import keep, kept
from bertspec.merging.lockfile import merge_lock
from bertspec.merging.merge import merge_file
from bertspec.merging.params import merge_params
from bertspec.merging.pipeline import merge_stages
from bertspec.merging.sharing import Told
from bertspec.merging.values import Key, merge_values
from bertspec.pipeline.lock import Lock
from bertspec.runtime.doctor.git import git
from bertspec.runtime.doctor.line import Line, State
from bertspec.spec.load import load
from tests.compiler.test_compile import CHANGES, full_spec, set_field
from tests.plan.ready import plan, stages
from tests.projects import SPEC, Project
from tests.team.locked import compile_with_made_up_lock, made_up_lock

Compiled = tuple[dict[str, Any], dict[str, Any]]
"""What is compiled in params.yaml and in dvc.yaml."""

SLIM = SPEC | {"export": []}
"""Fewer files to merge, each of which starts a program."""

RENAMING = ("tiny:model.base.seed", "tiny:tokenization.max_length")
"""Both are in the name of a tokenization, which is another one on each side, and merged."""


class _Compiler:
    """Specs `tiny` and `second`, which share their data, with some fields changed."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._packages = {**made_up_lock(project).packages, "peft": "1.0"}
        self._known: dict[tuple[str, ...], Compiled] = {}

    def __call__(self, *changes: str) -> Compiled:
        """What is compiled with changes such as `tiny:training.epochs`."""
        key = tuple(sorted(changes))
        if key not in self._known:
            self._known[key] = self._compiled(changes)
        return self._known[key]

    def _compiled(self, changes: Iterable[str]) -> Compiled:
        specs = {name: full_spec() | {"name": name} for name in ("tiny", "second")}
        threads, packages = 1, dict(self._packages)
        for name, _, path in (change.partition(":") for change in changes):
            if name == "lock":
                threads, packages["torch"] = 4, "2.0"
            elif name == "new":
                specs["a-new"] = full_spec() | {"name": "a-new", "export": []}
            elif name == "gone":
                specs.pop("second")
            else:
                change = CHANGES[path]
                where = change if isinstance(change, tuple) else (path, change)
                # A data set is one for all that name it.
                for each in specs if path.startswith("data.") else [name]:
                    set_field(specs[each], *json.loads(json.dumps(where)))
        for file in (self._project.root / "specs").iterdir():
            file.unlink()
        for name, spec in specs.items():
            self._project.write_spec(spec, f"{name}.json")
        loaded = load([Path("specs")], self._project.root).specs
        pipeline = lower(loaded, Lock(threads=threads, packages=packages))
        return compiled_params(pipeline), compiled_stages(pipeline, {})


def _pairs() -> list[tuple[str, str]]:
    fields = [
        path for path in CHANGES
        if path not in ("name", "data.source", "data.split", "model.base", "model.base.config")
        and not path.startswith("training.distillation")
    ]  # fmt: skip
    found = [
        RENAMING,
        ("tiny:model.base.seed", "tiny:model.base.tokenizer.lowercase"),
        ("tiny:training.seeds", "tiny:tokenization.max_length"),
        ("tiny:tokenization.truncation", "second:tokenization.max_length"),
        ("tiny:task.labels", "tiny:tokenization.unknown"),
        ("tiny:training.seeds", "tiny:training.lora"),
        ("tiny:training.seeds", "tiny:training.execution.processes"),
        ("tiny:training.seeds", "tiny:tokenization.long_documents"),
        ("tiny:training.execution.processes", "tiny:training.execution.cuda_graphs"),
        ("tiny:export.0.tolerance", "tiny:export.0.opset"),
        ("tiny:tokenization.long_documents", "tiny:training.metric_for_best_model"),
        ("lock:", "new:"),
        ("gone:", "new:"),
        ("new:", "tiny:tokenization.max_length"),
    ]
    dice = random.Random(0)  # noqa: S311 - to have the same pairs each time
    while len(found) < 40:
        one, other = dice.sample(fields, 2)
        keys = [c[0] if isinstance(c := CHANGES[p], tuple) else p for p in (one, other)]
        if not any(a.startswith(b) for a, b in (keys, keys[::-1])):
            found.append((f"tiny:{one}", f"{dice.choice(['tiny', 'second'])}:{other}"))
    found += [("lock:", f"tiny:{path}") for path in dice.sample(fields, 5)]
    found += [("new:", f"tiny:{path}") for path in dice.sample(fields, 5)]
    found += [("gone:", f"tiny:{path}") for path in dice.sample(fields, 5)]
    return found


def test_what_is_merged_is_what_the_merged_specs_compile_to(project: Project) -> None:
    compiler = _Compiler(project)
    base = compiler()
    for one, other in _pairs():
        ours, theirs, both = compiler(one), compiler(other), compiler(one, other)
        params, of_params, told = merge_params(base[0], ours[0], theirs[0])
        merged, of_stages = merge_stages(base[1], ours[1], theirs[1], told)
        assert not [*of_params, *of_stages], (one, other)
        assert (params, merged) == both, (one, other)


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (*RENAMING, ("tiny-train", "deps")),
        ("tiny:tokenization.truncation", "second:tokenization.max_length",
         ("tiny-tokenize", "params")),
    ],
)  # fmt: skip
def test_dvc_yaml_alone_does_not_tell_all(
    project: Project, one: str, other: str, key: tuple[str, str]
) -> None:
    """Where git has not merged params.yaml before it, it is a conflict."""
    compiler = _Compiler(project)
    (_, base), (_, ours), (_, theirs) = compiler(), compiler(one), compiler(other)
    _, conflicts = merge_stages(base, ours, theirs, Told({}))
    assert key in conflicts


def test_what_params_yaml_tells_is_kept_for_dvc_yaml(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = _Compiler(project)
    monkeypatch.chdir(project.root)
    assert kept() == Told({}), "there is no git here"
    project.run("git", "init", "--quiet")
    for pair in (RENAMING, ("tiny:tokenization.truncation", "second:tokenization.max_length")):
        _, _, told = merge_params(*(compiler(*change)[0] for change in ((), pair[:1], pair[1:])))
        keep(told)
        assert kept() == told
        assert told.names or told.budgets


def test_a_name_that_another_bertspec_gave_is_a_conflict(project: Project) -> None:
    compiler = _Compiler(project)
    one, other = RENAMING
    params, stages = compiler(other)
    key = next(d for d in stages["tiny-train"]["deps"] if "/tokenized/" in d).rpartition("/")[2]
    theirs = json.loads(json.dumps(params).replace(key, "0" * len(key)))
    _, conflicts, told = merge_params(compiler()[0], compiler(one)[0], theirs)
    assert ("tokenizations", "tiny") in conflicts
    assert not told.names


DVC_LOCK = """\
schema: '2.0'
stages:
  a:
    cmd: run a
    deps:
    - path: in
      md5: {dep}
    params:
      params.yaml:
        rate: {rate}
    outs:
    - path: a
      md5: {out}
  b:
    cmd: run b
    outs:
    - path: b
      md5: {b}
"""


def _lock(**values: int) -> str:
    return DVC_LOCK.format(**{"dep": 1, "rate": 1, "out": 1, "b": 1} | values)


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ({"rate": 2, "out": 2}, {"b": 2}, {"rate": 2, "out": 2, "b": 2}),
        ({"rate": 2, "out": 2}, {"rate": 2, "out": 3}, {"rate": 2, "out": 2}),
        ({"rate": 2, "out": 2}, {"rate": 2, "dep": 2, "out": 3}, {"rate": 2, "dep": 2, "out": 3}),
        ({"rate": 2, "dep": 2, "out": 3}, {"rate": 2, "out": 2}, {"rate": 2, "dep": 2, "out": 3}),
    ],
)
def test_an_entry_of_dvc_lock_is_that_of_one_side(
    ours: dict[str, int], theirs: dict[str, int], merged: dict[str, int]
) -> None:
    text, dropped = merge_lock(_lock(), _lock(**ours), _lock(**theirs))
    assert text == _lock(**merged), "to the byte"
    assert not dropped


@pytest.mark.parametrize("theirs", [{"dep": 2, "out": 3}, {"rate": 3, "out": 3}])
def test_an_entry_with_the_changes_of_neither_is_left_out(theirs: dict[str, int]) -> None:
    text, dropped = merge_lock(_lock(), _lock(rate=2, out=2), _lock(**theirs))
    assert dropped == ["a"]
    stages = load_plain(text)["stages"]
    assert stages == {"b": load_plain(_lock())["stages"]["b"]}


def _merged(folder: Path, path: str, *texts: str) -> tuple[bool, str, str]:
    """Whether the merge of base, ours and theirs is final, its text, and what is told."""
    files = (folder / "base", folder / "ours", folder / "theirs")
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    final, told = merge_file(*files, path)
    return final, files[1].read_text(), told


def test_the_lock_is_merged_by_key(project: Project) -> None:
    base = made_up_lock(project)

    def text(**packages: str) -> str:
        return base.model_copy(update={"packages": base.packages | packages}).to_text()

    both = _merged(project.root, "bertspec.lock", text(), text(peft="1.0"), text(peft2="1.0"))
    assert both == (True, text(peft="1.0", peft2="1.0"), "")
    final, merged, told = _merged(
        project.root, "bertspec.lock", text(), text(torch="2.0"), text(torch="3.0")
    )
    assert not final
    assert "<<<<<<< ours" in merged
    assert "both sides changed torch" in told


def test_what_cannot_be_read_is_merged_by_lines(tmp_path: Path) -> None:
    """Such as a file of both sides that had none before, or a broken one."""
    assert _merged(tmp_path, "dvc.yaml", "", "stages: {}\n", "stages: {}\n")[:2] == (
        True, "stages: {}\n"
    )  # fmt: skip
    final, text, told = _merged(tmp_path, "sub/params.yaml", "a: 1\n", "a: [\n", "a: 2\n")
    assert not final
    assert "<<<<<<< ours" in text
    assert "sub/params.yaml: merged line by line" in told


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two specs on one data set, which DVC takes for built; for copying only."""
    folder = tmp_path_factory.mktemp("merge")
    project = Project.create(folder / "origin")
    project.write_spec(SLIM)
    project.write_spec(SLIM | {"name": "second"}, "second.json")
    project.init_dvc()
    (project.root / ".dvc/config").write_text(f"[cache]\n    dir = {folder / 'cache'}\n")
    compile_with_made_up_lock(project)
    project.bertspec("setup-git")
    _build(project)
    project.commit("begin")
    return project


def _training(**changes: Any) -> dict[str, Any]:
    return SLIM | {"training": SPEC["training"] | changes}


def _copy(project: Project, target: Path) -> Project:
    return Project(shutil.copytree(project.root, target, symlinks=True))


def _build(project: Project, mark: str = "") -> None:
    """Write what the stages that are to run would make, and let DVC note it."""
    planned = plan(project)["stages"]
    assert planned
    for stage in (stages(project)[step["name"]] for step in planned):
        for out in (o for k in ("outs", "metrics", "plots") for o in stage.get(k, ())):
            path = project.root / (out if isinstance(out, str) else next(iter(out)))
            file = path if path.suffix else path / "one.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # it may be a link into the cache
            text = f"{path.name} {mark}"
            file.write_text(json.dumps({"of": text}) if path.suffix == ".json" else f"x\n{text}\n")
    project.run("dvc", "commit", "--force", "--quiet", *(step["name"] for step in planned))


def _branch(project: Project, name: str, specs: Mapping[str, Any]) -> None:
    """A branch from main with these specs, compiled and committed."""
    project.run("git", "checkout", "--quiet", "-b", name, "main")
    for file, spec in specs.items():
        project.write_spec(spec, file)
    project.bertspec("compile")
    project.commit(name)


@pytest.fixture(scope="module")
def branched(origin: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Built: another training of `tiny`; another evaluation of it, and another `second`."""
    folder = tmp_path_factory.mktemp("branched")
    project = _copy(origin, folder / "project")
    specs: dict[str, dict[str, Any]] = {
        "slow": {"tiny.json": _training(learning_rate=0.001)},
        "other": {
            "tiny.json": SLIM | {"evaluation": {"metrics": ["f1"]}},
            "second.json": _training(epochs=3) | {"name": "second"},
        },
    }
    for name, changed in specs.items():
        there = _copy(origin, folder / name)
        _branch(there, name, changed)
        _build(there, name)
        there.commit("build")
        project.run("git", "fetch", "--quiet", str(there.root), f"{name}:{name}")
    return project


@pytest.fixture
def clone(branched: Project, tmp_path: Path) -> Project:
    project = _copy(branched, tmp_path / "clone")
    project.run("git", "checkout", "--quiet", "slow")
    return project


def _clean(project: Project) -> None:
    project.bertspec("compile", "--check")
    # What DVC has made for other branches is ignored by their .gitignore alone.
    assert not project.run("git", "status", "--porcelain", "--untracked-files=no").stdout


def test_branches_merge_and_what_neither_has_built_is_to_run(clone: Project) -> None:
    clone.run("git", "merge", "--quiet", "--no-edit", "other")
    _clean(clone)
    spec = json.loads((clone.root / "specs/tiny.json").read_text())
    assert (spec["training"]["learning_rate"], spec["evaluation"]["metrics"]) == (0.001, ["f1"])
    clone.run("dvc", "checkout", "--quiet", code=None)  # what is to run has nothing there
    status = json.loads(clone.run("dvc", "status", "--json").stdout)
    assert set(status) == {"tiny-evaluate", "tiny-report"}, "which both have built, neither so"


@pytest.mark.parametrize("command", ["rebase", "cherry-pick"])
def test_however_git_merges_it_is_the_same(clone: Project, command: str) -> None:
    clone.run("git", command, "other" if command == "rebase" else "main..other")
    _clean(clone)
    entries = load_plain((clone.root / "dvc.lock").read_text())["stages"]
    expected = {name for name in stages(clone) if name not in ("tiny-evaluate", "tiny-report")}
    assert set(entries) == expected


@pytest.mark.parametrize("command", ["merge", "rebase"])
def test_two_fields_in_the_name_of_one_thing_merge(clone: Project, command: str) -> None:
    """Each side has another tokenization, and the merge a third one, which only it needs."""
    of_main = set(stages(clone))
    base = {"model": {"base": SPEC["model"]["base"] | {"seed": 5}}}
    _branch(clone, "seeded", {"tiny.json": SLIM | base})
    _branch(clone, "short", {"tiny.json": SLIM | {"tokenization": {"max_length": 16}}})
    clone.run("git", command, "seeded")
    _clean(clone)
    spec = json.loads((clone.root / "specs/tiny.json").read_text())
    assert (spec["model"]["base"]["seed"], spec["tokenization"]["max_length"]) == (5, 16)
    files = [clone.root / name for name in ("params.yaml", "dvc.yaml")]
    merged = [load_plain(file.read_text()) for file in files]
    for file in files:
        file.unlink()
    clone.bertspec("compile")
    assert [load_plain(file.read_text()) for file in files] == merged
    new = set(stages(clone)) - of_main
    assert len(new) == 2, "a base and a tokenization"
    to_run = {step["name"] for step in plan(clone)["stages"]}
    assert to_run == new | {f"tiny-{kind}" for kind in ("train", "evaluate", "report")}


def test_a_conflict_in_a_field_is_gits_and_told(clone: Project) -> None:
    _branch(clone, "slower", {"tiny.json": _training(learning_rate=0.0001)})
    merge = clone.run("git", "merge", "slow", code=1)
    assert "CONFLICT" in merge.stdout
    assert "`tiny.training.learning_rate`" in merge.stderr
    for command in ("validate", "compile"):
        said = clone.bertspec(command, code=2)
        assert "E001" in said
        assert "the marks of a git conflict" in said
        assert "specs/tiny.json:" in said
    clone.write_spec(_training(learning_rate=0.0005))
    clone.bertspec("compile")
    clone.run("git", "add", "--all")
    clone.run("git", "merge", "--continue", GIT_EDITOR="true")
    _clean(clone)
    assert "0.0005" in (clone.root / "params.yaml").read_text()


def test_without_the_program_git_merges_by_lines_and_doctor_tells(clone: Project) -> None:
    driver = clone.run("git", "config", "merge.bertspec.driver").stdout.strip()
    clone.run("git", "config", "merge.bertspec.driver", driver.replace("/bertspec", "/gone"))
    line = _merging(clone)
    assert (line.state, line.facts["runs"]) == (State.NOTE, False)
    clone.run("git", "merge", "other", code=1)
    assert "<<<<<<< ours" in (clone.root / "dvc.lock").read_text()


def _merging(project: Project) -> Line:
    return next(line for line in git(project.root, needed=True) if line.name == "merging")


def test_what_is_yours_is_merged_by_lines(origin: Project, tmp_path: Path) -> None:
    project = _copy(origin, tmp_path / "project")
    (project.root / "params.yaml").write_text(
        "mine: 1  # of mine\n" + (project.root / "params.yaml").read_text()
    )
    dvc = project.root / "dvc.yaml"
    dvc.write_text(
        dvc.read_text() + "  mine:\n    cmd: echo 1\n    # why\n    always_changed: true\n"
    )
    project.commit()
    _branch(project, "one", {"tiny.json": _training(learning_rate=0.001)})
    dvc.write_text(dvc.read_text().replace("echo 1", "echo 2"))
    project.commit()
    changed = {"tiny.json": SLIM | {"evaluation": {"metrics": ["f1"]}}}
    _branch(project, "other", changed)
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("mine: 1", "mine: 2"))
    project.commit()
    project.run("git", "merge", "--quiet", "--no-edit", "one")
    _clean(project)
    assert "mine: 2  # of mine\n" in params.read_text()
    assert "echo 2\n    # why\n" in dvc.read_text()
    dvc.write_text(dvc.read_text().replace("echo 2", "echo 3"))
    project.commit()
    project.run("git", "checkout", "--quiet", "one")
    dvc.write_text(dvc.read_text().replace("echo 2", "echo 4"))
    project.commit()
    project.run("git", "merge", "other", code=1)
    assert "<<<<<<< " in dvc.read_text()


def test_it_is_set_up_once_and_taken_away(project: Project) -> None:
    assert "E228" in project.bertspec("setup-git", code=3, GIT_CEILING_DIRECTORIES="/")
    project.run("git", "init", "--quiet", "--initial-branch=main")
    attributes = project.root / ".gitattributes"
    attributes.write_text("*.csv text")
    project.bertspec("setup-git", "--check", code=1)
    project.bertspec("setup-git")
    written = attributes.read_text()
    assert written.startswith("*.csv text\n")
    assert "up to date" in project.bertspec("setup-git")
    assert attributes.read_text() == written
    project.bertspec("setup-git", "--check")
    attr = project.run("git", "check-attr", "merge", "dvc.lock", "models/a/plots/b.csv").stdout
    assert attr.count(": bertspec\n") == 2
    (project.root / ".git/info/attributes").write_text("dvc.lock merge=text\n")
    assert "E228" in project.bertspec("setup-git", code=3)
    project.bertspec("setup-git", "--check", code=1)
    (project.root / ".git/info/attributes").unlink()
    project.bertspec("setup-git", "--remove")
    assert attributes.read_text() == "*.csv text\n"
    assert "bertspec" not in (project.root / ".git/config").read_text()
    project.bertspec("setup-git", "--remove")


def test_an_export_that_was_moved_is_not_taken_for_another_one() -> None:
    plain, int8, static = (
        {"type": "onnx", "quantize": quantize, "max_metric_delta": 0.01}
        for quantize in ("none", "int8", "int8-static")
    )
    looser = int8 | {"max_metric_delta": 0.02}
    conflicts: list[Key] = []
    moved = [int8, static, plain]
    assert merge_values([[plain, int8, static], moved, [plain, looser, static]], conflicts) == moved
    assert conflicts == [()]
    both = [[plain, int8, static], [plain, looser, static], [plain, int8, static | {"opset": 20}]]
    assert merge_values(both, conflicts) == [plain, looser, static | {"opset": 20}]
    assert conflicts == [()]
