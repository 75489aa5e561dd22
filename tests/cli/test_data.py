"""`bertspec data` and `bertspec validate --data`: what they say of data with planted faults."""

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bertspec.catalog.source import SPLITS
from bertspec.core.diagnostics import Diagnostic, Position, render
from bertspec.core.terminal import one_line, printable
from bertspec.runtime.data_summary import summarize
from tests.naughty import NAUGHTY
from tests.projects import SPEC, Project, rows
from tests.stages import prepared_rows, run_kinds, tokenized_folder, tokens_of, write_shards

HEAVY = {"torch", "transformers", "datasets", "pyarrow", "onnxruntime", "numpy", "pydantic", "rich"}

REPEATED = [("the very same words", "good"), ("The very same words!", "bad")]
"""Two labels for one text, to the contract."""


@pytest.fixture
def prepared(project: Project) -> Project:
    project.compile()
    run_kinds(project, "fetch", "prepare")
    return project


def _spec(**data: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"] |= data
    return spec


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _obeyed(text: str) -> list[str]:
    """Characters that a terminal might obey."""
    return [c for c in text if not c.isprintable() and c not in "\n\u200c\u200d"]


def test_help_imports_nothing_heavy(project: Project) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*{m.partition('.')[0] for m in sys.modules}, "
        "file=open('modules.txt', 'w')))\n"
        "from bertspec.cli import main\nmain(['data', '--help'])\n"
    )
    project.run(sys.executable, "-c", code)
    assert not set((project.root / "modules.txt").read_text().split()) & HEAVY


def test_rows_labels_and_lengths_are_those_of_the_prepared_splits(prepared: Project) -> None:
    found = json.loads(prepared.bertspec("data", "reviews", "--format", "json"))
    tables = {split: prepared_rows(prepared, split) for split in SPLITS}
    assert found["rows"] == {split: len(table) for split, table in tables.items()}
    for label in ("good", "bad"):
        counts = {s: t["label"].to_pylist().count(label) for s, t in tables.items()}
        assert found["labels"]["counts"][label] == counts
    sizes = sorted(len(text) for t in tables.values() for text in t["text"].to_pylist())
    (lengths,) = found["lengths"]
    assert (lengths["of"], lengths["unit"]) == ("text", "characters")
    assert lengths["percentiles"]["min"] == sizes[0]
    assert lengths["percentiles"]["p50"] == sizes[59]
    assert lengths["percentiles"]["max"] == sizes[-1]
    assert sum(lengths["bins"]) == 120
    said = prepared.bertspec("data", "reviews")
    assert "reviews: 120 rows" in said
    assert re.search(r"[▁▂▃▄▅▆▇█]{3}", said)
    assert "contract has not been checked: `dvc repro reviews-contract` does that" in said


def test_samples_are_the_first_by_id_of_each_label(prepared: Project) -> None:
    everything = [row for split in SPLITS for row in prepared_rows(prepared, split).to_pylist()]
    arguments = ("data", "reviews", "--format", "json", "--samples")
    found = json.loads(prepared.bertspec(*arguments, "3"))["samples"]
    for label in ("good", "bad"):
        of_label = sorted((r for r in everything if r["label"] == label), key=lambda r: r["id"])
        wanted = [(r["id"], r["file"], r["row"], r["text"]) for r in of_label[:3]]
        got = [
            (s["id"], s["file"], s["row"], s["values"]["text"])
            for s in found
            if s["label"] == label
        ]
        assert got == wanted
    assert json.loads(prepared.bertspec(*arguments, "0"))["samples"] == []
    assert len(json.loads(prepared.bertspec(*arguments, "999"))["samples"]) == 120
    said = prepared.bertspec("data", "reviews", "--samples", "1")
    assert said.count(" number ") == 2


def test_a_row_that_is_there_twice_is_one_sample(project: Project) -> None:
    project.write_rows(rows(60) + rows(60))
    project.compile()
    run_kinds(project, "fetch", "prepare")
    options = ("--format", "json", "--samples", "999")
    found = json.loads(project.bertspec("data", "reviews", *options))
    assert sum(found["rows"].values()) == 120
    assert len(found["samples"]) == 60


