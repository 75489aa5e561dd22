"""`bertspec doctor`: what it says of real folders, beside the same facts taken in another way."""

import json
import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from bertspec import __version__
from bertspec.core.yaml import load_plain
from bertspec.runtime import locking
from bertspec.runtime.doctor import examine
from bertspec.runtime.doctor.cgroup import cpu_limit, memory_limit
from tests.projects import SPEC, Project

Lines = Mapping[tuple[str, str], Any]

REPOSITORY = Path(__file__).parents[2]


def _doctor(project: Project, *options: str, code: int | None = 0) -> Lines:
    """The lines by group and name."""
    command = ("doctor", "--format", "json", *(options or ("--no-measure",)))
    told = json.loads(project.call(*command, code=code).stdout)
    lines = {(check["group"], check["name"]): check for check in told["checks"]}
    assert len(lines) == len(told["checks"])
    wrong = [line for line in told["checks"] if line["state"] == "wrong"]
    assert told["wrong"] == len(wrong)
    assert told["notes"] == sum(line["state"] == "note" for line in told["checks"])
    assert all(line["help"] for line in wrong), "it says what to do about it"
    return lines


def _states(lines: Lines, state: str) -> set[tuple[str, str]]:
    return {key for key, line in lines.items() if line["state"] == state}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which all is as it should be, but for a remote; for copying only."""
    project = Project.create(tmp_path_factory.mktemp("made") / "project")
    project.init_dvc()
    project.compile()
    project.commit()
    return project


@pytest.fixture
def ready(made: Project, tmp_path: Path) -> Project:
    return Project(shutil.copytree(made.root, tmp_path / "ready", symlinks=True))


@pytest.fixture
def without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    """For lines on other things: the program of DVC, which is asked often, is slow to start."""
    monkeypatch.setattr(examine, "dvc", lambda root, needed: ())


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lines]:
    """An empty folder, and what is told of it."""
    folder = tmp_path_factory.mktemp("outside")
    return folder, _doctor(Project(folder))


def test_outside_of_a_project_it_says_so_and_that_is_no_error(
    outside: tuple[Path, Lines],
) -> None:
    folder, lines = outside
    assert {("project", "project"), ("git", "repository"), ("DVC", "repository")} <= _states(
        lines, "note"
    )
    assert lines["project", "threads"]["facts"] == {
        "threads": len(os.sched_getaffinity(0)), "locked": False
    }  # fmt: skip
    assert list(folder.iterdir()) == [], "nothing is written"


def test_programs_have_their_own_versions(outside: tuple[Path, Lines]) -> None:
    _, lines = outside
    found = {name: lines["DVC", name]["facts"]["version"] for name in ("dvc", "bertspec")}
    assert found == {"dvc": metadata.version("dvc"), "bertspec": __version__}


def test_the_machine_is_as_others_see_it(outside: tuple[Path, Lines]) -> None:
    folder, lines = outside
    facts = {name: line["facts"] for (group, name), line in lines.items() if group == "machine"}
    assert facts["cores"]["usable"] == len(os.sched_getaffinity(0))
    assert facts["cores"]["physical"] == psutil.cpu_count(logical=False)
    assert facts["memory"]["total"] == psutil.virtual_memory().total
    assert 0 < facts["memory"]["available"] <= facts["memory"]["total"]
    assert facts["disk"]["total"] == shutil.disk_usage(folder).total
    assert facts["ISA"]["capability"] == torch.backends.cpu.get_cpu_capability()
    assert facts["ISA"]["torch"] == metadata.version("torch")
    gpus = [gpu for gpu in facts["GPU"]["gpus"] if gpu["memory"]]
    assert len(gpus) == torch.cuda.device_count()


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="Linux says it there")
def test_bf16_is_what_the_kernel_says(outside: tuple[Path, Lines]) -> None:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = next(line for line in text.splitlines() if line.startswith(("flags", "Features")))
    has = bool({"avx512_bf16", "amx_bf16", "bf16", "svebf16"} & set(flags.split()))
    line = outside[1]["machine", "bf16"]
    assert line["facts"]["hardware"] is has
    assert line["state"] == ("good" if has else "note")


def test_fewer_usable_cores_are_fewer_threads_to_lock(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "--cpu-list", str(core), "bertspec", "doctor", "--no-measure"]
    told = json.loads(Project(tmp_path).run(*command, "--format", "json").stdout)
    lines = {line["name"]: line["facts"] for line in told["checks"]}
    assert (lines["cores"]["usable"], lines["threads"]["threads"]) == (1, 1)


@pytest.mark.usefixtures("without_dvc")
def test_the_speed_is_measured_with_the_locked_threads(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "SECONDS", 0.0)
    lines = _doctor(ready, "--measure")
    speeds = {name: line["facts"] for (group, name), line in lines.items() if group == "speed"}
    bf16 = {"GEMM bf16"} if lines["machine", "bf16"]["facts"]["hardware"] else set()
    assert set(speeds) == {"GEMM fp32"} | bf16
    for facts in speeds.values():
        assert facts["threads"] == 1
        assert facts["gflops"] > 0
        assert facts["repeats"] >= 3


def test_a_project_that_is_ready(ready: Project) -> None:
    lines = _doctor(ready)
    assert {key for key in _states(lines, "note") if key[0] != "machine"} == {("DVC", "remote")}
    assert lines["DVC", "remote"]["facts"] == {"remotes": [], "default": None}
    assert lines["DVC", "links"]["facts"]["working"] is None, "there is no cache yet"
    locked = load_plain((ready.root / "bertspec.lock").read_text())["packages"]
    told = {name: line for (group, name), line in lines.items() if group == "packages"}
    assert told.pop("python")["facts"]["installed"] == platform.python_version()
    assert {name: line["facts"]["locked"] for name, line in told.items()} == locked
    for name, line in told.items():
        assert line["facts"]["installed"] == metadata.version(name).partition("+")[0]


@pytest.mark.usefixtures("without_dvc")
def test_another_version_than_locked_is_wrong(ready: Project) -> None:
    lock = ready.root / "bertspec.lock"
    old = f"pyarrow: {metadata.version('pyarrow')}"
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, "pyarrow: 1.2.3"))
    ready.bertspec("compile")
    lines = _doctor(ready, code=1)
    assert _states(lines, "wrong") == {("packages", "pyarrow")}
    assert lines["packages", "pyarrow"]["facts"]["locked"] == "1.2.3"
    assert "pip install pyarrow==1.2.3" in lines["packages", "pyarrow"]["help"]


@pytest.mark.usefixtures("without_dvc")
def test_a_locked_package_that_is_not_installed_is_wrong(ready: Project) -> None:
    lock = ready.root / "bertspec.lock"
    lock.write_text(lock.read_text() + "  no-such-package: 1.0\n".replace("1.0", "'1.0'"))
    lines = _doctor(ready, code=1)
    assert _states(lines, "wrong") == {("packages", "no-such-package")}
    assert lines["packages", "no-such-package"]["facts"]["installed"] is None


def test_a_project_without_repositories_needs_both(project: Project) -> None:
    project.compile()
    lines = _doctor(project, code=1)
    assert _states(lines, "wrong") == {("git", "repository"), ("DVC", "repository")}
    assert "bertspec init" in lines["DVC", "repository"]["help"]


def test_git_only_needs_dvc(project: Project) -> None:
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.compile()
    lines = _doctor(project, code=1)
    assert _states(lines, "wrong") == {("DVC", "repository")}
    assert lines["git", "repository"]["facts"]["root"] == str(project.root.resolve())
    assert lines["git", "state"]["facts"]["commit"] is None


@pytest.mark.usefixtures("without_dvc")
def test_git_says_what_is_not_committed(ready: Project) -> None:
    head = ready.run("git", "rev-parse", "HEAD").stdout.strip()
    state = _doctor(ready)["git", "state"]
    assert (state["state"], state["facts"]["uncommitted"]) == ("good", 0)
    assert (state["facts"]["branch"], state["facts"]["commit"]) == ("main", head)
    (ready.root / "a\nb.txt").write_text("")  # git quotes the name
    ready.run("git", "mv", "data/reviews.csv", "data/other.csv")
    shutil.copy(ready.root / "data/other.csv", ready.root / "data/reviews.csv")
    state = _doctor(ready)["git", "state"]
    assert (state["state"], state["facts"]["uncommitted"]) == ("note", 3)


def test_a_remote_is_good_when_it_is_the_default_and_no_secret_is_told(ready: Project) -> None:
    ready.run("dvc", "remote", "add", "store", "https://user:secret@example.org/x")
    ready.run("dvc", "remote", "modify", "--local", "store", "password", "secret")
    remote = _doctor(ready)["DVC", "remote"]
    assert (remote["state"], remote["facts"]["remotes"]) == ("note", ["store"])
    ready.run("dvc", "remote", "default", "store")
    lines = _doctor(ready)
    assert lines["DVC", "remote"]["state"] == "good"
    assert lines["DVC", "remote"]["facts"] == {"remotes": ["store"], "default": "store"}
    assert "secret" not in json.dumps(list(lines.values()))


def test_links_are_those_that_dvc_makes(ready: Project) -> None:
    def links() -> Any:
        return _doctor(ready, code=None)["DVC", "links"]

    file = ready.root / "one.txt"
    file.write_text("one\n")
    ready.run("dvc", "config", "cache.type", "hardlink,copy")
    ready.run("dvc", "add", "one.txt")
    found = links()
    assert (found["state"], found["facts"]["link"]) == ("good", "hardlink")
    assert file.stat().st_nlink == 2
    ready.run("dvc", "config", "cache.type", "copy")
    ready.run("dvc", "checkout", "--relink", "one.txt.dvc")
    found = links()
    assert (found["state"], found["facts"]["link"]) == ("note", "copy")
    assert file.stat().st_nlink == 1
    ready.run("dvc", "config", "cache.type", "reflink")
    file.unlink()
    works = ready.run("dvc", "checkout", "one.txt.dvc", code=None).returncode == 0
    assert links()["state"] == ("good" if works else "wrong")


@pytest.mark.usefixtures("without_dvc")
def test_stale_files_are_wrong_until_they_are_compiled(ready: Project) -> None:
    ready.write_spec(SPEC | {"training": {"epochs": 9, "precision": "bf16"}})
    lines = _doctor(ready, code=1)
    assert _states(lines, "wrong") == {("project", "compiled")}
    assert lines["project", "compiled"]["facts"]["stale"] == ["params.yaml"]
    assert lines["project", "precision"]["facts"]["precisions"] == {"tiny": "bf16"}
    ready.bertspec("compile", "--check", code=1)
    ready.bertspec("compile")
    (ready.root / "dvc.yaml").unlink()
    stale = _doctor(ready, code=1)["project", "compiled"]
    assert "dvc.yaml is missing" in stale["text"]
    ready.bertspec("compile")
    assert _states(_doctor(ready), "wrong") == set()


@pytest.mark.usefixtures("without_dvc")
@pytest.mark.parametrize("locked", [False, True], ids=["no lock", "a lock without it"])
@pytest.mark.parametrize("bf16", [True, False, None])
def test_a_precision_that_is_open_is_the_one_that_would_be_locked(
    ready: Project, monkeypatch: pytest.MonkeyPatch, bf16: bool | None, locked: bool
) -> None:
    for module in (examine, locking):
        monkeypatch.setattr(module, "has_bf16", lambda _: bf16)
    ready.write_spec(SPEC | {"training": {"epochs": 1, "precision": "auto"}})
    if not locked:
        (ready.root / "bertspec.lock").unlink()
    line = _doctor(ready, code=1)["project", "precision"]
    ready.bertspec("lock", *(["--device", "cpu"] if not locked else []))
    written = load_plain((ready.root / "bertspec.lock").read_text())["precision"]
    assert line["facts"] == {"precisions": {"tiny": "auto"}, "auto": written}
    assert f"would write {written}, in tiny" in line["text"]
    line = _doctor(ready, code=None)["project", "precision"]
    assert line["facts"] == {"precisions": {"tiny": written}}


@pytest.mark.usefixtures("without_dvc")
def test_the_precision_of_a_gpu_that_is_not_here_is_not_guessed(
    ready: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "best_device", lambda: "cpu")
    ready.write_spec(SPEC | {"training": {"epochs": 1, "precision": "auto"}})
    file = ready.root / "bertspec.lock"
    file.write_text(file.read_text().replace("device: cpu", "device: cuda"))
    line = _doctor(ready, code=1)["project", "precision"]
    assert line["facts"] == {"precisions": {"tiny": "auto"}, "auto": None}
    assert "would write" not in line["text"]


@pytest.mark.usefixtures("without_dvc")
def test_wrong_specs_and_locks_are_told_and_end_nothing(ready: Project) -> None:
    (ready.root / "bertspec.lock").write_text("<<<<<<< ours\n")
    (ready.root / "specs/tiny.json").write_text('{"bertspec": 1, "nam": 2}')
    lines = _doctor(ready, code=1)
    assert _states(lines, "wrong") == {("project", "specs"), ("project", "bertspec.lock")}
    (ready.root / "bertspec.lock").unlink()
    assert _doctor(ready, code=1)["project", "bertspec.lock"]["help"] == "run `bertspec lock`"


@pytest.mark.usefixtures("without_dvc")
def test_more_threads_than_cores_are_a_note(ready: Project) -> None:
    ready.bertspec("lock", "--threads", "1024")
    ready.bertspec("compile")
    line = _doctor(ready)["project", "threads"]
    assert (line["state"], line["facts"]) == ("note", {"threads": 1024, "locked": True})


def test_what_git_and_dvc_refuse_is_told(ready: Project) -> None:
    for file in (".git/config", ".dvc/config"):
        (ready.root / file).write_text("x[")
    lines = _doctor(ready, code=1)
    assert _states(lines, "wrong") == {("git", "repository"), ("DVC", "repository")}
    assert "config" in lines["git", "repository"]["text"]
    assert "config" in lines["DVC", "repository"]["text"]


def test_programs_that_are_not_there_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    begin = "import os, sys; os.environ['PATH'] = 'programs'; from bertspec.cli import main"
    code = f"{begin}; main(['doctor', '--no-measure', '--format', 'json'])"
    told = json.loads(Project(tmp_path).run(sys.executable, "-c", code, code=1).stdout)
    wrong = {line["name"] for line in told["checks"] if line["state"] == "wrong"}
    assert wrong == {"git", "dvc", "bertspec"}


@pytest.mark.parametrize("broken", [False, True])
def test_without_torch_it_tells_the_rest(tmp_path: Path, broken: bool) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("torch"):
            (packages / path.name).symlink_to(path)
    if broken:
        (packages / "torch.py").write_text("raise ImportError('libgone.so: \\x1b[31mno')\n")
    command = (
        sys.executable, "-S", "-c", "from bertspec.cli import main; main()",
        "doctor", "--format", "json",
    )  # fmt: skip
    paths = os.pathsep.join(map(str, (packages, REPOSITORY)))
    nowhere = str(tmp_path)  # programs take long to start
    said = Project(tmp_path).run(*command, code=1, PYTHONPATH=paths, PATH=nowhere).stdout
    told = json.loads(said)
    lines = {line["name"]: line for line in told["checks"]}
    assert lines["torch"]["state"] == "wrong"
    assert "pip install torch" in lines["torch"]["help"]
    assert not lines.keys() & {"bf16", "GEMM fp32"}
    assert lines["ISA"]["state"] == ("wrong" if broken else "note")
    assert ("libgone.so" if broken else "torch is not installed") in lines["ISA"]["text"]
    assert lines["memory"]["facts"]["total"] == psutil.virtual_memory().total


@pytest.mark.usefixtures("without_dvc")
def test_what_a_terminal_would_obey_does_not_get_through(ready: Project) -> None:
    lock = ready.root / "bertspec.lock"
    hostile = '"1\\e]0;x\\a[red]\\n"'
    lock.write_text(lock.read_text() + f"  evil: {hostile}\n")
    (ready.root / "specs/\x1b[31m.yaml").write_text("a: 1\n")
    for fmt in ("text", "json"):
        said = ready.call("doctor", "--no-measure", "--format", fmt, code=1).stdout
        assert "[red]" in said
        assert not [c for c in said if not c.isprintable() and c != "\n"]


@pytest.mark.usefixtures("without_dvc")
def test_the_text_has_every_line_and_what_to_do(project: Project) -> None:
    project.compile()
    lines = _doctor(project, code=1)
    said = project.call("doctor", "--no-measure", code=1).stdout.splitlines()
    for (_, name), line in lines.items():
        if name not in ("memory", "disk"):  # they change
            assert any(f" {name} " in shown and line["text"] in shown for shown in said), name
            assert not line["help"] or any(f"help: {line['help']}" in shown for shown in said)
    assert said[-1].startswith("1 wrong, ")


GROUP = "/a/b"


@pytest.mark.parametrize(
    ("groups", "files", "memory", "cpus"),
    [
        (f"0::{GROUP}\n", {"a/b/memory.max": "max\n", "a/b/cpu.max": "max 100000\n"}, None, None),
        (f"0::{GROUP}\n", {"a/b/memory.max": "4096", "a/memory.max": "1024",
                           "a/cpu.max": "150000 100000"}, 1024, 1.5),
        ("0::/\n", {"memory.max": "2048", "cpu.max": "200000 100000"}, 2048, 2.0),
        ("0::/seen/from/outside\n", {"memory.max": "2048"}, 2048, None),
        (f"4:memory:{GROUP}\n0::/\n", {"memory/a/b/memory.limit_in_bytes": "512"}, 512, None),
        (f"4:cpu,memory:{GROUP}\n", {"memory/memory.limit_in_bytes": "512"}, 512, None),
        (None, {}, None, None),
    ],
)  # fmt: skip
def test_limits_of_a_container(
    tmp_path: Path,
    groups: str | None,
    files: Mapping[str, str],
    memory: int | None,
    cpus: float | None,
) -> None:
    contents = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    if groups is not None:
        contents["proc/self/cgroup"] = groups
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert (memory_limit(tmp_path), cpu_limit(tmp_path)) == (memory, cpus)
