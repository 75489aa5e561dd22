"""A new lock: what the old one has fixed stays, and what it has not is found out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
from bertspec.pipeline.lock import Lock
from bertspec.runtime.hardware import hardware_class, has_bf16
from bertspec.runtime.torch_setup import best_device

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Open:
    """What the specs of a project leave to the lock."""

    packages: Sequence[str]
    floating: Sequence[Floating]
    precision: bool

    def names(self) -> list[str]:
        """Of all that `--upgrade` can move."""
        precision = ["precision"] if self.precision else []
        return [*(each.name for each in self.floating), *self.packages, *precision, "hardware"]

    def named(self, name: str) -> frozenset[str]:
        """Those that a user calls so: by the whole name, or a repository of the hub by its id.

        Raises InputError (E216) where there is none.
        """
        wanted = {name, distribution_name(name)}
        found = frozenset(each for each in self.names() if wanted & _called(each))
        if not found:
            own = "`--threads` and `--device` are options of their own"
            advice = sentences(did_you_mean(name, self.names()), own)
            raise InputError.of("E216", f"the lock has no pin `{name}`", advice)
        return found


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
    Raises EnvironmentFault: E502 for a package that is not installed, E515 for what needs the
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
    versions = installed_versions(p for p in left.packages if p not in staying)
    pins |= {each.name: each.ask(root) for each in unknown}

    def stays(name: str) -> bool:
        return old is not None and old.device == device and name not in moving

    precision = old.precision if old and stays("precision") else None
    hardware = old.hardware if old and stays("hardware") else None
    if left.precision and precision is None:
        precision = "bf16" if has_bf16(device) else "fp32"
    return Lock(
        threads=threads or (old.threads if old else available_cores()),
        device=device,
        precision=precision if left.precision else None,
        hardware=hardware or hardware_class(device),
        packages=staying | versions,
        **_sections(left, pins),
    )


def differences(left: Open, lock: Lock, *, threads: int | None, device: Device | None) -> list[str]:
    """What locking again would change, a line each; without looking anything up.

    A package that is not installed here stays, so that the lock can be checked without it.
    """
    lacking = [each.name for each in left.floating if each.name not in lock.pins]
    moved = device is not None and device != lock.device
    if left.precision and (moved or lock.precision is None):
        lacking.append("precision")
    if moved or lock.hardware is None:
        lacking.append("hardware")
    packages = {}
    for package in left.packages:
        version = _installed(package) or lock.packages.get(package)
        if version is None:
            lacking.append(package)
        else:
            packages[package] = version
    new = Lock(
        threads=threads or lock.threads,
        device=device or lock.device,
        precision=lock.precision if left.precision and "precision" not in lacking else None,
        hardware=None if "hardware" in lacking else lock.hardware,
        packages=packages,
        **_sections(left, lock.pins),
    )
    return _lines(lock, new, dict.fromkeys(lacking, "to be looked up"))


def changes(old: Lock, new: Lock) -> list[str]:
    """What another lock has changed, a line each."""
    return _lines(old, new, {})


def _called(name: str) -> set[str]:
    """A pin's name, and the shorter ones of a repository of the hub."""
    kind, _, rest = name.partition("/")
    if kind not in ("models", "datasets"):
        return {name}
    return {name, rest, name.partition("@")[0], rest.partition("@")[0]}


def _sections(left: Open, pins: Mapping[str, str]) -> dict[str, Any]:
    """The pins of what is left open, as the lock has them."""
    found: dict[str, dict[str, str]] = {"hub": {}, "files": {}}
    for each in left.floating:
        if each.name in pins:
            found[each.section][each.name] = pins[each.name]
    return found


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