def test_tokens_are_counted_of_what_is_tokenized(built: Project) -> None:
    found = json.loads(built.bertspec("data", "reviews", "--format", "json"))
    _, tokens = found["lengths"]
    assert tokens["unit"] == "tokens"
    assert tokens["max_length"] == 32
    assert tokens["longer"] == 0
    assert 3 < tokens["percentiles"]["min"] <= tokens["percentiles"]["max"] < 32
    assert re.search(rf"{tokens['of']} +tokens", built.bertspec("data", "reviews"))


def test_tokens_of_windows_are_counted_once_a_row(project: Project) -> None:
    spec = json.loads(json.dumps(SPEC))
    windows = {"type": "windows", "stride": 1}
    spec["tokenization"] = {"max_length": 6, "long_documents": windows}
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "base", "tokenize")
    sequences = sum(len(tokens_of(tokenized_folder(project), split)) for split in SPLITS)
    assert sequences > 120
    found = json.loads(project.bertspec("data", "reviews", "--format", "json"))
    _, tokens = found["lengths"]
    assert sum(tokens["bins"]) == 120
    assert tokens["percentiles"]["min"] > 6
    assert tokens["longer"] == 120


def test_a_broken_tokenization_is_a_note(prepared: Project) -> None:
    run_kinds(prepared, "base", "tokenize")
    (about,) = prepared.root.glob("data/reviews/tokenized/*/about.json")
    about.write_text("{")
    said = prepared.bertspec("data", "reviews")
    assert "note: data/reviews/tokenized/" in said
    assert "`dvc repro` builds it again" in said


def test_findings_of_the_contract_are_shown(project: Project) -> None:
    project.write_rows(rows() + REPEATED)
    project.compile()
    run_kinds(project, "fetch", "prepare")
    project.bertspec("stage", "reviews-contract", code=1)
    said = project.bertspec("data", "reviews")
    assert re.search(r"E603 +contradicting_labels +error +failed +2\n", said)
    assert re.search(r"E610 +answers_at_offset +error +does not apply +0\n", said)
    assert "error[E603]: 1 text has different labels" in said
    assert "data/reviews.csv row 122" in said, "in one line, where it is no terminal"
    found = json.loads(project.bertspec("data", "reviews", "--format", "json"))
    entry = next(e for e in found["contract"] if e["code"] == "E603")
    assert entry["status"] == "failed"


@pytest.mark.parametrize("content", [b"", b"[1]", b"[{}]", b"{", b"\xff", b'[{"code": 1}]'])
def test_findings_that_cannot_be_read_are_a_note(prepared: Project, content: bytes) -> None:
    path = prepared.root / "data/reviews/contract/findings.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert "note: data/reviews/contract/findings.json" in prepared.bertspec("data", "reviews")


def test_what_is_not_there_is_told(project: Project) -> None:
    assert "bertspec compile" in project.bertspec("data", "reviews", code=2)
    project.compile()
    said = project.bertspec("data", "revews", code=2)
    assert "error[E211]" in said
    assert "did you mean `reviews`?" in said
    said = project.bertspec("data", "reviews", code=2)
    assert "data/reviews/prepared is missing" in said
    assert "`dvc repro reviews-prepare`" in said
    run_kinds(project, "fetch", "prepare")
    index = project.root / "data/reviews/prepared/index.json"
    (shard,) = index.parent.glob("test-*.parquet")
    shard.unlink()
    shard.write_bytes(b"PAR1")
    assert "error[E206]: data/reviews/prepared cannot be read" in project.bertspec(
        "data", "reviews", code=2
    )
    index.unlink()
    assert "error[E206]" in project.bertspec("data", "reviews", code=2)


