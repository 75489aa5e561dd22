"""What a plan reads and keeps, how it is shown, and what it does with files that are broken."""

import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog.files.cutting import Sizes
from bertspec.core.files import remove
from bertspec.planning.hashes import Hashes
from bertspec.planning.text import duration
from bertspec.runtime.durations import note_duration, read_duration
from tests.plan.ready import actions, edit, plan, reasons, spec, stages, training
from tests.projects import SPEC, Project, rows
from tests.stages import small_pieces

NONE: dict[str, set[str]] = {"run": set(), "restore": set(), "pull": set(), "follow": set()}

CHAIN: dict[str, Any] = {
    "first": {"cmd": "own/sorted.sh own/in.txt > own/first.txt",
              "deps": ["own/sorted.sh", "own/in.txt"], "outs": ["own/first.txt"]},
    "second": {"cmd": "head -n 1 own/first.txt > own/second.txt", "deps": ["own/first.txt"],
               "params": [{"own/params.yaml": ["a.b", "c"]}], "outs": ["own/second.txt"]},
    "third": {"cmd": "wc -l own/second.txt > own/third.json", "deps": ["own/second.txt"],
              "metrics": [{"own/third.json": {"cache": False}}]},
}  # fmt: skip


def test_a_chain_of_real_stages_runs_as_planned(ready: Project) -> None:
    """What follows is known where a run is remembered, and only then."""
    text = ready.root / "own/in.txt"
    text.parent.mkdir()
    text.write_text("b\na\n")
    (ready.root / "own/params.yaml").write_text("c: [1, no, 1e-3]\na: {b: null}\n")
    (ready.root / "own/sorted.sh").write_text('#!/bin/sh\nsort "$1"\n')
    (ready.root / "own/sorted.sh").chmod(0o755)  # which is part of what DVC remembers of a run
    edit(ready.root / "dvc.yaml", stages=CHAIN)

    def repro() -> tuple[set[str], set[str]]:
        """Stages that ran, and those that DVC had remembered."""
        lines = ready.run("dvc", "repro", "third").stdout.splitlines()
        ran = {line.split("'")[1] for line in lines if line.startswith("Running")}
        return ran, {line.split("'")[1] for line in lines if "is cached" in line}

    assert actions(plan(ready)) == NONE | {"run": set(CHAIN)}
    assert repro() == (set(CHAIN), set())
    assert plan(ready)["stages"] == []
    text.write_text("c\na\n")
    assert actions(plan(ready)) == NONE | {"run": {"first"}, "follow": {"second", "third"}}
    assert repro() == ({"first", "second"}, set()), "its first line is the same, so no third"
    assert plan(ready)["stages"] == []
    text.write_text("b\na\n")
    assert actions(plan(ready)) == NONE | {"restore": {"first", "second"}}
    assert repro() == (set(), {"first", "second"})
    (ready.root / "own/second.txt").write_text("by hand\n")
    told = plan(ready)
    assert actions(told) == NONE | {"restore": {"second"}}
    assert told["dry"] == ["second", "third"]
    assert "third" in told["notes"][0]
    assert repro() == (set(), {"second"})


def test_the_text_says_what_changed_where_and_how_long_it_takes(ready: Project) -> None:
    assert ready.bertspec("plan", code=0) == "nothing to run: 9 stages up to date\n"
    ready.write_spec(training(learning_rate=0.001))
    note_duration(ready.root, "tiny-train", 250.4)
    note_duration(ready.root, "tiny-report", 2.0)
    lines = ready.bertspec("plan", code=2).splitlines()
    assert lines[0] == "first: `bertspec compile` writes params.yaml"
    (changed,) = (line for line in lines if line.startswith("~ tiny-train"))
    field = r"training\.learning_rate 0\.003 -> 0\.001   specs/tiny\.json:(\d+):\d+"
    found = re.fullmatch(rf"~ tiny-train +4 min 10 s +{field}", changed)
    assert found
    source = (ready.root / "specs/tiny.json").read_text().splitlines()
    assert "learning_rate" in source[int(found[1]) - 1]
    assert any(re.fullmatch(r"> tiny-evaluate +\? +follows tiny-train", line) for line in lines)
    total = "1 stage to run, 3 that may follow, about 4 min 10 s to 4 min 12 s (2 unknown)"
    assert lines[-1] == total
    told = plan(ready)["total"]
    assert (told["seconds"], told["seconds_with_all_that_follow"]) == (250.4, 252.4)


