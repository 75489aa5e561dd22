"""The commit that a sweep's experiments are of, which must be what the specs say."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bertspec.compiler.emit import emit_dvc, emit_params
from bertspec.compiler.lower import lower
from bertspec.core.digest import file_digest
from bertspec.core.errors import InputError
from bertspec.core.program import ask, call
from bertspec.pipeline.layout import DVC_FILE, PARAMS_FILE
from bertspec.pipeline.stage import Pipeline
from bertspec.planning.repository import Repository
from bertspec.sweeping.definition import Definition
from bertspec.sweeping.slot import Origin

_MARK = "\N{BYTE ORDER MARK}"


def origin_of(sweep: Definition, base: str | None) -> tuple[Origin, str]:
    """The project at the commit that is checked out, or at `base`; and its params.yaml.

    Raises InputError: E239 where there is no git or DVC, or the commit is not what specs and lock
    compile to; E238 where that is so of `base`.
    """
    top = ask("git", "rev-parse", "--show-toplevel", folder=sweep.root)
    repository = Repository.around(sweep.root)
    if top.code or repository is None:
        what = "git" if top.code else "DVC"
        advice = "`git init`, `dvc init`, and commit the project"
        raise InputError.of("E239", f"this project is in no repository of {what}", advice)
    folder = Path(top.out.rstrip("\n"))
    project = os.path.relpath(sweep.root.resolve(), folder.resolve())
    commit = base or ask("git", "rev-parse", "HEAD", folder=sweep.root).out.strip()
    pipeline = lower(sweep.specs, sweep.lock)
    old = {name: _committed(sweep.root, commit, name) for name in (DVC_FILE, PARAMS_FILE)}
    new = {
        DVC_FILE: emit_dvc(pipeline, old[DVC_FILE]),
        PARAMS_FILE: emit_params(pipeline, old[PARAMS_FILE]),
    }
    if changed := [name for name in new if new[name] != old[name]]:
        raise _not_as_compiled(changed, sweep, base)
    origin = Origin(
        folder,
        project,
        os.path.relpath(repository.folder.resolve(), folder.resolve()),
        repository.cache.resolve(),
        commit,
        {name: file_digest(sweep.root / name) for name in _untracked(sweep.root, commit, pipeline)},
    )
    return origin, new[PARAMS_FILE]


def _not_as_compiled(changed: Iterable[str], sweep: Definition, base: str | None) -> Exception:
    what = " and ".join(changed)
    if base is not None:
        return InputError.of(
            "E238",
            f"specs or bertspec.lock have changed since `{sweep.name}` was begun: at {base[:7]} "
            f"{what} is another one",
            "scores of both could not be compared: `--restart` begins anew, or give the sweep "
            "another name",
        )
    return InputError.of(
        "E239",
        f"{what} of the last commit is not what the specs compile to",
        "experiments are of a commit: `bertspec compile`, then commit specs, bertspec.lock, "
        "dvc.yaml, params.yaml and dvc.lock",
    )


def _committed(root: Path, commit: str, name: str) -> str | None:
    answer = ask("git", "show", f"{commit}:./{name}", folder=root)
    return None if answer.code else answer.out.removeprefix(_MARK)


def _untracked(root: Path, commit: str, pipeline: Pipeline) -> list[str]:
    """Files that stages read of the user's own, and the commit has not."""
    sources = {source for stage in pipeline.stages for source in stage.sources}
    there = {name for source in sources for name in _files(root, source)}
    if not there:
        return []
    command = ("git", "ls-tree", "-r", "-z", "--name-only", commit, "--", *sorted(sources))
    return sorted(there - {*call(*command, folder=root).split("\0")})


def _files(root: Path, source: str) -> Iterator[str]:
    path = root / source
    if path.is_file():
        yield os.path.normpath(source)
    for folder, _, names in os.walk(path):
        for file in map(Path(folder).joinpath, names):
            if file.is_file():
                yield file.relative_to(root).as_posix()