def _on_terminal(project: Project, *command: str, **env: str) -> str:
    """What a command writes to a terminal of 60 columns."""
    master, slave = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "60", **env}
    program = str(Path(sys.executable).parent / "bertspec")
    process = subprocess.Popen(
        [program, *command], cwd=project.root, stdout=slave, stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(slave)
    said = b""
    try:
        while part := os.read(master, 1 << 16):
            said += part
    except OSError:  # the other end has closed
        pass
    os.close(master)
    assert process.wait() == 0
    return said.decode()


_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_COLOR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|38|9[0-7])[0-9;]*m")


def test_texts_are_as_long_as_the_terminal_is_wide_and_colour_can_be_refused(
    project: Project,
) -> None:
    project.write_rows([(f"{'很长 long ' * 30}{text}", label) for text, label in rows()])
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract")
    said = _on_terminal(project, "data", "reviews")
    assert _COLOR.search(said)
    lines = _STYLE.sub("", said).replace("\r", "").split("\n")
    (sample, *_) = [line for line in lines if "很长" in line and line.startswith("  row")]
    assert sample.endswith("…")
    wide = sum(2 if c in "很长" else 1 for c in sample)
    assert 58 <= wide <= 60
    assert not _COLOR.search(_on_terminal(project, "data", "reviews", NO_COLOR="1"))
    assert "\x1b" not in project.bertspec("data", "reviews")


def test_a_terminal_without_block_characters_gets_others(prepared: Project) -> None:
    said = prepared.bertspec("data", "reviews", PYTHONIOENCODING="ascii")
    assert said.isascii()
    assert "\\u25" not in said


def test_naughty_strings_do_not_reach_the_terminal(project: Project) -> None:
    evil = [f"{bad} {t}" for t in ("a", "b") for bad in ("\x1b[31m", "\x9b31m", "\u202e", "\x07")]
    lines = [json.dumps({"t": t, "v": "g\x1b[2Jood [/b]"}) for t in [*filter(None, NAUGHTY), *evil]]
    lines += [json.dumps({"t": f"plain {i}", "v": "bad"}) for i in range(20)]
    (project.root / "data/n.jsonl").write_text("\n".join(lines) + "\n")
    spec = _spec(
        source={"type": "jsonl", "files": {"train": "data/n.jsonl"}},
        columns={"text": "t", "label": "v"},
    )
    spec["task"]["labels"] = ["g\x1b[2Jood [/b]", "bad"]
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare")
    project.bertspec("stage", "reviews-contract", code=None)
    shown = ("data", "reviews", "--samples", "999")
    for arguments in (shown, (*shown, "--format", "json")):
        said = project.call(*arguments).stdout
        assert not _obeyed(said)
        assert "\\x1b" in said or "\\u001b" in said
    assert "g\\x1b[2Jood [/b]" in project.bertspec(*shown)
    found = json.loads(project.call(*shown, "--format", "json").stdout)
    assert {s["values"]["text"] for s in found["samples"]} >= set(evil)
    for fmt in ("text", "json", "github"):
        result = project.call("validate", "--data", "--format", fmt, code=None)
        assert not _obeyed(result.stdout + result.stderr)


def test_the_terminal_obeys_no_label_in_an_error(project: Project) -> None:
    project.write_spec(
        _spec(
            source={"type": "jsonl", "files": {"train": "data/e.jsonl"}},
            columns={"text": "t", "label": {"column": "v", "map": {"a": "good", "b": "bad"}}},
        )
    )
    row = {"t": "a text", "v": "g\x1b[2J\x1b]0;title\x07ood\x9b"}
    (project.root / "data/e.jsonl").write_text(json.dumps(row) + "\n")
    project.compile()
    run_kinds(project, "fetch")
    said = project.call("stage", "reviews-prepare", code=None).stderr
    assert "does not list `g\\x1b[2J\\x1b]0;title\\x07ood\\x9b`" in said
    assert not _obeyed(said)


