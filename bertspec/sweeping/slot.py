"""Where a trial runs: a clone of the project for each of those that run at a time.

DVC's own temporary workspaces go when a run ends, and with them the checkpoints of a training that
was interrupted. A clone stays, has locks of its own, and shares objects of git and DVC's cache.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.files import remove
from bertspec.core.program import ask, call
from bertspec.pipeline.layout import WORK_FOLDER
from bertspec.runtime.verifying.rebuild import copy_sources

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
    sources: tuple[str, ...]
    """Files and folders of the user's own that stages read, from the project's folder."""


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
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".lock").open("w") as file:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        """Let it be as the commit is; what DVC and bertspec keep beside it stays.

        Raises EnvironmentFault (E240) where git or DVC say no.
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
        here = self.origin.top / self.origin.project
        missing = [s for s in self.origin.sources if not (self.project / s).exists()]
        copy_sources(missing, here, self.project)

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
        call(*command, str(origin.top), str(new), folder=origin.top)
        call("git", "checkout", "--quiet", "--detach", origin.base, folder=new)
        own = Path(origin.dvc) / ".dvc/config.local"
        if (origin.top / own).is_file():
            shutil.copyfile(origin.top / own, new / own)
        cache = ("dvc", "config", "--local", "cache.dir", str(origin.cache))
        call(*cache, folder=new / origin.dvc)
        new.rename(self.folder)

    def _git(self, *arguments: str) -> str:
        return call("git", *arguments, folder=self.folder)


def environment() -> dict[str, str]:
    """That of DVC in a clone."""
    return {**os.environ, **ENVIRONMENT}
