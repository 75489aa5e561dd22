"""Limits of the container: Linux's control groups, version 2, and memory of version 1.

See "Control Group v2" in the kernel's documentation (`memory.max`, `cpu.max`) and cgroups(7). A
limit holds for all groups below it, so the least on the way up counts.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_MOUNT = "sys/fs/cgroup"


def memory_limit(system: Path = Path("/")) -> int | None:
    """Bytes that this process's groups may use; None without a limit, or not on Linux."""
    texts = [*_values(system, "memory.max"), *_values(system, "memory.limit_in_bytes", "memory")]
    return min((int(text) for text in texts if text.isdecimal()), default=None)


def cpu_limit(system: Path = Path("/")) -> float | None:
    """Cores whose time this process's groups may use; None as for memory."""
    limits = []
    for quota, period in (text.split() for text in _values(system, "cpu.max")):
        if quota != "max":
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _values(system: Path, file: str, controller: str = "") -> Iterator[str]:
    """What a file of this process's group says, and of those above it; `controller` for version 1.

    A container may see its own group as the root, so folders that are not there are passed over.
    """
    group = _group(system, controller)
    if group is None:
        return
    for folder in (group, *group.parents):
        with suppress(OSError):
            path = system / _MOUNT / controller / folder.relative_to("/") / file
            yield path.read_text(encoding="ascii").strip()


def _group(system: Path, controller: str) -> PurePosixPath | None:
    """The path of this process's group: each line is `number:controllers:path`."""
    try:
        lines = (system / "proc/self/cgroup").read_bytes().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path.startswith("/") and controller in controllers.split(","):
            return PurePosixPath(path)
    return None
