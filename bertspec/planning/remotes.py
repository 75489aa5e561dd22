"""What a remote of DVC has of the artifacts that dvc.lock names, as DVC itself says."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.names import did_you_mean
from bertspec.core.program import Answer, ask
from bertspec.core.redaction import without_secrets

_SECONDS = 3600
"""How long a remote may take to answer for all files."""


class State(StrEnum):
    """Where a file of an artifact is, in the words of `dvc status --cloud`."""

    NEW = "new"
    """Here, and not in the remote."""
    DELETED = "deleted"
    """In the remote, and not here."""
    MISSING = "missing"
    """In neither."""


@dataclass(frozen=True)
class Remote:
    """A remote of the repository's settings."""

    name: str
    url: str
    is_default: bool


def read_remotes(root: Path) -> list[Remote]:
    """All of them. Raises EnvironmentFault (E526) where DVC does not say."""
    answer = ask("dvc", "config", "--list", folder=root)
    if answer.code:
        raise _fault("DVC does not tell its settings", answer)
    settings = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    default = settings.get("core.remote")
    return [
        Remote(found[1], without_secrets(value), found[1] == default)
        for key, value in settings.items()
        if (found := re.fullmatch(r"remote\.(.+)\.url", key))
    ]


def choose(remotes: Iterable[Remote], name: str | None) -> Remote:
    """The remote of a name, or the default one. Raises InputError (E241)."""
    known = {remote.name: remote for remote in remotes}
    if name is None:
        found = next((remote for remote in known.values() if remote.is_default), None)
        if found is None:
            raise InputError.of(
                "E241",
                "no remote is the default" if known else "there is no remote",
                "`dvc remote default NAME` makes one the default, or name it here"
                if known
                else "`dvc remote add --default NAME URL`: a folder, s3://, ssh://, https://, ...",
            )
        return found
    if name not in known:
        raise InputError.of("E241", f"there is no remote `{name}`", did_you_mean(name, known))
    return known[name]


def look_into(remote: Remote, root: Path, locked: Mapping[str, str]) -> dict[str, Counter[State]]:
    """Artifact -> how many of its files are not both here and in the remote.

    `locked` are the artifacts of dvc.lock with their digests. A folder whose list of files is in
    neither counts as one. Raises EnvironmentFault (E526) for a remote that cannot be read.
    """
    answer = ask(
        "dvc", "status", "--cloud", "--remote", remote.name, "--json", folder=root, seconds=_SECONDS
    )
    if answer.code:
        raise _broken(remote, answer)
    states: dict[str, str] = json.loads(answer.out)
    # What is in neither and a folder is told by its digest, in a warning, and not in the JSON.
    lost = set(re.findall(r"\bmd5: ([0-9a-f]{32}(?:\.dir)?)", answer.err))
    states |= {path: State.MISSING for path, digest in locked.items() if digest in lost}
    found: dict[str, Counter[State]] = {}
    for path, state in sorted(states.items()):
        above = [path, *(parent.as_posix() for parent in Path(path).parents)]
        artifact = next((place for place in above if place in locked), path)
        found.setdefault(artifact, Counter())[State(state)] += 1
    return found


def fetch_runs(remote: Remote, root: Path) -> None:
    """Bring what a remote has of the run cache into a repository of DVC without stages.

    Raises EnvironmentFault (E526) for a remote that cannot be read. Of HTTP DVC has no run cache.
    """
    answer = ask(
        "dvc", "fetch", "--run-cache", "--remote", remote.name, folder=root, seconds=_SECONDS
    )
    if answer.code:
        raise _broken(remote, answer)


def _broken(remote: Remote, answer: Answer) -> Exception:
    return _fault(f"the remote `{remote.name}` ({remote.url}) does not work", answer)


def _fault(what: str, answer: Answer) -> Exception:
    # Warnings may stand above what is wrong.
    lines = (line for line in answer.err.splitlines() if line.startswith("ERROR: "))
    line = next(lines, answer.problem).removeprefix("ERROR: ")
    said = without_secrets(line.removeprefix("unexpected error - "))
    return EnvironmentFault.of("E526", f"{what}: {said}", "`bertspec explain-code E526`")
