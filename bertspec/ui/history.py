"""Metrics of a spec over the history of git. A commit stays what it is, so each is read once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bertspec.core.errors import InputError
from bertspec.core.program import ask
from bertspec.core.values import Place
from bertspec.diffing.metrics import numbers_of
from bertspec.pipeline import layout
from bertspec.runtime.revision import Revision

Numbers = Mapping[Place, float]

_BETWEEN = "\x1f"
"""Stands in no message of a commit that people write."""

_MOST_REFS = 100


@dataclass(frozen=True)
class Commit:
    """A commit of git, as far as it is told of."""

    id: str
    short: str
    date: str
    subject: str


@dataclass(frozen=True)
class Measured:
    """What metrics.json says at a commit that changed it, or here."""

    commit: Commit | None
    """None for what is here and not committed."""
    numbers: Numbers | None
    """None where the commit removed it, or it cannot be read."""


@dataclass(frozen=True)
class Refs:
    """What can be compared."""

    branches: tuple[str, ...]
    tags: tuple[str, ...]
    commits: tuple[Commit, ...]


class History:
    """Reads a project's repository, and writes nothing to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._log = lru_cache(maxsize=256)(self._read_log)
        self._numbers = lru_cache(maxsize=4096)(self._read_numbers)

    def head(self) -> Revision | None:
        """The last commit; None where there is none, or no git."""
        return Revision.find(self._root, "HEAD")

    def branch(self) -> str | None:
        """The name of the branch that is checked out, if one is."""
        answer = ask("git", "symbolic-ref", "--quiet", "--short", "HEAD", folder=self._root)
        return answer.out.strip() if answer.code == 0 else None

    def here(self, name: str) -> Numbers | None:
        try:
            return numbers_of((self._root / layout.metrics(name)).read_bytes())
        except OSError:
            return None

    def of(self, name: str, last: int) -> list[Measured]:
        """Metrics of a spec, oldest first: the last commits that changed them, and what is here."""
        path = layout.metrics(name)
        head = self.head()
        commits = self._commits(head, path, last)
        found = [Measured(each, self._numbers_at(each, path)) for each in reversed(commits)]
        here = self.here(name)
        if here is not None and (not found or found[-1].numbers != here):
            found.append(Measured(None, here))
        return found

    def refs(self) -> Refs:
        """Branches and tags, those with the newest commits first, and the last commits of HEAD."""
        head = self.head()
        return Refs(
            branches=tuple(self._named("refs/heads", "refs/remotes")),
            tags=tuple(self._named("refs/tags")),
            commits=self._commits(head, ".", _MOST_REFS // 4),
        )

    # What git could not tell this time, such as in time, is not remembered as an answer.

    def _commits(self, head: Revision | None, path: str, last: int) -> tuple[Commit, ...]:
        try:
            return self._log(head.commit, path, last) if head else ()
        except InputError:
            return ()

    def _numbers_at(self, commit: Commit, path: str) -> Numbers | None:
        try:
            return self._numbers(commit.id, path)
        except InputError:  # or it was removed
            return None

    def _named(self, *below: str) -> Iterator[str]:
        options = (f"--count={_MOST_REFS}", "--sort=-creatordate", "--format=%(refname:short)")
        answer = ask("git", "for-each-ref", *options, *below, folder=self._root)
        # A line of git ends with nothing else; a name, or a message, can hold U+2028 and the like.
        yield from answer.out.split("\n")[:-1] if answer.code == 0 else ()

    def _read_log(self, commit: str, path: str, last: int) -> tuple[Commit, ...]:
        form = f"--format={_BETWEEN.join(('%H', '%h', '%cs', '%s'))}"
        answer = ask(
            *("git", "-c", "log.showSignature=false", "log", f"--max-count={last}", "--no-color"),
            *("-z", form, commit, "--", path), folder=self._root,
        )  # fmt: skip
        if answer.code:
            raise InputError.of("E490", f"git has no history of {path}: {answer.problem}")
        commits = answer.out.split("\0")
        return tuple(Commit(*each.split(_BETWEEN, 3)) for each in commits if each)

    def _read_numbers(self, commit: str, path: str) -> Numbers | None:
        return numbers_of(Revision(self._root, commit, commit).text(path))
