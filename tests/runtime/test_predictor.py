"""`bertspec.load`: what Python code does with an exported model, and what it needs for that."""

import itertools
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import bertspec
from bertspec.core.errors import InputError
from bertspec.runtime import at_once
from bertspec.runtime.predict import Predictor
from bertspec.runtime.seal import Seal
from tests.model.models import edit_json
from tests.projects import Project

ABOUT = ("spec.yaml", "bertspec.lock", "provenance.json", "sbom.cdx.json")
"""What a model says of itself, and nothing reads to predict."""

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def predictor(built: Project) -> Predictor:
    return bertspec.load(str(built.root / "models/tiny/export"))


def test_inputs_are_texts_or_fields(predictor: Predictor) -> None:
    assert list(predictor.fields) == ["text"]
    texts = ["a warm film", "", "we hated it"]
    found = list(predictor.predict(texts))
    assert found == list(predictor.predict({"text": text} for text in texts))
    assert [set(answer) for answer in found] == [{"label", "probabilities"}] * 3
    assert list(predictor.predict([])) == []


def test_a_folder_that_is_no_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no bundle\.json"):
        bertspec.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("model.onnx", lambda text: text[: len(text) // 2], "E457"),
        ("tokenizer.json", lambda text: text.replace(b"film", b"flim"), "E457"),
        ("manifest.json", lambda text: text.replace(b"model.onnx", b"other.onnx"), "E457"),
        ("manifest.json", lambda text: text[:-5], "E457"),
        ("manifest.json", lambda text: b"[" * 10**6 + text, "E457"),
        ("manifest.json", lambda text: text + b"\xff", "E457"),
        ("bundle.json", lambda text: text.replace(b'"version": 2', b'"version": 3'), "E451"),
    ],
)
def test_a_model_is_loaded_as_it_was_exported_or_not_at_all(
    built: Project, tmp_path: Path, name: str, change: Callable[[bytes], bytes], code: str
) -> None:
    """The tokenizer is one that would do, and gives other answers."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(change(before))
    assert (folder / name).read_bytes() != before
    with pytest.raises(InputError) as caught:
        bertspec.load(folder)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("name", "content", "is_loaded"),
    [
        ("README.md", b"changed", True),
        ("model.pt", b"changed", True),
        ("more.txt", b"another", True),
        *((name, None, True) for name in ABOUT),
        *((name, b"changed", False) for name in ABOUT),
    ],
)
def test_what_is_not_checked_when_it_is_loaded_verify_tells(
    built: Project, tmp_path: Path, name: str, content: bytes | None, is_loaded: bool
) -> None:
    """As docs/exports.md says."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)
    with nullcontext() if is_loaded else pytest.raises(InputError, match=f"{name} is not as it"):
        bertspec.load(folder)
    said = built.bertspec("bundle", "verify", str(folder), code=1)
    assert said.count("error[") == said.count("error[E457]: ") == said.count(name) == 1


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda found: {**found, "algorithm": "blake3"}, "E451", "says `algorithm`, as a newer"),
        (lambda found: {"files": [*found["files"]]}, "E457", "has no valid files"),
        (lambda found: [found], "E457", "has no valid files"),
    ],
)
def test_the_manifest_of_a_newer_bertspec_is_told_as_such(
    built: Project, tmp_path: Path, change: Callable[[Any], Any], code: str, words: str
) -> None:
    """To get it again would not help; of a broken one it would."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(change(json.loads(manifest.read_text()))))
    with pytest.raises(InputError, match=words) as caught:
        bertspec.load(folder)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert ("use the bertspec that made it" in found.help) is (code == "E451")


@pytest.mark.parametrize("ids_fit", [True, False])
def test_the_tokenizer_of_another_model_is_refused(
    built: Project, tmp_path: Path, ids_fit: bool
) -> None:
    """Though the manifest is made again. The statement is what the export wrote."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    other = json.loads((folder / "tokenizer.json").read_text())
    words = other["model"]["vocab"]
    words["film"], words["cast"] = words["cast"], words["film"] if ids_fit else 5000
    (folder / "tokenizer.json").write_text(json.dumps(other))
    Seal.of(folder).write()
    with pytest.raises(InputError, match=r"tokenizer\.json is not the one") as caught:
        bertspec.load(folder)
    assert [d.code for d in caught.value.diagnostics] == ["E457"]
    for statement in ("{", "[]", '{"subject": [{"name": []}]}', None):
        (folder / "provenance.json").unlink()
        if statement is not None:
            (folder / "provenance.json").write_text(statement)
        Seal.of(folder).write()
        bertspec.load(folder)


