"""Typed errors. Each carries its diagnostics and the exit code that the process ends with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from errno import EDQUOT, ENOMEM, ENOSPC
from signal import SIGINT
from typing import ClassVar

from bertspec.core.diagnostics import Diagnostic, Position


class BertspecError(Exception):
    """Base of everything that a user may be shown."""

    exit_code: ClassVar[int] = 4

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = tuple(diagnostics)

    @classmethod
    def of(
        cls, code: str, message: str, help: str = "", position: Position | None = None
    ) -> "BertspecError":
        """An error with a single diagnostic."""
        return cls([Diagnostic(code, message, help, position)])


class CheckFailed(BertspecError):
    """A check ran and said no: a `require` not met, `compile --check` found a difference."""

    exit_code = 1


class InputError(BertspecError):
    """What the user gave is wrong: a spec, a data file, an argument."""

    exit_code = 2


class EnvironmentFault(BertspecError):
    """The machine is at fault: a package missing or of another version, a full disk, no network."""

    exit_code = 3


class InternalError(BertspecError):
    """A defect of bertspec itself."""

    exit_code = 4


@contextmanager
def at_field(*path: str | int) -> Iterator[None]:
    """Errors raised inside are about what is at `path` of a spec; inner paths go on from there."""
    try:
        yield
    except BertspecError as error:
        error.diagnostics = tuple(replace(d, field=(*path, *d.field)) for d in error.diagnostics)
        raise


def at_place(place: str, error: BertspecError) -> BertspecError:
    """The same error, which says of a row of a file where it is."""
    return type(error)([replace(d, message=f"{place}: {d.message}") for d in error.diagnostics])


def with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and one after another what led to each."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def reason(error: BaseException) -> str:
    """First line of what a library's exception says; its type when it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(":") if lines else type(error).__name__


_NO_MEMORY = (
    "out of memory", "can't allocate memory", "cannot allocate memory", "failed to allocate",
    "bad_alloc",
)  # fmt: skip
"""What torch says of it, on the CPU and on GPUs, what onnxruntime does, and C++: in a plain
RuntimeError, or an error of onnxruntime's own.
"""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in Python, a library or the system."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == ENOMEM:
        return True
    of_onnxruntime = type(error).__module__.startswith("onnxruntime.")
    told = of_onnxruntime or isinstance(error, RuntimeError)
    return told and any(m in str(error).lower() for m in _NO_MEMORY)


_DISK_FULL = ("no space left on device", "disk quota exceeded", "iostream error")
"""What libraries say of it that are not written in Python, in errors of their own. The last is of
C++'s streams, with which OpenVINO writes.
"""


def is_disk_full(error: BaseException) -> bool:
    """Whether there was no room for a file, or no more of it was allowed."""
    if getattr(error, "errno", None) in (ENOSPC, EDQUOT):
        return True
    return any(m in str(error).lower() for m in _DISK_FULL)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, where there is more to tell than that nothing is half-written."""

    def __init__(
        self,
        kept: str = "nothing was left half-written, run it again",
        number: int = SIGINT,
    ) -> None:
        super().__init__(kept)
        self.kept = kept
        self.exit_code = 128 + number
        """As shells have it."""
