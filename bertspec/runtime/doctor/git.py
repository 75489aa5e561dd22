"""Git: whether it is there, whether this is a repository, and what is not committed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bertspec.core.errors import EnvironmentFault
from bertspec.core.program import ask
from bertspec.runtime.doctor.line import Line, State, of_error
from bertspec.runtime.doctor.repository import no_repository
from bertspec.runtime.git_setup import ATTRIBUTES, read_setup

_NONE = "not a git repository"


def git(root: Path, *, needed: bool) -> Iterator[Line]:
    """Lines on the program and the repository. `needed`: `root` is a project that should be one."""
    if shutil.which("git") is None:
        facts = {"version": None}
        yield Line("git", "git", State.WRONG, "not on the PATH", "install it", facts)
        return
    version = ask("git", "--version", folder=root).out.strip().removeprefix("git version ")
    yield Line("git", "git", State.GOOD, version, facts={"version": version})
    top = ask("git", "rev-parse", "--show-toplevel", folder=root)
    if top.code:
        yield no_repository("git", top, _NONE, "`git status`", needed=needed)
        return
    folder = top.out.removesuffix("\n")
    yield Line("git", "repository", State.GOOD, folder, facts={"root": folder})
    yield _uncommitted(root)
    if needed:
        yield _merging(root)


def _uncommitted(root: Path) -> Line:
    # Without locks: another git may be at work in the repository.
    command = ("git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--", ".")
    status = ask(*command, folder=root)
    if status.code:
        advice = "put right what git says"
        return Line("git", "state", State.WRONG, status.problem, advice)
    lines = status.out.splitlines()
    about = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    branch, commit = about.get("branch.head"), about.get("branch.oid")
    commit = None if commit == "(initial)" else commit
    changed = sum(not line.startswith("# ") for line in lines)
    facts = {"branch": branch, "commit": commit, "uncommitted": changed}
    text = f"{branch} at {commit[:12]}" if commit else f"{branch}, no commit yet"
    if changed:
        text += f"; not committed: {changed:,} file{'s' if changed != 1 else ''} of this folder"
        advice = "a result is traced to what is committed"
        return Line("git", "state", State.NOTE, text, advice, facts)
    return Line("git", "state", State.GOOD, f"{text}; all is committed", facts=facts)


def _merging(root: Path) -> Line:
    """How git merges compiled files."""
    try:
        setup = read_setup(root)
    except EnvironmentFault as error:
        return of_error("git", "merging", error)
    facts = {"attributes": setup.attributes, "driver": setup.driver, "runs": setup.runs}
    advice = "`bertspec setup-git` lets git merge compiled files by stage and key"
    if setup.attributes and setup.runs:
        return Line("git", "merging", State.GOOD, "compiled files by stage and key", facts=facts)
    if not setup.attributes and not setup.driver:
        text = f"line by line; {advice}"
        return Line("git", "merging", State.GOOD, text, facts=facts)
    if setup.driver and not setup.runs:
        text = "the merge driver of this clone is a program that is gone: git merges by lines"
    elif setup.driver:
        text = f"the lines of {ATTRIBUTES} are missing or not current"
    else:
        text = f"{ATTRIBUTES} names a merge driver, and this clone has none: git merges by lines"
    return Line("git", "merging", State.NOTE, text, advice, facts)
