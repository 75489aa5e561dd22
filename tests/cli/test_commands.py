"""The command line: exit codes, formats, imports, and what each command prints."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from bertspec.cli import COMMANDS
from tests.projects import SPEC, Project, with_onnx

HEAVY = ("torch", "transformers", "datasets", "dvc", "pyarrow", "onnxruntime", "sklearn", "numpy")


def _imported(project: Project, *arguments: str, code: int = 0) -> set[str]:
    """Modules that a command has imported when it ends."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=open('modules.txt', 'w')))\n"
        "from bertspec.cli import main\n"
        f"main({list(arguments)!r})\n"
    )
    project.run(sys.executable, "-c", program, code=code)
    return set((project.root / "modules.txt").read_text().split())


def test_help_imports_no_pydantic_and_nothing_heavy(project: Project) -> None:
    modules = _imported(project, "--help")
    assert not modules & {"pydantic", "yaml", *HEAVY}


@pytest.mark.parametrize(
    "arguments",
    [("validate",), ("compile",), ("compile", "--check"), ("explain", "tiny-train")],
)
def test_what_looks_at_specs_imports_nothing_heavy(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.compile()
    assert not _imported(project, *arguments) & set(HEAVY)


@pytest.mark.parametrize("command", ["validate", "compile", "plan"])
@pytest.mark.parametrize("base", ["scratch", "local"])
def test_what_looks_at_specs_imports_no_kinds_but_theirs(
    project: Project, base: str, command: str
) -> None:
    kinds = {"sources": {"csv"}, "tasks": {"text-classification"}, "bases": {base},
             "exports": {"onnx"}}  # fmt: skip
    changes = {} if base == "scratch" else {"model": {"base": {"type": base, "path": "mine"}}}
    project.write_spec(with_onnx(**changes))
    (project.root / "mine").mkdir()
    project.compile()
    modules = _imported(project, command, code=2 if command == "plan" else 0)
    for table, named in kinds.items():
        all_kinds = getattr(import_module(f"bertspec.catalog.{table}"), table.upper())
        of_kinds = {kind.__module__: name for name, kind in all_kinds.items()}
        assert {of_kinds[module] for module in modules & of_kinds.keys()} == named


def test_fetch_prepare_and_tokenize_import_no_torch(project: Project) -> None:
    project.compile()
    for name in ("reviews-fetch", "reviews-prepare"):
        assert not _imported(project, "stage", name) & {"torch", "transformers"}
    names = [n for n in project.stages() if n.endswith(("-base", "-tokenize"))]
    base, tokenize = sorted(names, key=lambda n: n.endswith("-tokenize"))
    project.bertspec("stage", base)
    assert not _imported(project, "stage", tokenize) & {"torch", "transformers"}


def test_a_first_prediction_imports_no_more_than_it_runs(built: Project) -> None:
    """Each of these takes a tenth of the time in which the first answer comes, or more."""
    program = (
        "import sys, bertspec\n"
        "(answer,) = bertspec.load('models/tiny/export').predict(['a warm film'])\n"
        "print(answer['label'], *sys.modules)\n"
    )
    in_python = built.run(sys.executable, "-c", program).stdout.split()
    assert in_python[0] in ("bad", "good")
    for modules in (_imported(built, "predict", "tiny", "a warm film"), {*in_python}):
        assert "onnxruntime" in modules
        assert not modules & {
            "torch", "transformers", "datasets", "sklearn", "scipy", "dvc", "onnx", "pandas",
            "pyarrow.compute", "pyarrow.parquet", "pyarrow.dataset", "rich", "fastapi", "uvicorn",
            "jinja2", "huggingface_hub", "safetensors", "openvino", "numpy.random", "numpy.ma",
            "asyncio", "ssl", "multiprocessing", "unittest",
        }  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(project: Project, name: str) -> None:
    assert name in project.bertspec(name, "--help")


def test_help_is_laid_out(project: Project) -> None:
    said = project.bertspec("--help")
    assert "\\b" not in said
    assert "\n    bertspec validate " in said
    assert "\n    dvc repro " in said


@pytest.mark.parametrize("debug", [True, False])
def test_debug_adds_the_traceback_and_changes_nothing_else(project: Project, debug: bool) -> None:
    (project.root / "params.yaml").write_text("x: [")
    options = ["--debug"] if debug else []
    result = subprocess.run(
        [Path(sys.executable).parent / "bertspec", *options, "stage", "x"],
        cwd=project.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "error[E203]" in result.stderr
    assert ("Traceback" in result.stderr) is debug


def test_ctrl_c_while_a_compiled_module_is_imported_is_no_defect(project: Project) -> None:
    # What pybind11 makes of an exception in the initialisation of a module.
    (project.root / "numpy.py").write_text(
        "try:\n    raise KeyboardInterrupt\n"
        "except KeyboardInterrupt as error:\n    raise ImportError('failed') from error\n"
    )
    (project.root / "models/tiny/export").mkdir(parents=True)
    said = project.bertspec("predict", "tiny", "x", code=130, PYTHONPATH=".")
    assert "interrupted" in said


def test_debug_is_an_option_of_bertspec_alone(project: Project) -> None:
    assert "no exported model" in project.bertspec("predict", "nothing", "--", "--debug", code=2)


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
    found = json.loads(project.call("validate", "--format", "json", code=2).stdout)
    unknown = next(d for d in found if d["code"] == "E010")
    assert (unknown["position"]["line"], unknown["position"]["column"]) == (2, 2)
    lines = project.call("validate", "--format", "github", code=2).stdout
    assert "::error file=specs/tiny.json,line=2,col=2,endColumn=6,title=E010::unknown key" in lines


def test_github_is_told_paths_from_the_root_of_its_repository(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project.root / "specs" / "tiny.json").write_text("{}")
    folder = project.root.name
    (linked := tmp_path / "linked").symlink_to(project.root.parent, target_is_directory=True)
    for root, file in (
        (project.root.parent, f"{folder}/specs/tiny.json"),
        (linked, f"{folder}/specs/tiny.json"),
        (project.root, "specs/tiny.json"),
        (project.root / "data", "specs/tiny.json"),  # not in it
    ):
        monkeypatch.setenv("GITHUB_WORKSPACE", str(root))
        said = project.call("validate", "--format", "github", code=2).stdout
        assert f"::error file={file}," in said


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
    assert (project.root / "data/reviews/raw/train-000000.parquet").is_file()


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


@pytest.mark.parametrize("content", [b"<<<<<<< ours\n", b"threads: many\n", b"\xff", b""])
def test_an_unreadable_lock_is_written_anew(project: Project, content: bytes) -> None:
    (project.root / "bertspec.lock").write_bytes(content)
    assert "run `bertspec lock`" in project.bertspec("compile", code=2)
    said = project.bertspec("lock")
    assert "could not be read" in said
    assert "threads" in said
    project.bertspec("compile")
    assert "up to date" in project.bertspec("lock")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"train": {"loss": "low"}}', b'{"train": {"loss": 1}}', b"\xff"],
)
def test_broken_metrics_are_told(project: Project, content: bytes) -> None:
    path = project.root / "models/tiny/metrics.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    said = project.bertspec("show", code=2)
    assert "error[E206]: models/tiny/metrics.json is broken" in said
    assert "dvc repro" in said
    assert "┃" not in said, "no half of a table"


def test_show_answers_a_mistyped_name_with_the_nearest(built: Project) -> None:
    assert "did you mean `tiny`?" in built.bertspec("show", "tinny", code=2)


@pytest.mark.parametrize("fmt", ["text", "json", "github"])
def test_no_format_lets_through_what_a_terminal_obeys(project: Project, fmt: str) -> None:
    name = "\x1b]0;title\x07\x9b2J"
    (project.root / "specs/bad.yaml").write_text(f"bertspec: 1\n{json.dumps(name)}: 1\n")
    said = project.bertspec("validate", "--format", fmt, code=2)
    assert "title" in said
    assert not [c for c in said if not c.isprintable() and c not in "\n\t"]


def test_a_traceback_lets_nothing_through_either(project: Project) -> None:
    command = (Path(sys.executable).parent / "bertspec", "--debug", "show", "\x1b[2J")
    result = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert "Traceback" in result.stderr
    assert not [c for c in result.stderr if not c.isprintable() and c not in "\n\t"]