def test_a_stage_notes_what_it_took(project: Project) -> None:
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    project.bertspec("compile")
    assert read_duration(project.root, "reviews-fetch") is None
    start = time.perf_counter()
    project.bertspec("stage", "reviews-fetch")
    took = read_duration(project.root, "reviews-fetch")
    assert took is not None
    assert 0 < took <= time.perf_counter() - start
    outputs = [*project.root.glob("data/reviews/raw/*"), *project.root.glob("data/reviews/*.json")]
    assert outputs
    assert not any("seconds" in str(path.read_bytes()) for path in outputs)


def test_a_stage_that_takes_shards_of_an_earlier_run_notes_no_time(project: Project) -> None:
    """It would be the time of a part, by which a whole run cannot be told."""
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    project.bertspec("compile")
    for name in ("reviews-fetch", "reviews-prepare"):
        project.bertspec("stage", name)
        note_duration(project.root, name, 100.0)
        project.bertspec("stage", name)
        assert read_duration(project.root, name) == 100.0, "all of it was there"
    with small_pieces(Sizes(target=256)):
        project.bertspec("stage", "reviews-fetch")
        assert read_duration(project.root, "reviews-fetch") != 100.0, (
            "other shards, all of them new"
        )
        note_duration(project.root, "reviews-fetch", 100.0)
        project.write_rows([*rows(), ("one more film", "good")])
        project.bertspec("stage", "reviews-fetch")
        assert read_duration(project.root, "reviews-fetch") == 100.0, "most of it was there"
        remove(project.root / ".bertspec/shards")
        project.bertspec("stage", "reviews-fetch")
    assert read_duration(project.root, "reviews-fetch") != 100.0


def test_a_stage_in_the_place_of_another_takes_about_its_time(ready: Project) -> None:
    (tokenize,) = (name for name in stages(ready) if name.endswith("-tokenize"))
    (base,) = (name for name in stages(ready) if name.endswith("-base"))
    note_duration(ready.root, tokenize, 30.0)
    note_duration(ready.root, base, 40.0)
    ready.write_spec(spec(tokenization={"max_length": 33}))
    (step,) = (s for s in plan(ready)["stages"] if s["name"].endswith("-tokenize"))
    assert step["name"] != tokenize
    assert step["seconds"] == 30.0
    note_duration(ready.root, step["name"], 31.0)
    seconds = {s["name"]: s["seconds"] for s in plan(ready)["stages"]}
    assert seconds[step["name"]] == 31.0, "its own, once it has one"
    model = json.loads(json.dumps(SPEC["model"]))
    model["base"]["config"]["intermediate_size"] = 32
    ready.write_spec(spec(model=model))
    new = {s["name"].rpartition("-")[2]: s["seconds"] for s in plan(ready)["stages"] if s["new"]}
    assert new == {"base": 40.0, "tokenize": 30.0}


@pytest.mark.parametrize("kept", [b"", b"[]", b'{"seconds": "x"}', b'{"seconds": NaN}', b"\xff"])
def test_broken_notes_are_no_notes(tmp_path: Path, kept: bytes) -> None:
    note_duration(tmp_path, "s", 1.0)
    (file,) = (tmp_path / ".bertspec").rglob("s.json")
    file.write_bytes(kept)
    assert read_duration(tmp_path, "s") is None


