"""Why two builds differ: what of their ingredients is not the same."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bertspec.core.manifest import Manifest, digest_artifact, digest_files
from bertspec.core.values import bare, dotted, leaves
from bertspec.pipeline.lock import Hardware
from bertspec.pipeline.stage import MANIFEST, Stage
from bertspec.runtime.hardware import other_class

WHAT = {
    "version": "the version of the stage",
    "packages": "package",
    "threads": "threads",
    "device": "device",
    "params": "param",
}


def causes(
    stages: Iterable[Stage], differing: Stage, here: Path, there: Path, locked: Hardware | None
) -> list[str]:
    """`other_ingredients` of all stages that the rebuild has so far, each once; and the class of
    machines that the lock is of, where this one is of another and the stage that differs computes,
    or one that it reads from.
    """
    stages = list(stages)
    made = [
        s for s in stages if MANIFEST in s.outputs and (there / s.outputs[MANIFEST].path).exists()
    ]
    manifests = [stage.outputs[MANIFEST].path for stage in made]
    found = dict.fromkeys(c for path in manifests for c in other_ingredients(path, here, there))
    read = set(differing.inputs.values())
    near = [s for s in stages if s == differing or read & {o.path for o in s.outputs.values()}]
    computing = next((stage for stage in near if stage.threads is not None), None)
    if locked is not None and computing is not None:
        device = computing.device or "cpu"
        if machine := other_class(locked, device):
            found[f"hardware: {locked} in the lock, {machine} in the rebuild"] = None
    return [*found]


def other_ingredients(manifest: str, here: Path, there: Path) -> Iterator[str]:
    """What the manifest here says that the rebuild's does not, in words.

    Also files, of the artifact or of what it is made from, which are not as they were.
    """
    mine, theirs = Manifest.read(here / manifest), Manifest.read(there / manifest)
    for name, title in WHAT.items():
        one, other = getattr(mine, name), getattr(theirs, name)
        if isinstance(one, Mapping):
            for place, a, b in leaves(one, other):
                yield f"{title} {dotted(place)}: {bare(a)} here, {bare(b)} in the rebuild"
        elif one != other:
            yield f"{title}: {one} here, {other} in the rebuild"
    yield from _changed_files(here / manifest.removesuffix(".manifest.json"), mine, theirs, here)


def _changed_files(artifact: Path, mine: Manifest, theirs: Manifest, here: Path) -> Iterator[str]:
    for path, digests in theirs.sources.items():
        if path in mine.sources and mine.sources[path] != digests:
            yield f"{path} has changed since it was made from it: `dvc repro`"
    for name, digest in digest_files(artifact).items():
        if digest != mine.files.get(name):
            yield f"{(artifact / name).relative_to(here)} is not as its stage wrote it"
    for path, digest in mine.inputs.items():
        if digest_artifact(here / path) != digest:
            yield f"{path} has changed since it was made from it: `dvc repro`"
