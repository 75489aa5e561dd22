"""`bertspec attest`: what it signs cryptography alone takes, and what is changed is refused."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bertspec.runtime.release.statement import Statement
from bertspec.runtime.seal import Seal
from tests.projects import Project

TYPE = "application/vnd.in-toto+json"
PASSWORD = "open sesame"
FILES = (
    "README.md", "bertspec.lock", "bundle.json", "manifest.json", "model.onnx", "model.pt",
    "provenance.json", "sbom.cdx.json", "spec.yaml", "tokenizer.json",
)  # fmt: skip


def _write_keys(
    folder: Path,
    name: str,
    key: PrivateKeyTypes,
    encryption: KeySerializationEncryption | None = None,
) -> tuple[str, str]:
    """Paths of the private and the public key."""
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return str(private), str(public)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("keys")
    return _write_keys(folder, "ed25519", ed25519.Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def exported(built: Project, tmp_path_factory: pytest.TempPathFactory, keys: Any) -> Project:
    """A project with a signed model and nothing else; for reading only."""
    project = Project(tmp_path_factory.mktemp("signed"))
    (project.root / "models/tiny").mkdir(parents=True)
    shutil.copytree(built.root / "models/tiny/export", project.root / "models/tiny/export")
    said = project.call("attest", "sign", "tiny", "--key", keys[0]).stdout
    assert said.startswith("models/tiny/export.provenance.dsse.json: signed by the key ")
    return project


@pytest.fixture
def copied(exported: Project, tmp_path: Path) -> Project:
    return Project(Path(shutil.copytree(exported.root, tmp_path / "copy")))


def _folder(project: Project) -> Path:
    return project.root / "models/tiny/export"


def _signature(project: Project) -> Path:
    return project.root / "models/tiny/export.provenance.dsse.json"


def _verified(project: Project, *arguments: str, code: int = 0) -> dict[str, bool | None]:
    """What holds, by name of the check."""
    said = project.call("attest", "verify", "tiny", *arguments, "--format", "json", code=code)
    if code:
        assert "error[E4" in said.stderr
    return {each["name"]: each["holds"] for each in json.loads(said.stdout)["checks"]}


def _pae(payload: bytes) -> bytes:
    """What a DSSE signature is of, from the protocol's own words."""
    return b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)


def test_all_of_a_signed_model_holds(exported: Project, keys: tuple[str, str]) -> None:
    names = ("files", "statement", "sbom", "materials", "signature")
    assert _verified(exported, "--key", keys[1]) == dict.fromkeys(names, True)
    assert _verified(exported) == dict.fromkeys(names, True) | {"signature": None}
    said = exported.call("attest", "verify", "tiny", "--key", keys[1]).stdout.splitlines()
    assert [line.split()[:2] for line in said] == [[name, "holds:"] for name in names]
    assert "9 files" in said[0]


@pytest.mark.parametrize(
    ("key", "check"),
    [
        (ed25519.Ed25519PrivateKey.generate(), lambda k, s, p: k.verify(s, p)),
        (
            ec.generate_private_key(ec.SECP256R1()),
            lambda k, s, p: k.verify(s, p, ec.ECDSA(SHA256())),
        ),
        (
            ec.generate_private_key(ec.SECP384R1()),
            lambda k, s, p: k.verify(s, p, ec.ECDSA(SHA384())),
        ),
    ],
    ids=["ed25519", "p256", "p384"],
)
def test_cryptography_alone_takes_the_signature(
    copied: Project, tmp_path: Path, key: Any, check: Callable[[Any, bytes, bytes], None]
) -> None:
    private, public = _write_keys(tmp_path, "key", key)
    copied.call("attest", "sign", str(_folder(copied)), "--key", private)
    envelope = json.loads(_signature(copied).read_text())
    payload = base64.b64decode(envelope["payload"])
    assert envelope["payloadType"] == TYPE
    assert payload == (_folder(copied) / "provenance.json").read_bytes()
    (signature,) = envelope["signatures"]
    check(key.public_key(), base64.b64decode(signature["sig"]), _pae(payload))
    assert _verified(copied, "--key", public)["signature"]


