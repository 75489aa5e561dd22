"""Where on a hub a model goes."""

import re
from dataclasses import dataclass

from bertspec.core.errors import InputError

_OWNER_AND_NAME = re.compile(
    r"(?!.*(--|\.\.|\.git$))(\b[\w.-]{1,96}\b)/(\b[\w.-]{1,96}\b)", re.ASCII
)

_BRANCH = re.compile(
    r"(?!.*(\.\.|//|@\{|/\.|\.lock(/|$)))(?![./-])[^\x00-\x20\x7f~^:?*\[\\]+(?<![./])"
)
"""What git takes as the name of a branch, but for rare kinds."""

PULL_REQUEST = re.compile(r"refs/pr/\d+")
"""The branch of one that is open."""

MAIN = "main"


@dataclass(frozen=True)
class Target:
    """Where on the hub a model goes, and how. Raises InputError (E471) for a name of none."""

    repo: str
    private: bool = False
    """Of a new repository; one that is there must be private then."""
    revision: str = MAIN
    create_pr: bool = False
    message: str = ""

    def __post_init__(self) -> None:
        if not _OWNER_AND_NAME.fullmatch(self.repo):
            raise InputError.of(
                "E471",
                f"`{self.repo}` is no name on the hub",
                "write OWNER/NAME of letters, digits, `-`, `_` and `.`, such as `acme/sentiment`",
            )
        if not _BRANCH.fullmatch(self.revision):
            raise InputError.of(
                "E471", f"`{self.revision}` is no name of a branch", "write one such as `v2`"
            )