def test_a_text_without_a_token_has_one_answer(built: Project, tmp_path: Path) -> None:
    """Of a tokenizer that puts no tokens of its own around a text, whatever is beside it."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    edit_json(folder / "tokenizer.json", post_processor=None)
    (folder / "provenance.json").unlink()
    Seal.of(folder).write()
    model = bertspec.load(folder)
    (alone,) = model.predict([""])
    for texts in (["", ""], ["film", ""], ["a warm and funny film", "film", "", " "]):
        *_, last = model.predict(texts)
        assert last["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]

WRONG: list[Any] = [
    None, 7, b"bytes", ["a", "list"], {"text": None}, {}, {"text": "a", "more": "b"},
    {"txt": "a"}, {7: "a"}, {"text": DEEP}, DEEP,
]  # fmt: skip


def test_an_input_that_cannot_be_predicted_is_an_error_in_its_place(predictor: Predictor) -> None:
    inputs = [part for wrong in WRONG for part in ("a warm film", wrong)]
    found = list(predictor.outcomes(inputs))
    good = next(predictor.predict(["a warm film"]))
    for answer in found[::2]:
        assert isinstance(answer, dict)
        assert answer["label"] == good["label"]
        assert answer["probabilities"] == pytest.approx(good["probabilities"], abs=1e-6)
    for error in found[1::2]:
        assert isinstance(error, InputError)
        assert error.diagnostics[0].code == "E453"


def test_the_first_such_input_is_raised_with_its_number(predictor: Predictor) -> None:
    wrong: list[Any] = ["a", {"text": 7}, None]
    with pytest.raises(InputError, match="`text` must be a text, and it is 7") as caught:
        list(predictor.predict(wrong))
    assert caught.value.__notes__ == ["It is input 2."]


@pytest.mark.parametrize("value", ["a warm film", b"a", {"text": "a warm film"}])
def test_one_input_in_place_of_several_is_told(predictor: Predictor, value: Any) -> None:
    with pytest.raises(InputError, match="in place of several"):
        list(predictor.predict(value))


@pytest.mark.parametrize("kind", ["pandas", "Table", "RecordBatch"])
def test_a_table_in_place_of_several_inputs_is_told(predictor: Predictor, kind: str) -> None:
    """Python would go over the names of its columns. Its rows and its columns are inputs."""
    table = pa.table({"text": ["a warm film", "we hated it"]})
    given: Any = {
        "pandas": table.to_pandas(), "Table": table, "RecordBatch": table.to_batches()[0],
    }[kind]  # fmt: skip
    with pytest.raises(InputError, match="a table was given") as caught:
        list(predictor.predict(given))
    assert caught.value.diagnostics[0].code == "E453"
    rows = given.to_dict("records") if kind == "pandas" else given.to_pylist()
    assert len(list(predictor.predict(rows))) == 2
    if kind == "pandas":
        assert list(predictor.predict(given["text"])) == list(predictor.predict(rows))


def test_no_more_inputs_are_taken_than_are_held_at_once(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def inputs(text: str) -> Iterator[str]:
        while True:
            taken.append(text)
            yield text

    monkeypatch.setattr(at_once, "CHUNK", 8)
    next(predictor.predict(inputs("a")))
    assert len(taken) == 8
    taken.clear()
    monkeypatch.setattr(at_once, "CHARACTERS", 100)
    next(predictor.predict(inputs("a" * 40)))
    assert len(taken) == 3


def test_importing_bertspec_imports_nothing_heavy(built: Project) -> None:
    code = "import sys, bertspec; bertspec.load; print(*sys.modules)"
    modules = built.run(sys.executable, "-c", code).stdout.split()
    assert not {"numpy", "pyarrow", "onnxruntime", "pydantic", "click"} & set(modules)


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _needed(names: set[str]) -> set[str]:
    """The distributions, and all that they need without extras of theirs."""
    found: set[str] = set()
    while names:
        found |= names
        wanted = {
            _name(text)
            for name in names
            for text in metadata.requires(name) or ()
            if "extra ==" not in text
        }
        names = {name for name in wanted - found if _is_installed(name)}
    return found


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


BLOCKED = """
import sys