def test_durations_in_words() -> None:
    shown = [duration(s) for s in (0.04, 9.9, 10, 59.4, 59.6, 250, 3599.7, 7500)]
    assert shown == [
        "0.0 s", "9.9 s", "10 s", "59 s", "1 min 0 s", "4 min 10 s", "1 h 0 min", "2 h 5 min"
    ]  # fmt: skip


def test_a_digest_is_kept_while_its_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "data.txt"
    file.write_text("one")
    long_ago = time.time_ns() - 10**12
    os.utime(file, ns=(long_ago, long_ago))
    first = Hashes(tmp_path)
    digest = str(first.of("data.txt"))
    first.keep()
    kept = next((tmp_path / ".bertspec").rglob("hashes.json"))
    assert digest in kept.read_text()
    kept.write_text(kept.read_text().replace(digest, "0" * 32))
    assert Hashes(tmp_path).of("data.txt") == "0" * 32, "it is not read again"
    os.utime(file, ns=(long_ago + 1, long_ago + 1))
    assert Hashes(tmp_path).of("data.txt") == digest
    file.write_text("two")
    young = Hashes(tmp_path)
    assert young.of("data.txt") != digest
    young.keep()
    assert json.loads(kept.read_text()) == {}, "it might change again within the same tick"


def test_broken_memory_is_no_memory(ready: Project) -> None:
    plan(ready, code=0)
    files = [*(ready.root / ".bertspec/plan").iterdir()]
    assert files
    for file in files:
        file.write_bytes(b"\xff[")
    plan(ready, code=0)


def test_a_kept_file_is_read_again_when_it_changes(ready: Project) -> None:
    for number in range(60):  # large enough to be kept
        edit(ready.root / "params.yaml", **{f"own-{number}": {"text": "x" * 300}})
    plan(ready, code=0)
    assert (ready.root / ".bertspec/plan/params.yaml.json").is_file()
    assert plan(ready, code=0)["stale"] == []
    edit(ready.root / "params.yaml", tiny={})
    assert plan(ready, code=0)["stale"] == ["params.yaml"]


def test_a_folder_that_cannot_be_written_is_no_fault(ready: Project) -> None:
    shutil.rmtree(ready.root / ".bertspec", ignore_errors=True)
    (ready.root / ".bertspec").write_text("in the way")
    plan(ready, code=0)


@pytest.mark.parametrize("where", ["beside", "local"])
def test_the_cache_is_where_dvc_has_it(ready: Project, where: str) -> None:
    (ready.root / ".dvc/cache").rename(ready.root.parent / "elsewhere")
    assert len(actions(plan(ready))["run"]) == 9
    option = ["--local"] if where == "local" else []
    folder = ready.root.parent / "elsewhere"
    ready.run("dvc", "config", *option, "cache.dir", str(folder))
    plan(ready, code=0)


def test_a_fresh_clone_is_told_to_pull(ready: Project) -> None:
    shutil.rmtree(ready.root / ".dvc/cache")
    told = plan(ready)
    assert all(step["action"] == "run" for step in told["stages"])
    assert any("dvc pull" in note for note in told["notes"])


def test_what_has_been_pushed_is_found_in_the_remote(ready: Project) -> None:
    folder = ready.root.parent / "pushed"
    ready.run("dvc", "remote", "add", "--default", "shared", str(folder))
    assert "E219" in ready.bertspec("plan", "--remote", code=1)
    ready.run("dvc", "push", "--run-cache")
    shutil.rmtree(ready.root / ".dvc/cache")
    for stage in stages(ready).values():  # all but metrics and curves, which are in git
        for path in stage.get("outs", ()):
            remove(ready.root / path)
    told = plan(ready, options=["--remote"])
    assert len(actions(told)["pull"]) == 9
    assert actions(told)["run"] == set()
    said = ready.bertspec("plan", "--remote", code=2)
    assert said.endswith("0 stages to run, 9 from the remote, with `dvc repro --pull`\n")
    assert "Running" not in ready.run("dvc", "repro", "--pull").stdout
    plan(ready, code=0)


