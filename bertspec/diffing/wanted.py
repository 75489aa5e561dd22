"""What is to be compared: the words of a command line become two sides."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bertspec.core.errors import InputError
from bertspec.core.names import NAME_PATTERN, did_you_mean
from bertspec.runtime.revision import Revision

MOST = 2
"""Words: one for each side."""


@dataclass(frozen=True)
class Wanted:
    """One side: a spec or all of them, here or at a revision."""

    name: str | None
    """None for all specs."""
    revision: Revision | None
    """None for the files here, committed or not."""

    @property
    def commit(self) -> str | None:
        return self.revision.commit if self.revision else None

    @property
    def title(self) -> str:
        return self.revision.name if self.revision else "here"


def read_words(words: Sequence[str], root: Path, names: Collection[str]) -> tuple[Wanted, Wanted]:
    """Both sides; `names` are those of the specs here.

    NAME@REVISION is a spec. A word without `@` is a spec of this name or a revision: both sides
    are of one kind, and where both kinds would do it is an error. Without a second word it is
    what is here, and without any HEAD and what is here.

    Raises InputError: E490 for what git does not know, E493 for what is neither or may be both.
    """
    if not words:
        return Wanted(None, Revision.of(root, "HEAD")), Wanted(None, None)
    meanings = [list(_meanings(word, root, names)) for word in words]
    if len(words) == 1:
        found = [(one, Wanted(one.name, None)) for one in meanings[0] if one.revision]
    else:
        found = [(a, b) for a, b in product(*meanings) if (a.name is None) == (b.name is None)]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(f"`{word}`" for word in words)
        raise InputError.of(
            "E493",
            f"{both} are names of specs, and of revisions as well",
            f"`refs/heads/{words[0]}` is the branch, `{words[0]}@HEAD` the spec of the last commit",
        )
    if len(words) == 1:
        raise InputError.of(
            "E493",
            f"`{words[0]}` is a spec, and there is nothing to compare it with",
            f"`{words[0]}@HEAD` is the spec of the last commit, beside the one here",
        )
    spec, other = words if meanings[0][0].name else words[::-1]
    raise InputError.of(
        "E493",
        f"`{spec}` is a spec, and `{other}` is a revision",
        f"compare two specs, such as `{spec.partition('@')[0]}@{other}`, or two revisions",
    )


def _meanings(word: str, root: Path, names: Collection[str]) -> Iterator[Wanted]:
    name, at, revision = word.partition("@")
    # `HEAD@{1}`, `@` and `@~1` are git's own.
    if at and re.fullmatch(NAME_PATTERN, name) and revision and not revision.startswith("{"):
        yield Wanted(name, Revision.of(root, revision))
        return
    known = Revision.find(root, word)
    if word in names:
        yield Wanted(word, None)
    if known:
        yield Wanted(None, known)
    if word not in names and not known:
        raise InputError.of(
            "E493",
            f"`{word}` is neither a spec here nor a revision of git",
            did_you_mean(word, names) if names else "name a branch, a tag or a commit",
        )