class Blocked:
    names = set(NAMES)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is not of the extra", name=name)

sys.meta_path.insert(0, Blocked())
from bertspec.cli import main
main(sys.argv[1:])
"""
"""Runs a command without the packages NAMES."""


def _extra() -> set[str]:
    """Packages that the extra `predict` names, and those of the language."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["predict"]]
    return {_name(text) for text in wanted}


def _others() -> list[str]:
    """Packages that are installed here, and do not come with the extra `predict`."""
    slim = _needed(_extra())
    packages = metadata.packages_distributions()
    return sorted(
        package
        for package, owners in packages.items()
        if package != "bertspec" and not {_name(owner) for owner in owners} & slim
    )


def test_the_extra_is_all_that_predict_needs(built: Project) -> None:
    others = _others()
    assert {"torch", "transformers", "datasets", "dvc", "sklearn", "scipy", "onnx"} <= set(others)
    code = BLOCKED.replace("NAMES", repr(others))
    (built.root / "slim.csv").write_text("text\na warm film\nwe hated it\n")
    names = ["slim.csv", "slim.jsonl", "slim.parquet", "slim-again.csv"]
    for source, output in itertools.pairwise(names):
        built.run(
            sys.executable, "-c", code, "predict", "tiny", "--input", source, "--output", output
        )
    lines = (built.root / "slim-again.csv").read_text().splitlines()
    assert lines[0] == "text,label,probabilities.bad,probabilities.good"
    assert [line.partition(",")[0] for line in lines[1:]] == ["a warm film", "we hated it"]
    said = built.run(sys.executable, "-c", code, "stage", "tiny-evaluate", code=3).stderr
    assert "pip install 'bertspec[predict]'" in said
    assert "'bertspec[train]'" in said


def test_the_page_names_what_the_extra_brings() -> None:
    page = (REPOSITORY / "docs/predict.md").read_text(encoding="utf-8")
    (names,) = re.findall(r"is all that it takes: (.*?) of the language", page, re.DOTALL)
    assert set(re.findall(r"\w+", names)) - {"and", "beside", "the"} == _extra()


def _code(page: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page, each with its language."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_page_is_right(built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code and its commands run in a project with such a model and such files."""
    shutil.copytree(built.root / "models/tiny/export", tmp_path / "models/sentiment/export")
    (tmp_path / "reviews.csv").write_text("id,review\n1,a warm film\n2,we hated it\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "a warm film"}\n{"text": 7}\n')
    monkeypatch.chdir(tmp_path)
    blocks = list(_code((REPOSITORY / "docs/predict.md").read_text(encoding="utf-8")))
    assert {language for language, _ in blocks} == {"python", "sh"}
    for language, text in blocks:
        if language == "python":
            exec(compile(text, "docs/predict.md", "exec"), {})  # noqa: S102 - it is the page's
            continue
        for line in text.replace("\\\n", "").splitlines():
            if line.startswith("bertspec "):
                Project(tmp_path).run("sh", "-c", line)
