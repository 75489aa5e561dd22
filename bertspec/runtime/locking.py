"""A new lock: what the old one has fixed stays, and what it has not is found out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from bertspec.catalog.floating import Floating
from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.names import did_you_mean, sentences
from bertspec.core.packages import (
    available_cores,
    distribution_name,
    installed_versions,
    public_version,
)
from bertspec.pipeline.lock import Hardware, Lock
from bertspec.runtime.hardware import hardware_class, has_bf16
from bertspec.runtime.torch_setup import best_device

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Open:
    """What the specs of a project leave to the lock."""

    packages: Sequence[str]
    floating: Sequence[Floating]
    precision: bool
    is_all: bool = True
    """Whether these are all specs; what others need is kept where they are not."""

    def names(self) -> list[str]:
        """Of all that `--upgrade` can move."""
        precision = ["precision"] if self.precision else []
        return [*(each.name for each in self.floating), *self.packages, *precision, "hardware"]

    def named(self, name: str) -> frozenset[str]:
        """Those that a user calls so: by the whole name, or a repository of the hub by its id.

        Raises InputError (E216) where there is none.
        """
        package = distribution_name(name)
        found = {n for n in self.names() if name in _called(n)} | {package} & {*self.packages}
        if not found:
            own = "`--threads` and `--device` are options of their own"
            advice = sentences(did_you_mean(name, self.names()), own)
            raise InputError.of("E216", f"the lock has no pin `{name}`", advice)
        return frozenset(found)


def resolve(
    root: Path,
    left: Open,
    old: Lock | None,
    *,
    threads: int | None,
    device: Device | None,
    moving: Collection[str] = (),
    packages_stay: bool = False,
    offline: bool = False,
) -> Lock:
    """The lock of what is `left` open.

    What `old` has of hub commits, files, precision and hardware stays, but for the names in
    `moving`. Packages have the installed versions; with `packages_stay`, only new and moving ones.
    The hardware of a GPU that is not here is left open. Raises EnvironmentFault: E502 for a
    package that is not installed, E509 for what only a GPU can tell, E515 for what needs the
    network when `offline`; and what looking up raises.
    """
    device = device or (old.device if old else best_device())
    pins = {n: pin for n, pin in (old.pins if old else {}).items() if n not in moving}
    unknown = [each for each in left.floating if each.name not in pins]
    if unknown and offline:
        names = ", ".join(each.name for each in unknown)
        raise EnvironmentFault.of(
            "E515", f"--offline, and this is to be looked up: {names}", "run it without `--offline`"
        )
    locked = old.packages if old and packages_stay else {}
    staying = {p: locked[p] for p in left.packages if p in locked and p not in moving}
    packages = staying | installed_versions(p for p in left.packages if p not in staying)
    kept = _kept(left, old, device, packages, moving)
    precision, hardware = kept.precision, kept.hardware
    here = device == "cpu" or best_device() == device
    if precision is None and _needs_precision(left, old):
        _require(here, "precision")
        precision = "bf16" if has_bf16(device) else "fp32"
    if hardware is None:
        _require(here or "hardware" not in moving, "hardware")
        hardware = hardware_class(device) if here else None
    pins |= {each.name: each.ask(root) for each in unknown}
    return Lock(
        threads=threads or (old.threads if old else available_cores()),
        device=device,
        precision=precision,
        hardware=hardware,
        packages=dict(sorted({**kept.packages, **packages}.items())),
        **_sections(left, old, pins),
    )


def differences(left: Open, lock: Lock, *, threads: int | None, device: Device | None) -> list[str]:
    """What locking again would change, a line each; without looking anything up.

    A package that is not installed here stays, so that the lock can be checked without it. So does
    the hardware of a GPU that is left open: only where it is can more be said.
    """
    lacking = [each.name for each in left.floating if each.name not in lock.pins]
    found = {p: _installed(p) or lock.packages.get(p) for p in left.packages}
    packages = {p: version for p, version in found.items() if version is not None}
    lacking += [p for p in left.packages if p not in packages]
    new_device = device or lock.device
    kept = _kept(left, lock, new_device, packages)
    if kept.precision is None and _needs_precision(left, lock):
        lacking.append("precision")
    open_gpu = lock.hardware is None and new_device == lock.device == "cuda"
    if kept.hardware is None and not open_gpu:
        lacking.append("hardware")
    new = Lock(
        threads=threads or lock.threads,
        device=new_device,
        precision=kept.precision,
        hardware=kept.hardware,
        packages={**kept.packages, **packages},
        **_sections(left, lock, lock.pins),
    )
    return _lines(lock, new, dict.fromkeys(lacking, "to be looked up"))


@dataclass(frozen=True)
class _Kept:
    """What of an old lock is in the new one."""

    precision: Literal["fp32", "bf16"] | None = None
    hardware: Hardware | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    """Those that no spec at hand uses."""


def _kept(
    left: Open,
    old: Lock | None,
    device: Device,
    packages: Mapping[str, str],
    moving: Collection[str] = (),
) -> _Kept:
    """What stays beside the pins, on a device and with the `packages` of the new lock."""
    if old is None:
        return _Kept()
    others = {} if left.is_all else {p: v for p, v in old.packages.items() if p not in packages}
    if old.device != device:
        return _Kept(packages=others)
    precision, hardware = old.precision, old.hardware
    if "precision" in moving or not _needs_precision(left, old):
        precision = None
    # Another torch may have another BLAS, and a lock for a GPU says which one it is.
    same_torch = packages.get("torch") == old.packages.get("torch")
    whole = hardware is not None and (device == "cpu" or hardware.gpu is not None)
    stays = whole and same_torch and "hardware" not in moving
    return _Kept(precision, hardware if stays else None, others)


def _needs_precision(left: Open, old: Lock | None) -> bool:
    others = not left.is_all and old is not None and old.precision is not None
    return left.precision or others


def _require(is_here: bool, name: str) -> None:  # noqa: FBT001
    if not is_here:
        raise EnvironmentFault.of(
            "E509",
            f"the lock says a GPU, which decides its {name}, and torch sees none here",
            "run it where the GPU is; or write `precision: bf16` or `fp32` in the spec"
            if name == "precision"
            else "run it where the GPU is",
        )


def changes(old: Lock, new: Lock) -> list[str]:
    """What another lock has changed, a line each."""
    return _lines(old, new, {})


def _called(name: str) -> set[str]:
    """A pin's name, and the shorter ones of a repository of the hub."""
    kind, _, rest = name.partition("/")
    if kind not in ("models", "datasets"):
        return {name}
    return {name, rest, name.partition("@")[0], rest.partition("@")[0]}


def _sections(left: Open, old: Lock | None, pins: Mapping[str, str]) -> dict[str, Any]:
    """The pins of what is left open, as the lock has them, beside those of other specs."""
    kept = old is not None and not left.is_all
    found: dict[str, dict[str, str]] = {
        "hub": dict(old.hub) if old and kept else {},
        "files": dict(old.files) if old and kept else {},
    }
    for each in left.floating:
        if each.name in pins:
            found[each.section][each.name] = pins[each.name]
    return {section: dict(sorted(named.items())) for section, named in found.items()}


def _installed(package: str) -> str | None:
    try:
        return public_version(package)
    except metadata.PackageNotFoundError:
        return None


def _lines(old: Lock, new: Lock, lacking: Mapping[str, str]) -> list[str]:
    before, after = _values(old), {**_values(new), **lacking}
    names = [name for name in (before | after) if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}" for name in names]


def _values(lock: Lock) -> dict[str, str]:
    """Everything in a lock by its name."""
    own = {
        "threads": lock.threads, "device": lock.device, "precision": lock.precision,
        "hardware": lock.hardware,
    }  # fmt: skip
    said = {name: str(value) for name, value in own.items() if value is not None}
    return {**said, **lock.pins, **lock.packages}