def test_a_signature_of_another_program_is_taken(copied: Project, keys: tuple[str, str]) -> None:
    """DSSE asks for no name of the key, and lets several sign."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(Path(keys[0]).read_bytes(), None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    payload = (_folder(copied) / "provenance.json").read_bytes()
    others = [{"sig": base64.b64encode(bytes(64)).decode()}] * 2
    own = {"sig": base64.b64encode(key.sign(_pae(payload))).decode()}
    envelope = {
        "payload": base64.b64encode(payload).decode(), "payloadType": TYPE,
        "signatures": [*others, own],
    }  # fmt: skip
    path = copied.root / "other.json"
    path.write_text(json.dumps(envelope))
    assert _verified(copied, "--key", keys[1], "--signature", str(path))["signature"]
    path.write_text(json.dumps(envelope | {"signatures": others}))
    found = _verified(copied, "--key", keys[1], "--signature", str(path), code=1)
    assert found["signature"] is False
    assert found["materials"] is True


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["changed", "removed"])
def test_a_file_that_is_not_as_exported_is_refused(
    copied: Project, keys: tuple[str, str], name: str, change: str
) -> None:
    path = _folder(copied) / name
    if change == "removed":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = _verified(copied, "--key", keys[1], code=1)
    assert found["files"] is False
    assert found["signature"] is (name != "provenance.json")


def test_a_file_more_is_refused(copied: Project) -> None:
    (_folder(copied) / "notes.txt").write_text("mine")
    assert _verified(copied, code=1)["files"] is False


def _sealed(folder: Path) -> None:
    """As one does who can write the folder, and knows how the manifest is made."""
    Seal.of(folder).write()


def _edit_statement(folder: Path, edit: Callable[[Any], None]) -> None:
    path = folder / "provenance.json"
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    _sealed(folder)


def _restated(folder: Path) -> None:
    """With the statement's digests of the files as they are."""
    files = dict(Seal.of(folder).files)
    del files["provenance.json"]

    def edit(values: Any) -> None:
        values["subject"] = [{"name": n, "digest": {"sha256": files[n]}} for n in sorted(files)]
        lock = {"name": "bertspec.lock", "digest": {"sha256": files["bertspec.lock"]}}
        values["predicate"]["buildDefinition"]["resolvedDependencies"][0] = lock

    _edit_statement(folder, edit)


def _about(values: Any) -> Any:
    return values["predicate"]["buildDefinition"]


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
        _restated(folder)

    return change


STATEMENTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "no subject": (lambda v: v["subject"].pop(), "statement"),
    "another subject": (lambda v: v["subject"][0]["digest"].update(sha256="0" * 64), "statement"),
    "a subject twice": (lambda v: v["subject"].append(v["subject"][0]), "statement"),
    "a subject more": (lambda v: v["subject"].append({"name": "x", "digest": {}}), "statement"),
    "another type": (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "statement"),
    "another key": (lambda v: v.update(also=1), "statement"),
    "no predicate": (lambda v: v.pop("predicate"), "statement"),
    "another build": (lambda v: _about(v).update(buildType="urn:x:y"), "statement"),
    "no stages": (lambda v: _about(v)["internalParameters"].update(stages=[]), "statement"),
    "another seed": (
        lambda v: _about(v)["externalParameters"]["spec"]["training"].update(seed=14),
        "materials",
    ),
    "no spec": (lambda v: _about(v)["externalParameters"].update(spec={}), "materials"),
    "another package": (
        lambda v: _about(v)["internalParameters"]["stages"][-1]["packages"].update(numpy="1.0"),
        "materials",
    ),
    "other threads": (
        lambda v: _about(v)["internalParameters"]["stages"][-1].update(threads=7),
        "materials",
    ),
    "another lock": (
        lambda v: _about(v)["resolvedDependencies"][0]["digest"].update(sha256="0" * 64),
        "materials",
    ),
    "no data": (lambda v: _about(v)["resolvedDependencies"].pop(3), "materials"),
    "no file of the user's own": (
        lambda v: _about(v)["resolvedDependencies"].pop(2),
        "materials",
    ),
    "a file in the place of data": (
        lambda v: _about(v)["resolvedDependencies"].__setitem__(
            3, _about(v)["resolvedDependencies"][2]
        ),
        "materials",
    ),
    "no base": (lambda v: _about(v)["resolvedDependencies"].pop(4), "materials"),
    "other data": (
        lambda v: _about(v)["resolvedDependencies"][3].update(name="data/others/raw"),
        "materials",
    ),
    "a material more": (
        lambda v: _about(v)["resolvedDependencies"].append({"uri": "hf://acme/tiny@1"}),
        "materials",
    ),
    "another builder": (
        lambda v: v["predicate"]["runDetails"]["builder"].update(id="urn:x:y"),
        "materials",
    ),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_another_statement_is_refused_even_where_the_manifest_has_its_digest(
    copied: Project, keys: tuple[str, str], case: str
) -> None:
    edit, failing = STATEMENTS[case]
    _edit_statement(_folder(copied), lambda values: (edit(values), None)[1])
    found = _verified(copied, "--key", keys[1], code=1)
    assert found["files"] is True
    assert found[failing] is False
    assert found["signature"] is False


