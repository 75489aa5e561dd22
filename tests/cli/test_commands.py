"""The command line: exit codes, formats, imports, init, and what each command prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bertspec.cli import COMMANDS
from tests.projects import SPEC, Project

HEAVY = ("torch", "transformers", "datasets", "dvc", "pyarrow", "onnxruntime", "sklearn", "numpy")


def _imported(project: Project, *arguments: str) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*{m.partition('.')[0] for m in sys.modules}, "
        "file=open('modules.txt', 'w')))\n"
        "from bertspec.cli import main\n"
        f"main({list(arguments)!r})\n"
    )
    project.run(sys.executable, "-c", code)
    return set((project.root / "modules.txt").read_text().split())


def test_help_imports_no_pydantic_and_nothing_heavy(project: Project) -> None:
    modules = _imported(project, "--help")
    assert not modules & {"pydantic", "yaml", *HEAVY}


@pytest.mark.parametrize("arguments", [("validate",), ("compile",), ("compile", "--check")])
def test_validate_and_compile_import_nothing_heavy(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.compile()
    assert not _imported(project, *arguments) & set(HEAVY)


def test_fetch_prepare_and_tokenize_import_no_torch(project: Project) -> None:
    project.compile()
    for name in ("reviews-fetch", "reviews-prepare"):
        assert not _imported(project, "stage", name) & {"torch", "transformers"}
    names = [n for n in project.stages() if n.endswith(("-base", "-tokenize"))]
    base, tokenize = sorted(names, key=lambda n: n.endswith("-tokenize"))
    project.bertspec("stage", base)
    assert not _imported(project, "stage", tokenize) & {"torch", "transformers"}


def test_predict_imports_no_torch(built: Project) -> None:
    modules = _imported(built, "predict", "tiny", "a warm film")
    assert not modules & {"torch", "transformers", "datasets", "pydantic", "pyarrow", "sklearn"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(project: Project, name: str) -> None:
    assert name in project.bertspec(name, "--help")


def test_a_mistyped_command_is_answered_with_the_nearest(project: Project) -> None:
    assert "did you mean `validate`?" in project.bertspec("valdate", code=2)


def test_validate_shows_all_errors_of_all_files_at_once(project: Project) -> None:
    bad = json.loads(json.dumps(SPEC))
    bad["training"]["learnin_rate"] = 1
    bad["evaluation"]["metrics"] = ["acuracy"]
    project.write_spec(bad)
    (project.root / "specs" / "b.yaml").write_text("bertspec: 1\nname: b\ntask: {}\n")
    text = project.bertspec("validate", code=2)
    assert "specs/tiny.json:" in text
    assert "specs/b.yaml:" in text
    assert "did you mean `learning_rate`?" in text
    assert '"learnin_rate": 1' in text, "the line is shown"
    assert "^^^^" in text


def test_machine_formats(project: Project) -> None:
    (project.root / "specs" / "tiny.json").write_text('{"bertspec": 1,\n "nam": 2}')
    found = json.loads(project.run("bertspec", "validate", "--format", "json", code=2).stdout)
    unknown = next(d for d in found if d["code"] == "E010")
    assert (unknown["position"]["line"], unknown["position"]["column"]) == (2, 2)
    lines = project.run("bertspec", "validate", "--format", "github", code=2).stdout
    assert "::error file=specs/tiny.json,line=2,col=2,endColumn=6,title=E010::unknown key" in lines


def test_exit_codes(project: Project) -> None:
    project.bertspec("validate", code=0)
    project.bertspec("validate", "nowhere", code=2)
    project.bertspec("compile", code=2)  # no lock
    project.compile()
    project.bertspec("compile", "--check", code=0)
    project.write_spec(json.loads(json.dumps(SPEC)) | {"training": {"epochs": 9}})
    assert "+    epochs: 9" in project.bertspec("compile", "--check", code=1)
    project.bertspec("compile", "--check", code=1)  # it has written nothing
    project.bertspec("stage", "nothing", code=2)


def test_another_package_version_than_locked_is_a_fault_of_the_machine(project: Project) -> None:
    project.compile()
    lock = project.root / "bertspec.lock"
    text = lock.read_text()
    line = next(line for line in text.splitlines() if "pyarrow" in line)
    lock.write_text(text.replace(line, "  pyarrow: 1.2.3"))
    project.bertspec("compile")
    message = project.bertspec("stage", "reviews-fetch", code=3)
    assert "locked is 1.2.3" in message
    assert "pip install" in message


def test_a_full_disk_is_a_fault_of_the_machine_and_leaves_nothing(project: Project) -> None:
    project.compile()
    # A limit on the size of any file is what a full disk is to a program: a write that fails.
    limited = "ulimit -f 0; trap '' XFSZ; exec bertspec stage reviews-fetch"
    result = project.run("bash", "-c", limited, code=3)
    assert "E503" in result.stderr
    assert not (project.root / "data/reviews/raw").exists()
    project.bertspec("stage", "reviews-fetch")
    assert (project.root / "data/reviews/raw/train.parquet").is_file()


def test_compile_writes_only_what_changes(project: Project) -> None:
    project.compile()
    path = project.root / "params.yaml"
    before = path.stat().st_mtime_ns
    assert "up to date" in project.bertspec("compile")
    assert path.stat().st_mtime_ns == before


def test_explain_code_and_fields(project: Project) -> None:
    assert "E012" not in project.bertspec("explain-code", "e012")
    assert "kind" in project.bertspec("explain-code", "e012")
    assert "did you mean" in project.bertspec("explain-code", "E0122", code=2)
    assert "default: 3" in project.bertspec("fields", "training.epochs")


def test_init_makes_a_project_that_builds(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.bertspec("init")
    project.bertspec("lock", "--threads", "1")
    project.bertspec("compile")
    project.run("dvc", "repro")
    assert "accuracy" in project.bertspec("show")
    assert "%" in project.bertspec("predict", "sentiment", "a lovely soup")


def test_init_touches_nothing_that_is_there(tmp_path: Path) -> None:
    project = Project(tmp_path / "repo")
    (project.root / "sub").mkdir(parents=True)
    project.run("git", "init", "--quiet")
    mine = project.root / "sub" / ".gitignore"
    mine.write_text("mine\n")
    inside = Project(project.root / "sub")
    inside.bertspec("init")
    assert mine.read_text() == "mine\n"
    assert not (inside.root / ".git").exists()
    assert (inside.root / ".dvc").is_dir()
    assert "kept     specs/sentiment.yaml" in inside.bertspec("init")


def test_predict_reads_files_and_standard_input_in_order(built: Project) -> None:
    folder = built.root
    texts = ["a warm and funny film", "we hated every minute", "", "x" * 5000, "naïve 😀"]
    (folder / "t.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "t.jsonl").write_text("".join(json.dumps({"body": t}) + "\n" for t in texts))
    by_file = built.run("bertspec", "predict", "tiny", "--file", "t.txt", "--format", "json").stdout
    rows = [json.loads(line) for line in by_file.splitlines()]
    assert [r["text"] for r in rows] == texts
    assert all(abs(sum(r["probabilities"].values()) - 1) < 1e-9 for r in rows)
    other = built.run(
        "bertspec", "predict", "models/tiny/export", "--file", "t.jsonl", "--column", "body",
        "--format", "json",
    ).stdout  # fmt: skip
    assert other == by_file
    piped = subprocess.run(
        [Path(sys.executable).parent / "bertspec", "predict", "tiny", "--format", "json"],
        cwd=folder, input="\n".join(texts) + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert piped.stdout == by_file


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing", "x"), 2, "no exported model"),
        (("tiny", "--file", "none.txt"), 2, "does not exist"),
        (("tiny", "--file", "bad.txt"), 2, "line 2"),
        (("tiny", "--file", "bad.jsonl"), 2, "bad.jsonl"),
        (("tiny", "--file", "good.jsonl", "--column", "body"), 2, "column `body`"),
    ],
)
def test_predict_tells_what_is_wrong(
    built: Project, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (built.root / "bad.txt").write_bytes(b"good\n\xff\xfe\n")
    (built.root / "bad.jsonl").write_text("{")
    (built.root / "good.jsonl").write_text('{"text": "a"}\n')
    assert words in built.bertspec("predict", *arguments, code=code)


def test_predictions_are_those_of_the_trained_model(built: Project) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    texts = ["a warm and funny film", "poor cast and a limp script number 7"]
    result = built.run("bertspec", "predict", "tiny", *texts, "--format", "json").stdout
    rows = [json.loads(line) for line in result.splitlines()]
    folder = built.root / "models/tiny/trained"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    for text, row in zip(texts, rows, strict=True):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
        expected = torch.softmax(logits, 0).tolist()
        assert list(row["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def test_the_naughty_strings_are_predicted(built: Project, shared: Path) -> None:
    texts = json.loads((shared / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    (built.root / "n.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    result = built.run("bertspec", "predict", "tiny", "--file", "n.jsonl", "--format", "json")
    assert [json.loads(line)["text"] for line in result.stdout.split("\n")[:-1]] == texts
