"""`bertspec predict`: where texts come from, what is printed, and what bad input is told."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx.external_data_helper import set_external_data

from bertspec.runtime.seal import Seal
from tests.projects import Project


@pytest.fixture(scope="module")
def pairs(built: Project) -> Project:
    """The same project, with an export `pairs` that takes two texts."""
    folder = shutil.copytree(built.root / "models/tiny/export", built.root / "pairs")
    _in_bundle(fields=["text", "text_pair"])(folder / "bundle.json")
    Seal.of(folder).write()  # as if it had been exported so
    return built


def test_predict_reads_files_and_standard_input_in_order(built: Project) -> None:
    folder = built.root
    texts = ["a warm and funny film", "we hated every minute", "", "x" * 5000, "naïve 😀"]
    (folder / "t.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "t.jsonl").write_text("".join(json.dumps({"body": t}) + "\n" for t in texts))
    by_file = built.call("predict", "tiny", "--file", "t.txt", "--format", "json").stdout
    rows = [json.loads(line) for line in by_file.splitlines()]
    assert [r["text"] for r in rows] == texts
    assert all(abs(sum(r["probabilities"].values()) - 1) < 1e-6 for r in rows)
    assert [set(r) for r in rows] == [{"text", "label", "probabilities"}] * len(texts)
    other = built.call(
        "predict", "models/tiny/export", "--file", "t.jsonl", "--column", "body",
        "--format", "json",
    ).stdout  # fmt: skip
    assert other == by_file
    named = ("--column", "text=body", "--format", "json")
    assert built.bertspec("predict", "tiny", "--file", "t.jsonl", *named) == by_file
    piped = subprocess.run(
        [Path(sys.executable).parent / "bertspec", "predict", "tiny", "--format", "json"],
        cwd=folder, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert piped.stdout == by_file


FILES: dict[str, bytes] = {
    "bad.txt": b"good\n\xff\xfe\n",
    "bad.jsonl": b'{"text": "a"}\n\n{',
    "list.jsonl": b'{"text": "a"}\n[1]\n',
    "string.jsonl": b'"x"\n',
    "deep.jsonl": b"[" * 100_000,
    "good.jsonl": b'{"text": "a"}\n',
    "number.jsonl": b'{"text": 7}\n',
    "lists.jsonl": b'{"text": "a"}\n{"text": ["a", "b"]}\n',
    "latin.csv": b"text\ngood\n\xe4\n",
    "open.csv": b'text\n"no end\n',
    "comma.csv": b"text,id\nwell, no,1\n",
    "header.csv": b"txet,id\n",
    "short.tsv": b"id\ttext\n1\n",
    "a.xlsx": b"",
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing", "x"), ["E451", "no exported model `nothing`", "`tiny`"]),
        (("tinny", "x"), ["E451", "did you mean `tiny`?"]),
        (("models/tiny", "x"), ["E451", "models/tiny has no bundle.json"]),
        (("tiny", "--file", "none.txt"), ["E301", "none.txt does not exist"]),
        (("tiny", "--file", "data"), ["E301", "data is a folder"]),
        (("tiny", "--file", "a.xlsx"), ["E452", "a.xlsx", ".jsonl"]),
        (("tiny", "--file", "bad.txt"), ["E302", "bad.txt, line 2"]),
        (("tiny", "--file", "latin.csv"), ["E302", "latin.csv, line 3"]),
        (("tiny", "--file", "bad.jsonl"), ["E452", "bad.jsonl, line 3"]),
        (("tiny", "--file", "deep.jsonl"), ["E452", "deep.jsonl, line 1"]),
        (("tiny", "--file", "list.jsonl"), ["E452", "list.jsonl, line 2", "object"]),
        (("tiny", "--file", "string.jsonl"), ["E452", "string.jsonl, line 1", "object"]),
        (("tiny", "--file", "number.jsonl"), ["E453", "number.jsonl, line 1", "`text`"]),
        (("tiny", "--file", "lists.jsonl"), ["E453", "`text` must be a text"]),
        (("tiny", "--file", "open.csv"), ["E452", "open.csv, line 2"]),
        (("tiny", "--file", "comma.csv"), ["E452", "comma.csv, row 1", "quote"]),
        (("tiny", "--file", "short.tsv"), ["E452", "short.tsv, row 1"]),
        (("tiny", "--file", "header.csv"), ["E309", "header.csv", "`text`", "mean `txet`?"]),
        (
            ("tiny", "--file", "good.jsonl", "--column", "texts"),
            ["E309", "good.jsonl, line 1", "`texts`", "mean `text`?"],
        ),
        (
            ("tiny", "--file", "good.jsonl", "--column", "text_pair=text"),
            ["E453", "--column text_pair=text names no field", "takes text"],
        ),
        (("tiny", "--file", "good.jsonl", "--column", "text="), ["E453", "--column text="]),
        (("tiny", "--file", "good.jsonl", "a text"), ["--input", "not both"]),
        (("tiny", "--column", "b", "a text"), ["--column", "--input"]),
    ],
)
def test_predict_tells_what_is_wrong(
    built: Project, arguments: tuple[str, ...], words: list[str]
) -> None:
    for name, content in FILES.items():
        (built.root / name).write_bytes(content)
    said = built.bertspec("predict", *arguments, code=2)
    assert all(word in said for word in words), said


def test_a_spec_that_has_not_been_built_is_named(project: Project) -> None:
    (project.root / "models/other/export").mkdir(parents=True)
    said = project.bertspec("predict", "tiny", "x", code=2)
    assert "error[E451]: there is no exported model `tiny`" in said
    assert "specs/tiny.json is there, and must be built: `dvc repro`" in said


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _in_bundle(**values: object) -> Callable[[Path], None]:
    """Change values of bundle.json."""

    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def _elsewhere(absolute: bool) -> Callable[[Path], None]:
    """Put weights of an ONNX model into a file beside its folder, which the model names."""

    def change(path: Path) -> None:
        model = onnx.load(path)
        tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
        elsewhere = path.parent.parent / "weights.bin"
        elsewhere.write_bytes(tensor.raw_data)
        set_external_data(tensor, str(elsewhere) if absolute else "../weights.bin")
        tensor.ClearField("raw_data")
        path.write_bytes(model.SerializeToString())

    return change


def _task(*labels: object) -> dict[str, object]:
    return {"type": "text-classification", "labels": labels}


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("model.onnx", _truncate, ["model.onnx cannot be loaded"]),
        ("model.onnx", _halve, ["model.onnx cannot be loaded"]),
        ("model.onnx", Path.unlink, ["model.onnx is missing", "dvc pull"]),
        (
            "model.onnx",
            _elsewhere(absolute=True),
            ["cannot be loaded", "xternal data path"],
        ),
        (
            "model.onnx",
            _elsewhere(absolute=False),
            ["cannot be loaded", "xternal data path"],
        ),
        ("tokenizer.json", _truncate, ["tokenizer.json cannot be loaded"]),
        ("tokenizer.json", Path.unlink, ["tokenizer.json is missing"]),
        ("bundle.json", Path.unlink, ["has no bundle.json"]),
        ("bundle.json", lambda path: path.write_text("{"), ["bundle.json cannot be read"]),
        ("bundle.json", lambda path: path.write_text("[]"), ["bundle.json", "version"]),
        ("bundle.json", _in_bundle(version=1), ["bundle version 1"]),
        ("bundle.json", _in_bundle(version=3, new=1), ["bundle version 3, of a newer bertspec"]),
        ("bundle.json", _in_bundle(new=1), ["bundle.json says `new`, as a newer bertspec may"]),
        ("bundle.json", _in_bundle(new=1, news=2), ["says `new`, `news`, as a newer bertspec may"]),
        (
            "bundle.json",
            _in_bundle(task=_task("a", "b") | {"new_option": 1}),
            [
                "bundle.json says `new_option`, as a newer bertspec may",
                "use the bertspec that made",
            ],
        ),
        (
            "bundle.json",
            _in_bundle(task=_task("a", "b") | {"calibration": "isotonic"}),
            ["says `calibration: isotonic`, as a newer bertspec may", "use the bertspec that"],
        ),
        (
            "bundle.json",
            _in_bundle(task=_task("a", "b") | {"decision": {"type": "cost", "new": 1}}),
            ["says `decision: cost`, as a newer bertspec may", "use the bertspec that"],
        ),
        (
            "bundle.json",
            _in_bundle(task={"type": "question-answering", "null_threshold": "adaptive"}),
            ["says `null_threshold: adaptive`, as a newer bertspec may", "use the bertspec that"],
        ),
        (
            "bundle.json",
            _in_bundle(long_documents={"type": "summary", "stride": 3}),
            ["says `long_documents: summary`, as a newer bertspec may", "use the bertspec that"],
        ),
        (
            "bundle.json",
            _in_bundle(long_documents={"type": "windows", "overlap": 3}),
            ["says `overlap`, as a newer bertspec may", "use the bertspec that"],
        ),
        (
            "bundle.json",
            _in_bundle(task=_task("a", "b") | {"calibration": 5}),
            ["no valid task", "`dvc repro` builds it"],
        ),
        ("bundle.json", _in_bundle(task=_task("a", "b", "c")), ["3 numbers", "model.onnx"]),
        ("bundle.json", _in_bundle(task=_task(1, 2)), ["bundle.json", "no valid task"]),
        ("bundle.json", _in_bundle(task={"type": "alchemy"}), ["`alchemy`, which", "know"]),
        ("bundle.json", _in_bundle(task={"type": []}), ["no valid task"]),
        ("bundle.json", _in_bundle(task={}), ["no valid task"]),
        ("bundle.json", _in_bundle(models={"onnx": "/model.onnx"}), ["no valid models"]),
        ("bundle.json", _in_bundle(models={"onnx": "../model.onnx"}), ["no valid models"]),
        ("bundle.json", _in_bundle(fields=[]), ["no valid fields"]),
        ("bundle.json", _in_bundle(fields="text"), ["no valid fields"]),
        ("bundle.json", _in_bundle(fields=["text", "label"]), ["no valid fields"]),
        ("bundle.json", _in_bundle(long_documents={"type": 7}), ["no valid long_documents"]),
        ("bundle.json", _in_bundle(decision={"threshold": "high"}), ["no valid decision"]),
        ("bundle.json", _in_bundle(max_length="long", pad_id=None), ["max_length, pad_id"]),
        ("bundle.json", _in_bundle(models={"onnx": 5}), ["bundle.json", "models"]),
        ("bundle.json", _in_bundle(models={}), ["no ONNX model"]),
        (
            "bundle.json",
            _in_bundle(max_length=500),
            ["model.onnx cannot be run with the tokenizer.json"],
        ),
    ],
)
def test_a_broken_export_is_wrong_input(
    built: Project,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], None],
    words: list[str],
) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    damage(folder / name)
    Seal.of(folder).write()  # as if it had been exported so
    said = built.call("predict", str(folder), "film " * 600, code=2).stderr
    assert all(word in said for word in ["error[E451]", *words]), said
    assert said.count("\n") <= 2
    assert capfd.readouterr().err == "", "onnxruntime says nothing of its own"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.txt", ""),
        ("e.csv", ""),
        ("h.csv", "text,id\n"),
        ("h.tsv", "id\ttext\n"),
        ("e.jsonl", ""),
    ],
)
def test_no_texts_give_no_output(built: Project, name: str, content: str) -> None:
    (built.root / name).write_text(content)
    assert built.bertspec("predict", "tiny", "--file", name) == ""


def test_a_closed_standard_input_is_told(built: Project) -> None:
    assert "--input" in built.run("bash", "-c", "bertspec predict tiny <&-", code=2).stderr


def test_a_byte_order_mark_is_no_text(built: Project) -> None:
    for name, content in (("b.txt", "one"), ("b.csv", "text\none"), ("b.jsonl", '{"text": "one"}')):
        (built.root / name).write_text(content + "\n", encoding="utf-8-sig")
        assert _texts(built, name) == ["one"]


def test_fields_of_tables_may_be_long_and_hold_line_breaks(built: Project) -> None:
    texts = ["x" * 200_000, "one\ntwo", "three\r\nfour", 'say "no"', ""]
    with (built.root / "f.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "text"], *enumerate(texts)])
    assert _texts(built, "f.csv") == texts
    (built.root / "f.tsv").write_text(f'id\ttext\n1\t{"x" * 200_000}\n2\tsay "no\n')
    assert _texts(built, "f.tsv") == ["x" * 200_000, 'say "no']
    (built.root / "mac.CSV").write_bytes(b"text\rone\rtwo\r")
    assert _texts(built, "mac.CSV") == ["one", "two"]


def _texts(built: Project, name: str) -> list[str]:
    shown = built.call("predict", "tiny", "--file", name, "--format", "json").stdout
    return [json.loads(line)["text"] for line in shown.splitlines()]


def test_a_built_model_is_meant_before_a_folder_of_the_same_name(built: Project) -> None:
    (built.root / "tiny").mkdir(exist_ok=True)
    assert "%" in built.bertspec("predict", "tiny", "a warm film")
    assert "tiny has no bundle.json" in built.bertspec("predict", "./tiny", "x", code=2)


def test_what_the_terminal_cannot_show_is_shown_as_an_escape(built: Project) -> None:
    (built.root / "s.jsonl").write_text('{"text": "a \\ud800 b"}\n')
    assert _texts(built, "s.jsonl") == ["a \ud800 b"]
    assert "a \\ud800 b" in built.bertspec("predict", "tiny", "--file", "s.jsonl")
    arguments = ("predict", "tiny", "a 😀")
    assert "a \\U0001f600" in built.bertspec(*arguments, PYTHONIOENCODING="latin-1")
    json_format = (*arguments, "--format", "json")
    shown = built.run("bertspec", *json_format, PYTHONIOENCODING="latin-1").stdout
    assert json.loads(shown)["text"] == "a 😀"


def test_the_terminal_obeys_neither_a_text_nor_a_label(built: Project, tmp_path: Path) -> None:
    text = "a\x1b[31m red\x1b]0;title\x07 film\n\x9b2Jfalse line"
    (built.root / "e.jsonl").write_text(json.dumps({"text": text}) + "\n")
    said = built.call("predict", "tiny", "--file", "e.jsonl").stdout
    assert said.endswith("%  a\\x1b[31m red\\x1b]0;title\\x07 film \\x9b2Jfalse line\n")
    assert said[:-1].isprintable()
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    labels = ("\x1b[1mbad", "\x1b[1mgood")
    _in_bundle(task=_task(*labels), fields=["text", "text_pair"])(folder / "bundle.json")
    Seal.of(folder).write()  # as if it had been exported so
    said = built.call("predict", str(folder), "a\x1b[2J", "b").stdout
    assert re.fullmatch(r"\\x1b\[1m(bad|good) +\d+\.\d%  a\\x1b\[2J \| b\n", said), said


def _one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


SEALED = (
    "model.onnx", "tokenizer.json", "bundle.json", "bertspec.lock", "spec.yaml", "sbom.cdx.json",
    "provenance.json",
)  # fmt: skip


@pytest.mark.parametrize("name", SEALED)
def test_a_changed_byte_is_refused(built: Project, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    others = {"manifest.json", "README.md", "model.pt"}  # which has no digest; see below
    assert {path.name for path in folder.iterdir()} == {*SEALED, *others}
    if name == "bundle.json":  # still a valid one
        _in_bundle(max_length=31)(folder / name)
    else:
        _one_byte(folder / name)
    said = built.call("predict", str(folder), "x", code=2).stderr
    assert f"error[E457]: {folder / name} is not as it was exported" in said


def test_the_card_and_what_is_not_run_may_be_another(built: Project, tmp_path: Path) -> None:
    """A licence is added to the card on a hub; a large export that is not run is not read."""
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    models = {"onnx": "model.onnx", "torchscript": "model.pt", "openvino": "openvino_model.xml"}
    _in_bundle(models=models | {"transformers": "transformers"})(folder / "bundle.json")
    (folder / "transformers").mkdir()
    added = ("openvino_model.xml", "openvino_model.bin", "transformers/config.json")
    for name in added:
        (folder / name).write_text("{}")
    Seal.of(folder).write()
    for name in ("README.md", "model.pt", *added):
        _one_byte(folder / name)
    assert "%" in built.call("predict", str(folder), "x").stdout
    said = built.call("bundle", "verify", str(folder), code=1).stderr
    assert said.count("is not as it was exported") == 2 + len(added)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}'])
def test_a_model_without_its_manifest_is_refused(
    built: Project, tmp_path: Path, text: str | None
) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    (folder / "manifest.json").unlink()
    if text is not None:
        (folder / "manifest.json").write_text(text)
    assert "error[E457]" in built.call("predict", str(folder), "x", code=2).stderr
    assert "error[E457]" in built.call("bundle", "verify", str(folder), code=1).stderr


@pytest.mark.parametrize("name", ["manifest.json", "bundle.json", "provenance.json", "model.onnx"])
@pytest.mark.parametrize("damage", [Path.unlink, Path.touch, lambda path: path.write_text("")])
def test_what_holds_of_a_bundle_is_told_in_json(
    built: Project, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    damage(folder / name)
    good = damage is Path.touch
    said = built.call("bundle", "verify", str(folder), "--format", "json", code=0 if good else 1)
    told = json.loads(said.stdout)
    assert told["folder"] == str(folder)
    assert (len(told["files"]) == 9) is (good or name != "manifest.json")
    assert told["checks"][0]["name"] == "files"
    assert told["checks"][0]["holds"] is good
    assert good or name in told["checks"][0]["said"][0]
    assert ("error[E457]" in said.stderr) is not good


def test_a_folder_that_is_no_exported_model_is_wrong_input(built: Project, tmp_path: Path) -> None:
    said = built.call("bundle", "verify", str(tmp_path), code=2).stderr
    assert "error[E451]" in said
    assert "is no exported model" in said


def test_every_file_of_a_bundle_is_verified(built: Project, tmp_path: Path) -> None:
    assert "9 files, each as it was exported" in built.call("bundle", "verify", "tiny").stdout
    folder = shutil.copytree(built.root / "models/tiny/export", tmp_path / "export")
    _one_byte(folder / "model.pt")
    (folder / "tokenizer.json").unlink()
    (folder / "notes.txt").write_text("mine")
    said = built.call("bundle", "verify", str(folder), code=1).stderr
    assert [line for line in said.splitlines() if line.startswith("error")] == [
        f"error[E457]: {folder / 'model.pt'} is not as it was exported",
        f"error[E457]: {folder / 'notes.txt'} is no file of the exported model",
        f"error[E457]: {folder / 'tokenizer.json'} is missing",
    ]


def test_predictions_are_those_of_the_trained_model(built: Project) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    texts = ["a warm and funny film", "poor cast and a limp script number 7"]
    result = built.call("predict", "tiny", *texts, "--format", "json").stdout
    rows = [json.loads(line) for line in result.splitlines()]
    folder = built.root / "models/tiny/trained"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    for text, row in zip(texts, rows, strict=True):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        expected = torch.softmax(logits, 0).tolist()
        assert list(row["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def test_two_texts_are_one_input_of_a_model_of_pairs(pairs: Project) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    texts = ("a warm and funny film", "poor cast and a limp script")
    (row,) = _json(pairs, *texts)
    assert (row["text"], row["text_pair"]) == texts
    folder = pairs.root / "models/tiny/trained"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    inputs = tokenizer(*texts, return_tensors="pt", return_token_type_ids=True)
    assert 1 in inputs["token_type_ids"]
    with torch.no_grad():
        expected = torch.softmax(model(**inputs).logits[0], 0).tolist()
    assert list(row["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def test_fields_of_pairs_come_from_the_columns_that_are_named(pairs: Project) -> None:
    values = [("a warm film", "a dull film"), ("we hated it", "")]
    for name, columns in (("n.csv", ("text_pair", "text")), ("c.csv", ("claim", "premise"))):
        with (pairs.root / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *(pair[::-1] for pair in values)])
    lines = [json.dumps({"premise": a, "claim": b, "id": 7}) + "\n" for a, b in values]
    (pairs.root / "c.jsonl").write_text("".join(lines))
    named = ("--column", "text_pair=claim", "--column", "text=premise")
    found = _json(pairs, "--file", "n.csv")
    assert [(row["text"], row["text_pair"]) for row in found] == values
    assert _json(pairs, "--file", "c.csv", *named) == found
    assert _json(pairs, "--file", "c.jsonl", *named) == found


def _json(pairs: Project, *arguments: str) -> list[dict[str, Any]]:
    shown = pairs.call("predict", "pairs", *arguments, "--format", "json").stdout
    return [json.loads(line) for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("one",), ["E453", "takes 2 texts: text, text_pair", "1 were given"]),
        (("one", "two", "three", "four"), ["E453", "4 were given"]),
        ((), ["text and text_pair", "--input"]),
        (("--file", "p.txt"), ["E452", "one text a line"]),
        (("--file", "p.csv"), ["E309", "no column `text_pair`", "--column"]),
        (("--file", "p.csv", "--column", "claim"), ["E453", "text, text_pair"]),
        (
            ("--file", "p.csv", "--column", "text_pear=claim"),
            ["E453", "did you mean `text_pair`?"],
        ),
    ],
)
def test_what_is_wrong_with_pairs_is_told(
    pairs: Project, arguments: tuple[str, ...], words: list[str]
) -> None:
    (pairs.root / "p.txt").write_text("one\n")
    (pairs.root / "p.csv").write_text("text,claim\none,two\n")
    said = pairs.bertspec("predict", "pairs", *arguments, code=2)
    assert all(word in said for word in words), said
