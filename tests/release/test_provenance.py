"""provenance.json and sbom.cdx.json: what independent readers make of them, and equal bytes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import ComponentType
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from bertspec.core.manifest import Manifest, digest_artifact
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import read_lock
from bertspec.runtime.release.origin import Origin
from bertspec.runtime.release.statement import statement_of
from tests.compiler import test_compile as fields
from tests.projects import SPEC, Project
from tests.release.inputs import compiled, origin_of, write_made
from tests.stages import run_kinds

SHA = "0123456789abcdef0123456789abcdef01234567"
DIR_HASH = "find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum"
"""As in-toto's spec of digests has it."""


def _folder(project: Project) -> Path:
    return project.root / "models/tiny/export"


@pytest.fixture(scope="module")
def made(built: Project) -> Any:
    return json.loads((_folder(built) / "provenance.json").read_text())


def _statement(project: Project) -> Any:
    """The statement of a spec that is not built, whose files have made-up digests."""
    files = dict.fromkeys(("bertspec.lock", "model.onnx"), "0" * 64)
    return json.loads(statement_of(origin_of(compiled(project.root)), files).to_text())


def _materials(statement: Any) -> list[Any]:
    found: list[Any] = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    return found


def test_in_totos_own_reader_takes_the_statement(built: Project, made: Any) -> None:
    text = (_folder(built) / "provenance.json").read_text()
    # It refuses keys that the specification has not.
    parsed = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    assert parsed.predicate_type == "https://slsa.dev/provenance/v1"
    provenance = json_format.ParseDict(made["predicate"], provenance_pb2.Provenance())
    assert provenance.build_definition.build_type == "urn:bertspec:export:v1"
    assert provenance.run_details.builder.version["bertspec"] == "0.1.0"
    assert not provenance.run_details.HasField("metadata"), "it would have the time of day"


def test_sha256sum_says_of_every_file_what_the_statement_does(built: Project, made: Any) -> None:
    names = {path.name for path in _folder(built).iterdir()} - {"provenance.json", "manifest.json"}
    lines = {f"{each['digest']['sha256']}  {each['name']}" for each in made["subject"]}
    said = subprocess.run(
        ["sha256sum", *names], cwd=_folder(built), capture_output=True, text=True, check=True
    ).stdout
    assert lines == set(said.splitlines())


def test_materials_are_what_the_model_was_made_from(built: Project, made: Any) -> None:
    about = made["predicate"]["buildDefinition"]
    lock, itself, reviews, raw, base = about["resolvedDependencies"]
    content = (_folder(built) / "bertspec.lock").read_bytes()
    assert lock == {
        "name": "bertspec.lock", "digest": {"sha256": hashlib.sha256(content).hexdigest()},
    }  # fmt: skip
    assert itself == {"name": "bertspec", "uri": "pkg:pypi/bertspec@0.1.0"}
    content = (built.root / "data/reviews.csv").read_bytes()
    assert reviews == {
        "name": "data/reviews.csv", "digest": {"sha256": hashlib.sha256(content).hexdigest()},
    }  # fmt: skip
    artifacts = [raw, base, *made["predicate"]["runDetails"]["byproducts"]]
    names = [each["name"] for each in artifacts]
    assert names[0] == "data/reviews/raw"
    assert names[1].startswith("models/bases/")
    assert names[-2:] == ["models/tiny/trained", "models/tiny/evaluation"]
    for each in artifacts:
        place = built.root / each["name"]
        said = subprocess.run(
            ["sh", "-c", DIR_HASH], cwd=place, capture_output=True, text=True, check=True
        ).stdout
        assert each["digest"] == {
            "dirHash": said.split()[0], "bertspecFiles": digest_artifact(place),
        }  # fmt: skip
    assert about["externalParameters"] == {
        "spec": load_plain((_folder(built) / "spec.yaml").read_text())
    }
    records = load_plain((built.root / "params.yaml").read_text())["bertspec"]["stages"]
    for stage in about["internalParameters"]["stages"]:
        record = records[stage.pop("stage")]
        assert stage == {key: record[key] for key in stage}
        assert {"version", "packages"} <= stage.keys()


def test_what_is_elsewhere_is_named_with_its_commit_or_digest(project: Project) -> None:
    spec = fields._copy(SPEC)
    spec["model"]["base"] = {"type": "hub", "id": "acme/tiny", "revision": SHA}
    files = {"train": {"url": "https://example.org/reviews.csv", "sha256": "a" * 64}}
    parts = [
        {"source": {"type": "hub", "id": "acme/films", "revision": SHA[::-1]}},
        {"source": {"type": "url", "files": files, "format": {"type": "csv"}}},
    ]
    spec["data"]["source"] = {"type": "joined", "parts": parts}
    project.write_spec(spec)
    assert [each for each in _materials(_statement(project)) if "uri" in each] == [
        {"uri": f"hf://datasets/acme/films@{SHA[::-1]}", "digest": {"gitCommit": SHA[::-1]}},
        {"uri": "https://example.org/reviews.csv", "digest": {"sha256": "a" * 64}},
        {"uri": f"hf://acme/tiny@{SHA}", "digest": {"gitCommit": SHA}},
        {"name": "bertspec", "uri": _materials(_statement(project))[4]["uri"]},
    ]