def test_a_caret_stands_under_what_is_shown_as_an_escape() -> None:
    place = Position("a\x1b.yaml", 3, 4, 2, "\tb\x1bc\x07: d")
    found = Diagnostic("E320", "no \x1b[1m\nlabel", "did you mean\x07?", place)
    assert render([found], "text").split("\n") == [
        "error[E320]: no \\x1b[1m",
        "label",
        "  --> a\\x1b.yaml:3:4",
        "   |",
        " 3 | \tb\\x1bc\\x07: d",
        "   | \t     ^^^^^",
        "  help: did you mean\\x07?",
    ]
    assert json.loads(render([found], "json"))[0]["message"] == found.message


def test_printable() -> None:
    assert printable("a  \u3000b\t\n\x1b", "\t") == "a  \u3000b\t\\n\\x1b"


def test_one_line() -> None:
    assert one_line("a\n\tb\u2028c\xa0d") == "a b c d"
    assert one_line("\x1b[1m\x9b\u202e\x7f\U000e0001") == "\\x1b[1m\\x9b\\u202e\\x7f\\U000e0001"
    assert one_line("نمی\u200c 👩\u200d💻") == "نمی\u200c 👩\u200d💻"


def _summary(tmp_path: Path, tables: dict[Any, pa.Table], samples: int = 2) -> Any:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "params.yaml").write_text("datasets: {d: {}}\n")
    write_shards(tmp_path / "data/d/prepared", {s: [t] for s, t in tables.items()})
    return summarize("d", tmp_path, samples)


def _table(**columns: pa.Array) -> pa.Table:
    count = len(next(iter(columns.values())))
    ids = pa.array([hashlib.sha256(f"{i}".encode()).hexdigest()[:32] for i in range(count)])
    return pa.table({"id": ids, **columns, "row": pa.array(range(count), pa.int32())})


def test_lists_of_labels_are_counted_label_by_label(tmp_path: Path) -> None:
    texts = pa.array(["one", "two", "three", ""])
    labels = pa.array([["a", "b"], ["a"], [], ["c"]], pa.list_(pa.string()))
    table = _table(text=texts, label=labels)
    found = _summary(tmp_path, {s: table if s != "test" else table.slice(0, 0) for s in SPLITS})
    assert found.labels.kind == "list"
    assert list(found.labels.counts) == ["a", "b", "c"]
    assert found.labels.counts["a"] == {"train": 2, "validation": 2, "test": 0}
    assert found.labels.totals["train"] == 4
    assert [(s.label, s.values["text"]) for s in found.samples if s.label != "a"] == [
        ("b", "one"), ("c", ""),
    ]  # fmt: skip


def test_numbers_have_a_smallest_a_middle_and_a_largest(tmp_path: Path) -> None:
    table = _table(text=pa.array(["x", "y", "z"]), label=pa.array([0.5, -1.0, 4.0]))
    found = _summary(tmp_path, {s: table if s == "train" else table.slice(0, 0) for s in SPLITS})
    assert found.labels.numbers == {"train": {"min": -1.0, "median": 0.5, "max": 4.0}}
    assert len(found.samples) == 2
    said = Project(tmp_path).bertspec("data", "d")
    assert re.search(r"train +-1 +0\.5 +4", said)


def test_words_and_answers_are_counted(tmp_path: Path) -> None:
    strings = pa.list_(pa.string())
    words = _table(
        tokens=pa.array([["In", "Rome"], ["no"]], strings),
        tags=pa.array([["O", "B-LOC"], ["O"]], strings),
    )
    found = _summary(tmp_path / "a", dict.fromkeys(SPLITS, words))
    assert found.labels.counts["O"]["test"] == 2
    assert found.labels.totals["test"] == 3
    assert found.lengths[0].unit == "words"
    assert "In Rome" in Project(tmp_path / "a").bertspec("data", "d")
    kind = pa.struct({"text": strings, "answer_start": pa.list_(pa.int32())})
    answers = pa.array(
        [{"text": ["x"], "answer_start": [0]}, {"text": [], "answer_start": []}], kind
    )
    table = _table(question=pa.array(["q", "r"]), context=pa.array(["xy", "z"]), answers=answers)
    found = _summary(tmp_path / "b", dict.fromkeys(SPLITS, table))
    assert found.labels.counts["without an answer"]["train"] == 1
    assert [lengths.of for lengths in found.lengths] == ["question", "context"]


