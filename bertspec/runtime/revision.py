"""A project as a commit of git has it: its files from git, what was built through DVC."""

import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.program import ask


@dataclass(frozen=True)
class Revision:
    """A commit, and the project's folder in the repository that has it."""

    root: Path
    name: str
    """As it was asked for: a branch, a tag, a commit."""
    commit: str

    @classmethod
    def find(cls, root: Path, name: str) -> "Revision | None":
        """The commit of this name; None where git knows none, or there is no git."""
        command = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        answer = ask("git", *command, folder=root)
        return None if answer.code else cls(root, name, answer.out.strip())

    @classmethod
    def of(cls, root: Path, name: str) -> "Revision":
        """Raises InputError (E490) where git knows no such commit."""
        if found := cls.find(root, name):
            return found
        raise _not_given(f"git knows no revision `{name}` here")

    def text(self, path: str) -> str:
        """A file of the project. Raises InputError (E490) for one that git has not."""
        answer = ask("git", "show", f"{self.commit}:./{path}", folder=self.root)
        if answer.code:
            raise _not_given(f"git has no {path} of {self.name}: {answer.problem}")
        return answer.out

    def export(self, folder: Path, wanted: Callable[[str, int], bool]) -> None:
        """Write the project's files, of which `wanted` takes path and bytes, to a new folder.

        Raises InputError (E490) for what git or tar refuses.
        """
        folder.mkdir()
        listed = self._git("ls-tree", "-r", "-z", "--long", self.commit)
        paths = []
        for entry in listed.split("\0"):
            about, _, path = entry.partition("\t")
            size = about.rpartition(" ")[2]
            if size.isdecimal() and wanted(path, int(size)):
                paths.append(path)
        if not paths:  # git would take all
            return
        packed = folder.with_name(f"{folder.name}.tar")
        options = ("--format=tar", f"--output={packed}", self.commit)
        self._git("--literal-pathspecs", "archive", *options, "--", *paths)
        try:
            with tarfile.open(packed) as archive:
                _unpack(archive, folder)
        except tarfile.TarError as error:
            raise _not_given(f"{self.name} cannot be read: {reason(error)}") from None
        packed.unlink()

    def get(self, path: str, target: Path) -> None:
        """Put an output of a stage at `target`, from DVC's cache or remote.

        Raises InputError (E490) where DVC does not have it.
        """
        top = self._git("rev-parse", "--show-toplevel").removesuffix("\n")
        prefix = self._git("rev-parse", "--show-prefix").removesuffix("\n")
        target.parent.mkdir(parents=True, exist_ok=True)
        command = ("dvc", "get", "--rev", self.commit, "--out", str(target), top, prefix + path)
        answer = ask(*command, folder=self.root, seconds=None)
        if answer.code:
            raise InputError.of(
                "E490",
                f"DVC does not give {path} of {self.name}: {answer.problem}",
                "`dvc push` where it was built, so that it is in the remote; or check the revision "
                "out, and `dvc repro`",
            )

    def _git(self, *arguments: str) -> str:
        answer = ask("git", *arguments, folder=self.root)
        if answer.code:
            raise _not_given(f"git does not give {self.name}: {answer.problem}")
        return answer.out


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Into the folder alone. Raises TarError for what leads out of it."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    for member in archive:  # Python before 3.11.4
        parts = Path(member.name).parts
        if not (member.isfile() or member.isdir()) or ".." in parts or member.name.startswith("/"):
            raise tarfile.TarError(
                f"{member.name} is no plain file, for which Python 3.11.4 is needed"
            )
    archive.extractall(folder)  # noqa: S202 - each has been looked at


def _not_given(message: str) -> BertspecError:
    advice = "name a branch, a tag or a commit in which the project has been compiled"
    return InputError.of("E490", message, advice)
