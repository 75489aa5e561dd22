"""Where a trial runs: a clone of the project for each of those that run at a time.

DVC's own temporary workspaces go when a run ends, and with them the checkpoints of a training that
was interrupted. A clone stays, has locks of its own, and shares objects of git and DVC's cache.
"""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.digest import file_digest
from bertspec.core.errors import InputError
from bertspec.core.files import remove
from bertspec.core.program import ask, call, in_another_repository
from bertspec.pipeline.layout import WORK_FOLDER

ENVIRONMENT: Mapping[str, str] = {"DVC_EXP_AUTO_PUSH": "false", "DVC_NO_ANALYTICS": "1"}


@dataclass(frozen=True)
class Origin:
    """The project that trials are of."""

    top: Path
    """The folder of the git repository."""
    project: str
    """The project's folder in it; nothing where it is the same."""
    dvc: str
    """The folder with `.dvc` in it."""
    cache: Path
    base: str
    """The commit that the experiments are of."""
    sources: Mapping[str, str]
    """Files of the user's own that stages read and the commit has not: the path from the project's
    folder -> the digest.
    """


@dataclass(frozen=True)
class Slot:
    """A clone."""

    folder: Path
    origin: Origin

    @property
    def project(self) -> Path:
        """The project's folder in it."""
        return self.folder / self.origin.project

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Have it for the block; wait while a trial of a sweep that was killed still ends in it."""
        # Not beside the clone: who removes that must not remove what others wait for.
        locks = self.folder.parent.with_name("locks")
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / self.folder.name).open("w") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        """Let it be as the commit is; what DVC and bertspec keep beside it stays.

        Raises EnvironmentFault (E240) where git or DVC say no, and InputError (E238) where data
        has changed since the sweep was begun.
        """
        if not self.folder.is_dir():
            self._clone()
        self._git("checkout", "--quiet", "--force", "--detach", self.origin.base)
        self._git("clean", "-d", "--force", "--quiet")
        # Of a stage that was killed: its curve must not be taken for that of the next trial.
        remove(self.project / WORK_FOLDER / "work")
        refs = self._git("for-each-ref", "--format=%(refname)", "refs/exps")
        for ref in refs.split():  # of earlier trials, and what an interrupted one has left
            self._git("update-ref", "-d", ref)
        for source, digest in self.origin.sources.items():
            self._copy(source, digest)

    def _copy(self, source: str, digest: str) -> None:
        there, here = self.origin.top / self.origin.project / source, self.project / source
        try:
            if here.is_file() and _stamp(here) == _stamp(there):
                return
            remove(here)  # it may be a link into DVC's cache
            here.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(there, here)  # with its time, by which it is known again
            if file_digest(here) == digest:
                return
        except FileNotFoundError:
            pass
        remove(here)
        raise InputError.of(
            "E238",
            f"{source} has changed since the sweep was begun",
            "scores of both could not be compared: put it back, or `--restart` begins anew",
        )

    def _clone(self) -> None:
        origin = self.origin
        new = self.folder.with_name(f"{self.folder.name}.new")
        remove(new)
        new.parent.mkdir(parents=True, exist_ok=True)
        who: list[str] = []
        for key in ("user.name", "user.email"):  # which may be set for that repository alone
            if value := ask("git", "config", key, folder=origin.top).out.strip():
                who += ["--config", f"{key}={value}"]
        command = ("git", "clone", "--quiet", "--shared", "--no-checkout", *who)
        own_environment = environment()
        call(*command, str(origin.top), str(new), folder=origin.top, environment=own_environment)
        checkout = ("git", "checkout", "--quiet", "--detach", origin.base)
        call(*checkout, folder=new, environment=own_environment)
        own = Path(origin.dvc) / ".dvc/config.local"
        if (origin.top / own).is_file():
            shutil.copyfile(origin.top / own, new / own)
        cache = ("dvc", "config", "--local", "cache.dir", str(origin.cache))
        call(*cache, folder=new / origin.dvc, environment=own_environment)
        new.rename(self.folder)

    def _git(self, *arguments: str) -> str:
        return call("git", *arguments, folder=self.folder, environment=environment())


def environment() -> dict[str, str]:
    """That of git and DVC in a clone."""
    return {**in_another_repository(), **ENVIRONMENT}


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_size, about.st_mtime_ns