def test_only_the_most_frequent_labels_are_listed(project: Project) -> None:
    labels = [f"label {i:02}" for i in range(30)]
    project.write_rows([(f"text {i} of {j}", labels[i]) for i in range(30) for j in range(30 + i)])
    spec = _spec()
    spec["task"]["labels"] = labels
    spec["evaluation"]["metrics"] = ["accuracy"]
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare")
    said = project.bertspec("data", "reviews")
    assert "label: 30 different" in said
    assert "label 29" in said
    assert "label 09" not in said
    assert "10 more" in said
    assert len(json.loads(project.bertspec("data", "reviews", "--format", "json"))["labels"][
        "counts"
    ]) == 30  # fmt: skip


# bertspec validate --data


def test_good_data_is_valid_and_nothing_is_left(project: Project, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = _files(project.root)
    said = project.bertspec("validate", "--data", TMPDIR=str(temporary))
    assert "1 file valid, 1 data set with 120 rows" in said
    assert _files(project.root) == before
    assert list(temporary.iterdir()) == []
    project.write_rows([("x", "neither"), *rows()])
    project.bertspec("validate", "--data", code=2, TMPDIR=str(temporary))
    assert list(temporary.iterdir()) == []


def test_a_broken_contract_is_a_check_that_failed(project: Project) -> None:
    project.write_rows(rows() + REPEATED)
    project.bertspec("validate")
    said = project.bertspec("validate", "--data", code=1)
    assert "error[E603]: 1 text has different labels, in 2 rows" in said
    assert "data/reviews.csv row 121" in said
    assert "data/reviews.csv row 122" in said
    assert "specs/tiny.json:21:16" in said
    assert '21 |       "label": "verdict"' in said
    assert "error in 1 file and 1 data set" in said or "errors in 1 file and 1 data set" in said


def test_a_warning_of_the_contract_fails_nothing(project: Project) -> None:
    project.write_rows(rows() + REPEATED)
    project.write_spec(_spec(contract={
        "contradicting_labels": "warn", "duplicates_across_splits": "off", "label_drift": "off",
    }))  # fmt: skip
    result = project.call("validate", "--data", "--format", "json")
    found = json.loads(result.stdout)
    assert ("E603", "warning") in {(d["code"], d["severity"]) for d in found}
    assert {d["severity"] for d in found} == {"warning"}


def test_rows_are_named_where_a_rule_only_counts(project: Project) -> None:
    project.write_rows([*rows(), ("the only one", "odd")])
    spec = _spec()
    spec["task"]["labels"] = ["bad", "good", "odd"]
    spec["evaluation"]["metrics"] = ["accuracy"]
    project.write_spec(spec | {"data": spec["data"] | {"contract": {"label_support": {
        "minimum": 50}}}})  # fmt: skip
    said = project.bertspec("validate", "--data", code=1)
    (line,) = [x for x in said.splitlines() if "error[E605]" in x and "fewer than 50" in x]
    assert re.search(r"data/reviews\.csv row \d+ \((train|validation|test)\)", line)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('review,verdict\n"a","good"\n"b"\n', "E303"),
        ('review,verdict\n"a",good\n"b",\n', "E310"),
        ('text,verdict\n"a",good\n', "E309"),
        ('review,verdict\n"a",good\n', "E311"),
    ],
)
def test_data_that_cannot_be_read_is_wrong_input(project: Project, content: str, code: str) -> None:
    (project.root / "data/reviews.csv").write_text(content)
    said = project.bertspec("validate", "--data", code=2)
    assert f"error[{code}]" in said