def test_a_key_that_is_there_twice_is_refused(copied: Project) -> None:
    """Of which another program may read the first one."""
    path = _folder(copied) / "provenance.json"
    text = path.read_text()
    path.write_text(text.replace('"_type":', '"_type": "x",\n  "_type":', 1))
    _sealed(_folder(copied))
    assert _verified(copied, code=1)["statement"] is False
    Statement.model_validate_json(path.read_bytes())


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        (_replace("spec.yaml", "seed: 13", "seed: 14"), "materials"),
        (_replace("bertspec.lock", "threads: 1", "threads: 2"), "materials"),
        (_replace("bertspec.lock", "numpy: 2", "numpy: 1"), "materials"),
        (_replace("sbom.cdx.json", '"name": "numpy"', '"name": "bumpy"'), "sbom"),
        (_replace("sbom.cdx.json", '"purl": "pkg:pypi/numpy', '"purl": "pkg:pypi/bumpy'), "sbom"),
        (_replace("sbom.cdx.json", '"content": "', '"content": "0'), "sbom"),
        (_replace("sbom.cdx.json", '"components"', '"compnents"'), "sbom"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(
    copied: Project, keys: tuple[str, str], change: Callable[[Path], None], failing: str
) -> None:
    """All digests are right, so that only what the files say tells of it."""
    change(_folder(copied))
    found = _verified(copied, "--key", keys[1], code=1)
    assert [name for name, holds in found.items() if holds is False] == [failing, "signature"]
    assert "error[E4" in copied.call("bundle", "verify", "tiny", code=1).stderr


def test_another_key_is_refused_and_so_is_no_signature(
    copied: Project, tmp_path: Path, keys: tuple[str, str]
) -> None:
    _, other = _write_keys(tmp_path, "other", ed25519.Ed25519PrivateKey.generate())
    _, rsa_key = _write_keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    for public in (other, rsa_key):
        assert _verified(copied, "--key", public, code=1)["signature"] is False
    path = _signature(copied)
    good = json.loads(path.read_text())
    for broken in (
        "", "[]", "{}", json.dumps(good | {"payload": "!"}), json.dumps(good | {"signatures": 3}),
        json.dumps(good | {"payloadType": "text/plain"}), json.dumps(good | {"signatures": []}),
        json.dumps(good | {"signatures": [{"sig": "!"}]}), json.dumps(good | {"signatures": ["x"]}),
        json.dumps(good | {"payload": base64.b64encode(b"{}").decode()}),
    ):  # fmt: skip
        path.write_text(broken)
        assert _verified(copied, "--key", keys[1], code=1)["signature"] is False
    path.unlink()
    said = copied.call("attest", "verify", "tiny", "--key", keys[1], code=1)
    assert "there is no signature" in said.stderr


def test_a_signature_in_a_folder_from_a_hub_is_found(
    copied: Project, keys: tuple[str, str]
) -> None:
    _signature(copied).rename(_folder(copied) / "provenance.dsse.json")
    assert all(_verified(copied, "--key", keys[1]).values())


def test_what_does_not_hold_is_not_signed(copied: Project, keys: tuple[str, str]) -> None:
    before = _signature(copied).read_bytes()
    (_folder(copied) / "README.md").write_text("# Mine\n")
    said = copied.call("attest", "sign", "tiny", "--key", keys[0], code=1)
    assert "error[E457]" in said.stderr
    assert _signature(copied).read_bytes() == before


def test_the_password_of_a_key_is_that_of_the_environment(
    copied: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = _write_keys(
        tmp_path, "locked", ed25519.Ed25519PrivateKey.generate(),
        BestAvailableEncryption(PASSWORD.encode()),
    )  # fmt: skip
    sign = ("attest", "sign", "tiny", "--key", private, "--output", "there.json")
    assert "error[E463]" in copied.call(*sign, code=2).stderr
    monkeypatch.setenv("BERTSPEC_KEY_PASSWORD", "guessed")
    said = copied.call(*sign, code=2).stderr
    assert "error[E463]" in said
    assert "guessed" not in said
    assert not (copied.root / "there.json").exists()
    monkeypatch.setenv("BERTSPEC_KEY_PASSWORD", PASSWORD)
    assert PASSWORD not in copied.call(*sign).stdout
    assert _verified(copied, "--key", public, "--signature", "there.json")["signature"]


@pytest.mark.parametrize("content", [b"", b"\0", b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_without_a_key_is_wrong_input(
    copied: Project, tmp_path: Path, keys: tuple[str, str], content: bytes
) -> None:
    path = tmp_path / "no.pem"
    path.write_bytes(content)
    assert "error[E462]" in copied.call("attest", "sign", "tiny", "--key", str(path), code=2).stderr
    for wrong in (str(path), keys[0]):
        assert (
            "error[E462]" in copied.call("attest", "verify", "tiny", "--key", wrong, code=2).stderr
        )
    assert "error[E462]" in copied.call("attest", "sign", "tiny", "--key", keys[1], code=2).stderr


def test_a_curve_that_nobody_signs_with_is_wrong_input(copied: Project, tmp_path: Path) -> None:
    private, public = _write_keys(tmp_path, "k", ec.generate_private_key(ec.SECP256K1()))
    for command in (["sign", "tiny", "--key", private], ["verify", "tiny", "--key", public]):
        assert "error[E462]" in copied.call("attest", *command, code=2).stderr


def test_what_is_no_model_is_wrong_input(copied: Project, keys: tuple[str, str]) -> None:
    (copied.root / "empty").mkdir()
    for name in ("nothing", "empty"):
        assert "error[E451]" in copied.call("attest", "verify", name, code=2).stderr
    signature = str(_signature(copied))
    copied.call("attest", "verify", "tiny", "--signature", signature, code=2)
    copied.call("attest", "verify", "tiny", "--key", "nowhere.pem", code=2)
