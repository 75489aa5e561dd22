"""Build a stage from its kind, the lock, and the params that it reads."""

from collections.abc import Iterable, Mapping
from typing import Any

from bertspec.core.errors import InputError
from bertspec.core.manifest import manifest_path
from bertspec.core.packages import distribution_name
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.lock import Lock
from bertspec.pipeline.stage import MANIFEST, Output, OutputKind, Stage


def make_stage(
    kind: str,
    owner: str,
    lock: Lock,
    *,
    origin: str,
    params: Mapping[str, str],
    inputs: Mapping[str, str],
    outputs: Mapping[str, Output],
    packages: Iterable[str] = (),
    sources: Iterable[str] = (),
    execution: Mapping[str, Any] | None = None,
) -> Stage:
    """Stage `<owner>-<kind>`.

    `params` gives for each param of the runner the key of params.yaml that holds it. `packages`
    are those of the kinds that the params name, beside the stage's own. `execution` is how it
    runs, see `Stage`.
    Raises InputError (E207) for a package that the lock has not.
    """
    about = STAGE_KINDS[kind]
    artifacts = [o.path for o in outputs.values() if o.kind is OutputKind.ARTIFACT]
    if artifacts:
        manifest = Output(manifest_path(artifacts[0]), OutputKind.FILE)
        outputs = {**outputs, MANIFEST: manifest}
    return Stage(
        name=f"{owner}-{kind}",
        kind=kind,
        version=about.version,
        origin=origin,
        packages=_locked(lock, {*about.packages, *packages}),
        threads=lock.threads if about.threaded else None,
        device="cuda" if about.on_device and lock.device == "cuda" else None,
        params=params,
        inputs=inputs,
        sources=tuple(sources),
        outputs=outputs,
        execution=execution or {},
    )


def _locked(lock: Lock, packages: Iterable[str]) -> dict[str, str]:
    names = sorted({distribution_name(p) for p in packages})
    missing = [n for n in names if n not in lock.packages]
    if missing:
        raise InputError.of(
            "E207",
            f"bertspec.lock has no version of {', '.join(missing)}",
            "run `bertspec lock`",
        )
    return {n: lock.packages[n] for n in names}