def test_a_missing_file_is_wrong_input_only_with_data(project: Project) -> None:
    (project.root / "data/reviews.csv").unlink()
    project.bertspec("validate", code=0)
    said = project.bertspec("validate", "--data", code=2)
    assert "error[E301]" in said
    assert "E110" not in said, "the same is not told twice"


def test_unknown_labels_of_all_splits_are_told_beside_the_contract(project: Project) -> None:
    wrong = [(f"odd {i}", "neither") for i in range(20)]
    project.write_rows(rows() + REPEATED + wrong)
    result = project.call("validate", "--data", "--format", "json", code=2)
    found = json.loads(result.stdout)
    unknown = [d for d in found if d["code"] == "E313"]
    assert len(unknown) == 1
    assert "data/reviews.csv, row" in unknown[0]["message"]
    assert "E603" in {d["code"] for d in found}
    assert {d["position"]["line"] for d in found} == {20, 21}, "text and label"


def test_annotations_of_a_workflow(project: Project) -> None:
    project.write_rows(rows() + REPEATED)
    result = project.call("validate", "--data", "--format", "github", code=1)
    assert "::error file=specs/tiny.json,line=21,col=16,endColumn=24,title=E603::" in result.stdout


def test_each_data_set_is_read_once_and_each_task_checked(project: Project) -> None:
    second = _spec() | {"name": "second"}
    second["task"]["labels"] = ["bad", "great"]
    project.write_spec(second, "second.json")
    said = project.bertspec("validate", "--data", code=2)
    assert "unknown label `good`" in said
    assert "specs/second.json:" in said
    assert "specs/tiny.json:" not in said
    assert "1 data set" in said


def test_a_shared_data_set_is_shown_where_it_is_written(project: Project) -> None:
    (project.root / "specs/datasets").mkdir()
    data = {k: v for k, v in SPEC["data"].items() if k != "name"} | {"bertspec": 1}
    (project.root / "specs/datasets/reviews.json").write_text(json.dumps(data, indent=1))
    project.write_spec(_spec() | {"data": "reviews"})
    project.write_rows(rows() + REPEATED)
    assert "specs/datasets/reviews.json:" in project.bertspec("validate", "--data", code=1)


def test_specs_with_errors_are_not_read(project: Project) -> None:
    project.write_rows(rows() + REPEATED)
    spec = _spec()
    spec["training"]["epoch"] = 1
    project.write_spec(spec)
    said = project.bertspec("validate", "--data", code=2)
    assert "note: data set `reviews` is not read: its spec has errors" in said
    assert "E603" not in said


def test_the_hub_is_not_asked(project: Project) -> None:
    hub = {"type": "hub", "id": "a/b", "revision": "0" * 40}
    local = {"type": "csv", "files": {"train": "data/reviews.csv"}}
    joined = {"type": "joined", "parts": [{"source": local}, {"source": hub}]}
    for source in (hub, joined):
        project.write_spec(_spec(source=source))
        result = project.call("validate", "--data", "--format", "json")
        assert "note: data set `reviews` is not read: a/b is on the hub" in result.stderr
        assert json.loads(result.stdout) == []
    assert "1 file valid, no data read" in project.bertspec("validate", "--data")


def test_what_is_on_the_web_is_read_only_when_it_is_downloaded(project: Project) -> None:
    content = (project.root / "data/reviews.csv").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    url = "https://example.invalid/reviews.csv"
    source = {
        "type": "url", "files": {"train": {"url": url, "sha256": sha256}},
        "format": {"type": "csv"},
    }  # fmt: skip
    project.write_spec(_spec(source=source))
    assert f"{url} has not been downloaded" in project.bertspec("validate", "--data")
    assert not (project.root / ".bertspec").exists()
    cached = project.root / ".bertspec/downloads" / sha256 / "reviews.csv"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(content[:-1])
    assert f"{url} has not been downloaded" in project.bertspec("validate", "--data")
    assert cached.exists()
    cached.write_bytes(content)
    assert "1 data set with 120 rows" in project.bertspec("validate", "--data")