@pytest.mark.parametrize("settings", ["", "[core]\n    remote = far\n"])
def test_a_remote_that_is_not_set_is_told(ready: Project, settings: str) -> None:
    (ready.root / ".dvc/config").write_text(settings)
    assert "error[E219]" in ready.bertspec("plan", "--remote", code=1)


def test_without_dvc_all_is_new(project: Project) -> None:
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    said = project.bertspec("plan", code=2)
    assert "first: `bertspec compile` writes dvc.yaml and params.yaml" in said
    assert "dvc init" in said
    assert said.splitlines()[-1] == "9 stages to run, for an unknown time"


def test_templates_of_ones_own_are_left_to_dvc(ready: Project) -> None:
    own = {"each": {"foreach": [1, 2], "do": {"cmd": "echo ${item}"}}}
    edit(ready.root / "dvc.yaml", stages=own)
    (note,) = plan(ready, code=0)["notes"]
    assert "each" in note


CIRCLE = """stages:
  a: {cmd: x, deps: [b.txt], outs: [a.txt]}
  b: {cmd: x, deps: [a.txt], outs: [b.txt]}
"""

BROKEN = {
    "conflict": ("dvc.lock", b"<<<<<<< ours\nschema: '2.0'\n=======\n", "E218"),
    "not its form": ("dvc.lock", b"stages: {tiny-train: 1}\n", "E218"),
    "a list": ("dvc.lock", b"- 1\n", "E218"),
    "not UTF-8": ("dvc.lock", b"\xff", "E218"),
    "DVC's own": (".dvc/config", b"x[\n", "E218"),
    "dvc.yaml": ("dvc.yaml", b"stages: [\n", "E209"),
    "stages": ("dvc.yaml", b"stages: [1]\n", "E209"),
    "ours": ("dvc.yaml", b"stages: {tiny-train: {cmd: mine}}\n", "E210"),
    "params.yaml": ("params.yaml", b"bertspec: 1\n", "E209"),
    "circle": ("dvc.yaml", CIRCLE.encode(), "E209"),
    "bertspec.lock": ("bertspec.lock", b"x", "E208"),
    "spec": ("specs/tiny.json", b"{}", "E0"),
}


@pytest.mark.parametrize(("file", "content", "code"), BROKEN.values(), ids=BROKEN)
def test_wrong_input_is_told_by_another_exit_code(
    ready: Project, file: str, content: bytes, code: str
) -> None:
    (ready.root / file).write_bytes(content)
    assert f"error[{code}" in ready.bertspec("plan", code=1)


def test_exit_codes_say_one_thing_each(ready: Project) -> None:
    assert "No such option" in ready.bertspec("plan", "--nonsense", code=1)
    assert "--format" in ready.bertspec("plan", "--help", code=0)
    ready.bertspec("plan", "nowhere", code=1)
    (ready.root / "bertspec.lock").unlink()
    assert "E207" in ready.bertspec("plan", code=1)


def test_one_new_file_in_a_folder_of_sources(ready: Project) -> None:
    own = {"cmd": "ls src > list.txt", "deps": ["src"], "outs": ["list.txt"], "wdir": "own"}
    (ready.root / "own/src/deep").mkdir(parents=True)
    (ready.root / "own/src/deep/a.sh").write_text("echo")
    (ready.root / "own/src/deep/a.sh").chmod(0o755)
    (ready.root / "own/src/é.txt").write_text("é")
    (ready.root / "own/src/empty").mkdir()
    edit(ready.root / "dvc.yaml", stages={"own": own})
    ready.run("dvc", "repro", "own")
    plan(ready, code=0)
    (ready.root / "own/src/new.txt").write_text("x")
    assert reasons(plan(ready), "own") == ["own/src changed"]
    assert "own" in stages(ready)
