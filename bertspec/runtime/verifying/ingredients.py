"""Why two builds differ: what of their ingredients is not the same."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bertspec.core.manifest import Manifest, digest_artifact, digest_files
from bertspec.core.values import bare, dotted, leaves
from bertspec.pipeline.stage import MANIFEST, Stage

WHAT = {
    "version": "the version of the stage",
    "packages": "package",
    "threads": "threads",
    "device": "device",
    "params": "param",
}


def causes(stages: Iterable[Stage], here: Path, there: Path) -> list[str]:
    """`other_ingredients` of all stages that the rebuild has so far, each once."""
    manifests = [stage.outputs[MANIFEST].path for stage in stages if MANIFEST in stage.outputs]
    known = [path for path in manifests if (there / path).exists()]
    return [*dict.fromkeys(c for path in known for c in other_ingredients(path, here, there))]


def other_ingredients(manifest: str, here: Path, there: Path) -> Iterator[str]:
    """What the manifest here says that the rebuild's does not, in words.

    Also files, of the artifact or of what it is made from, which are not as a stage wrote them.
    """
    mine, theirs = Manifest.read(here / manifest), Manifest.read(there / manifest)
    for name, title in WHAT.items():
        one, other = getattr(mine, name), getattr(theirs, name)
        if isinstance(one, Mapping):
            for place, a, b in leaves(one, other):
                yield f"{title} {dotted(place)}: {bare(a)} here, {bare(b)} in the rebuild"
        elif one != other:
            yield f"{title}: {one} here, {other} in the rebuild"
    artifact = here / manifest.removesuffix(".manifest.json")
    for name, digest in digest_files(artifact).items():
        if digest != mine.files.get(name):
            yield f"{(artifact / name).relative_to(here)} is not as its stage wrote it"
    for path, digest in mine.inputs.items():
        if digest_artifact(here / path) != digest:
            yield f"{path} has changed since it was made from it: `dvc repro`"
