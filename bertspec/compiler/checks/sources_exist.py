"""E110: a file that a spec names is there, or another stage is to make it."""

from collections.abc import Iterator
from pathlib import Path

from bertspec.compiler.checks.finding import warning
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.names import did_you_mean
from bertspec.spec.load import LoadedSpec


def check(loaded: LoadedSpec, root: Path) -> Iterator[Diagnostic]:
    spec = loaded.spec
    for place, names in (
        (("data", "source"), spec.data.source.dependencies()),
        (("model", "base"), spec.model.base.dependencies()),
    ):
        for name in names:
            if not (root / name).exists():
                near = [p.name for p in (root / name).parent.glob("*")]
                advice = did_you_mean(Path(name).name, near) if near else "check the path"
                yield warning("E110", loaded, place, f"there is no {name} yet", advice)