def test_every_file_of_the_users_own_is_a_material(built: Project, tmp_path: Path) -> None:
    """Of each part of a joined source, of folders, and of a base that is a folder."""
    project = Project.create(tmp_path / "project")
    (base,) = (path for path in (built.root / "models/bases").iterdir() if path.is_dir())
    shutil.copytree(base, project.root / "mine/base")
    for label in ("good", "bad"):
        folder = project.root / "data/notes" / label
        folder.mkdir(parents=True)
        (folder / "1.txt").write_text(f"a {label} play")
    row = '{"text": "a poor play", "label": "bad"}\n'
    for name in ("more.jsonl", "others/1.jsonl", "others/2.jsonl"):
        (project.root / "data" / name).parent.mkdir(exist_ok=True)
        (project.root / "data" / name).write_text(row)
    parts = [
        {"source": {"type": "folder", "folders": {"train": "data/notes"}}},
        {"source": {"type": "jsonl", "files": {"train": "data/others/*.jsonl"}}},
        {"source": {"type": "jsonl", "files": {"train": "data/more.jsonl"}}},
    ]
    spec = fields._copy(SPEC)
    spec["data"] |= {"source": {"type": "joined", "parts": parts}}
    spec["data"] |= {"columns": {"text": "text", "label": "label"}}
    spec["model"]["base"] = {"type": "local", "path": "mine/base"}
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "base")
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(project.root.rglob("*.manifest.json")):
        found |= Manifest.read(path).sources
    assert [*found] == ["data/more.jsonl", "data/notes", "data/others", "mine/base"]
    for name, digests in found.items():
        place = project.root / name
        program = ["sh", "-c", DIR_HASH] if place.is_dir() else ["sha256sum", str(place)]
        folder = place if place.is_dir() else project.root
        said = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=True)
        kind = "dirHash" if place.is_dir() else "sha256"
        assert digests == {kind: said.stdout.split()[0]}
    named = [each.get("name") for each in _materials(_statement(project))]
    assert named[2:6] == [*found]


def test_a_model_of_another_spec_is_a_material(project: Project) -> None:
    spec = fields._copy(SPEC) | {"name": "large", "export": []}
    project.write_spec(spec, "large.json")
    training = {"distillation": {"teacher": {"type": "spec", "name": "large"}}}
    project.write_spec(fields._copy(SPEC) | {"training": training})
    teacher = _materials(_statement(project))[-1]
    assert teacher["name"] == "models/large/trained"
    assert teacher["digest"].keys() == {"bertspecFiles"}


def test_cyclonedx_takes_the_bill_of_materials(built: Project) -> None:
    text = (_folder(built) / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    values = json.loads(text)
    assert values["serialNumber"].startswith("urn:uuid:")
    assert "timestamp" not in values["metadata"]
    bom = Bom.from_json(values)  # type: ignore[attr-defined]
    lock = read_lock(_folder(built))
    assert lock is not None
    assert {each.name: each.version for each in bom.components} == lock.packages
    assert {str(each.purl) for each in bom.components} == {
        f"pkg:pypi/{name}@{version}" for name, version in lock.packages.items()
    }
    model = bom.metadata.component
    assert (model.name, model.type) == ("tiny", ComponentType.MACHINE_LEARNING_MODEL)
    for file in model.components:
        content = (_folder(built) / file.name).read_bytes()
        (sha256,) = file.hashes
        assert sha256.content == hashlib.sha256(content).hexdigest()
    assert {file.name for file in model.components} == {"model.onnx", "model.pt"}


def test_the_same_bytes_in_another_locale_time_zone_and_order_of_sets(
    built: Project, tmp_path: Path
) -> None:
    """test_conformance.py has another build of each task."""
    code = (
        "import sys; from pathlib import Path; from tests.projects import Project;"
        "from tests.release.inputs import described;"
        "described(Project(Path(sys.argv[1])), *map(Path, sys.argv[2:]))"
    )
    places = map(str, (built.root, _folder(built), tmp_path / "export"))
    program = [sys.executable, "-c", code, *places]
    environment = os.environ | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    environment |= {"USER": "somebody", "HOSTNAME": "somewhere"}
    subprocess.run(program, check=True, env=environment, cwd=Path(__file__).parents[2])
    for name in ("provenance.json", "sbom.cdx.json", "manifest.json"):
        assert (tmp_path / "export" / name).read_bytes() == (_folder(built) / name).read_bytes()


def test_other_rows_are_another_material_and_nothing_else(tmp_path: Path) -> None:
    made = write_made(tmp_path)
    files = {"bertspec.lock": "0" * 64}
    before = json.loads(statement_of(Origin.read(made.context), files).to_text())
    path = made.context.inputs["raw_manifest"]
    manifest = json.loads(path.read_text())
    manifest["files"]["file"] = "f" * 64
    path.write_text(json.dumps(manifest))
    after = json.loads(statement_of(Origin.read(made.context), files).to_text())
    assert before != after
    for each in (before, after):
        raw = _materials(each)[3]
        assert raw.pop("name") == "data/reviews/raw"
        raw.clear()
    assert before == after
