"""sbom.cdx.json of an exported model: its files and the packages that made it, as CycloneDX 1.6."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from bertspec.core.digest import canonical_json

FILE = "sbom.cdx.json"


def sbom(name: str, packages: Mapping[str, str], models: Mapping[str, str]) -> str:
    """The text of FILE for the model of a spec; equal for equal arguments.

    `packages` are those of the lock, and `models` the exported files: path -> SHA-256. There are
    no licences: two wheels of one version may say other ones, and the lock has the version alone.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL

    files = [
        Component(
            type=ComponentType.FILE,
            name=path,
            bom_ref=f"file:{path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        )
        for path, sha256 in models.items()
    ]
    model = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL, name=name, bom_ref="model", components=files
    )
    purls = [PackageURL("pypi", None, package, version) for package, version in packages.items()]
    used = [
        Component(name=purl.name, version=purl.version, purl=purl, bom_ref=str(purl))
        for purl in purls
    ]
    bom = Bom(components=used, metadata=BomMetaData(component=model))
    bom.register_dependency(model, used)
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    values: dict[str, Any] = json.loads(outputter.output_as_string())
    # The library writes the time of day and a random number.
    del values["metadata"]["timestamp"], values["serialNumber"]
    values["serialNumber"] = uuid5(NAMESPACE_URL, canonical_json(values)).urn
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
