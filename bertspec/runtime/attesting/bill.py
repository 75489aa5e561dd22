"""Whether sbom.cdx.json lists the packages of the lock and the models that are there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError

from bertspec.pipeline.layout import LOCK_FILE


class _Hash(BaseModel):
    content: str


class _File(BaseModel):
    name: str
    hashes: list[_Hash]


class _Trained(BaseModel):
    components: list[_File]


class _Metadata(BaseModel):
    component: _Trained


class _Package(BaseModel):
    name: str
    version: str
    purl: str


class _Bom(BaseModel):
    """What we read of CycloneDX, which has much more."""

    metadata: _Metadata
    components: list[_Package]


def other_parts(path: Path, packages: Mapping[str, str], files: Mapping[str, str]) -> Iterator[str]:
    """What of the bill at `path` is not so.

    `packages` are those of the lock, and `files` those of the model: path -> SHA-256.
    """
    try:
        bom = _Bom.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        yield f"{path} is missing"
        return
    except ValidationError as error:
        yield f"{path} cannot be read: {error.errors()[0]['msg']}"
        return
    said = {each.name: each.version for each in bom.components}
    for name in sorted({*said, *packages}):
        one, other = said.get(name, "none"), packages.get(name, "none")
        if one != other:
            yield f"{path.name} has {name} {one}, and {LOCK_FILE} {other}"
    for each in bom.components:
        if unquote(each.purl) != f"pkg:pypi/{each.name}@{each.version}":
            yield f"{path.name} calls {each.name} {each.version} {each.purl}"
    if len(said) != len(bom.components):
        yield f"{path.name} has a package twice"
    for file in bom.metadata.component.components:
        if [each.content for each in file.hashes] != [files.get(file.name)]:
            yield f"{path.name} is of another {file.name}"
