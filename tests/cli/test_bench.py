"""`bertspec bench`: what it measures, what it tells, and that no process of it stays."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from statistics import quantiles
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import psutil
import pytest
from rich.console import Console
from tokenizers import Tokenizer

from bertspec.core.manifest import digest_files
from bertspec.runtime.benching.bench import bench
from bertspec.runtime.benching.formats import Format, kind_of
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.benching.measure import Measured, Plan, Size
from bertspec.runtime.benching.results import Results
from bertspec.runtime.benching.show import show
from bertspec.runtime.seal import Seal
from tests.model.models import edit_json, python
from tests.projects import Project
from tests.runtime.test_predictor import BLOCKED, _others
from tests.waiting import PATIENCE, wait_for

EXPORT = "models/tiny/export"
QUICK = ("--threads", "1", "--rounds", "2", "--seconds", "0", "--tokens", "8", "--batch")


@pytest.fixture(scope="module")
def onnx(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export folder with the ONNX file alone, and no trained model beside it."""
    folder = tmp_path_factory.mktemp("onnx") / "export"
    shutil.copytree(built.root / EXPORT, folder, ignore=shutil.ignore_patterns("model.pt"))
    return _changed(folder, models={"onnx": "model.onnx"})


def _changed(folder: Path, **values: object) -> Path:
    """The folder with other values in bundle.json, as if it had been exported so."""
    edit_json(folder / "bundle.json", **values)
    Seal.of(folder).write()
    return folder


def _rows(said: str, title: str) -> list[str]:
    """First column of a table."""
    table = said.partition(title)[2].partition("└")[0]
    return [line.split()[1] for line in table.splitlines() if line.startswith("│")]


def test_every_format_is_measured_beside_pytorch(built: Project) -> None:
    root, bundle = built.root, json.loads((built.root / EXPORT / "bundle.json").read_text())
    before = digest_files(root)
    said = built.call(
        "bench", "tiny", *QUICK, "1,2", "--output", "bench.json", "--plot", "bench.svg"
    ).stdout
    names = ["pytorch", *bundle["models"]]
    for title in ("batch 1, 8 tokens", "batch 2, 8 tokens", "to have it"):
        assert _rows(said, title) == names
    assert "not measured" not in said
    found = json.loads((root / "bench.json").read_text())
    assert (found["model"], found["reference"], found["threads"]) == ("tiny", "pytorch", 1)
    assert found["machine"]["versions"]["torch"].startswith("2.")
    assert found["not_measured"] == []
    assert [each["name"] for each in found["formats"]] == names
    for each in found["formats"]:
        _check(each, [(1, 8), (2, 8)])
    pytorch, *exports = found["formats"]
    assert pytorch["path"] == "models/tiny/trained"
    assert pytorch["bytes"] == (root / "models/tiny/trained/model.safetensors").stat().st_size
    assert [e["path"] for e in exports] == [f"{EXPORT}/{f}" for f in bundle["models"].values()]
    assert [e["bytes"] for e in exports] == [(root / e["path"]).stat().st_size for e in exports]
    assert {s["ratio"][k] for s in pytorch["sizes"] for k in s["ratio"]} == {1.0}
    picture = ET.parse(root / "bench.svg")  # noqa: S314 - it is our own
    drawn = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert [name for name in drawn if name in names] == names * 2
    for name in ("bench.json", "bench.svg"):
        (root / name).unlink()
    assert digest_files(root) == before, "nothing else was written"


def _check(each: dict[str, Any], sizes: list[tuple[int, int]]) -> None:
    """The numbers of a format are such as times, sizes and ratios are."""
    assert each["load_seconds"] > 0
    assert each["peak_bytes"] > 10 * 2**20, "Python alone has as much"
    assert [(s["batch"], s["tokens"]) for s in each["sizes"]] == sizes
    for size in each["sizes"]:
        assert size["runs"] >= 2 * 3
        assert 0 < size["p50_ms"] <= size["p99_ms"]
        assert size["tokens_per_second"] > 0
        assert 0 < size["ratio"]["low"] <= size["ratio"]["median"] <= size["ratio"]["high"]


def test_the_numbers_are_those_of_the_times(onnx: Path) -> None:
    """Of 1 to 100 ms; the other takes twice as long in one round, and three times in the other."""
    size = Size(batch=4, tokens=32)
    draw = np.random.default_rng(0)
    times = [draw.permutation(np.arange(first, 101, 2) / 1000).tolist() for first in (1, 2)]
    slower = [[factor * each for each in turn] for factor, turn in zip((2, 3), times, strict=True)]
    kinds = {"theirs": slower, "onnx": times}
    measured = [
        Measured(Format(name, "onnx", onnx / "model.onnx"), load, peak=peak, times={size: turns})
        for (name, turns), load, peak in zip(kinds.items(), (2.5, 1.5), (2000, 1000), strict=True)
    ]
    results = Results("tiny", Plan([size], 1, 2, 0.0), 0.1, measured, ())
    theirs, found = results.as_json()["formats"]
    assert (found["load_seconds"], found["peak_bytes"]) == (1.5, 1000)
    assert (theirs["load_seconds"], theirs["peak_bytes"]) == (2.5, 2000)
    (cell,) = found["sizes"]
    assert (cell["batch"], cell["tokens"], cell["runs"]) == (4, 32, 100)
    assert cell["p50_ms"] == pytest.approx(50.5)
    assert cell["p99_ms"] == pytest.approx(99.01)  # between the 99th and the 100th
    assert cell["tokens_per_second"] == pytest.approx(100 * 4 * 32 / sum(map(sum, times)))
    assert cell["ratio"] == pytest.approx({"median": 2.5, "low": 2.0, "high": 3.0})
    assert theirs["sizes"][0]["p99_ms"] == pytest.approx(
        1000 * quantiles([*slower[0], *slower[1]], n=100, method="inclusive")[98]
    )
    shown = StringIO()
    show(results, Console(file=shown))
    (row,) = (line for line in shown.getvalue().splitlines() if "50.50" in line)
    assert row.split()[1:11:2] == ["onnx", "50.50", "99.01", "2,535", "2.50"]


def test_a_missing_runtime_is_named_and_the_extra_predict_is_enough(
    built: Project, tmp_path: Path
) -> None:
    """What processes import first hides all packages that do not come with the extra."""
    text = BLOCKED.partition("from bertspec")[0].replace("NAMES", repr(_others()))
    (tmp_path / "sitecustomize.py").write_text(text)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    options = ("bench", "tiny", *QUICK, "1", "--format", "json")
    found = json.loads(built.run("bertspec", *options, PYTHONPATH=path).stdout)
    assert [each["name"] for each in found["formats"]] == ["onnx"]
    assert found["reference"] == "onnx"
    why = "not installed: torch"
    assert found["not_measured"] == [
        {"name": "pytorch", "why": why}, {"name": "torchscript", "why": why},
    ]  # fmt: skip


def test_what_is_not_there_is_named(built: Project, onnx: Path, tmp_path: Path) -> None:
    models = {"onnx-later": "model.onnx", "quantum": "model.onnx"}
    folder = _changed(Path(shutil.copytree(onnx, tmp_path / "export")), models=models)
    said = built.bertspec("bench", str(folder), *QUICK, "1")
    assert _rows(said, "batch 1, 8 tokens") == _rows(said, "to have it") == ["onnx-later"]
    assert f"not measured: pytorch: there is no trained model beside {folder}" in said
    assert "not measured: quantum: this bertspec knows no such export" in said
    assert "x onnx-later" in said
    _changed(folder, models={"quantum": "model.onnx"})
    said = built.bertspec("bench", str(folder), *QUICK, "1", code=3)
    assert "E502" in said
    assert "quantum: this bertspec knows no such export" in said


def test_files_of_others_are_measured_in_the_same_rounds(onnx: Path) -> None:
    peer = Format("theirs", "onnx", onnx / "model.onnx")
    results = bench("x", onnx, [1], [], threads=1, rounds=3, seconds=0, peers=[peer])
    assert [one.format.name for one in results.measured] == ["onnx", "theirs"]
    (size,) = results.plan.sizes
    assert (size.batch, size.tokens) == (1, 32), "as many as the model reads"
    assert [len(cell.ratios) for _, cell in results.cells(size)] == [3, 3]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("onnx", "onnx"), ("onnx-int8", "onnx"), ("torchscript", "torchscript"), ("onnxx", None)],
)
def test_the_kind_of_an_export_is_in_its_name(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize(("batch", "tokens"), [(1, 1), (1, 2), (3, 3), (2, 32)])
def test_rows_are_words_between_special_tokens(onnx: Path, batch: int, tokens: int) -> None:
    vocabulary = Vocabulary.read(onnx)
    inputs = vocabulary.inputs(batch, tokens)
    assert {value.shape for value in inputs.values()} == {(batch, tokens)}
    assert {value.dtype for value in inputs.values()} == {np.dtype(np.int64)}
    assert inputs["attention_mask"].all(), "no padding"
    ids = inputs["input_ids"]
    tokenizer = Tokenizer.from_file(str(onnx / "tokenizer.json"))
    special = set(tokenizer.get_added_tokens_decoder())
    if tokens > 2:
        first, last = tokenizer.encode("").ids
        assert (ids[:, 0] == first).all()
        assert (ids[:, -1] == last).all()
        ids = ids[:, 1:-1]
    assert not special & set(ids.ravel().tolist())
    assert (ids >= 0).all()
    assert (ids < tokenizer.get_vocab_size()).all()
    np.testing.assert_array_equal(
        vocabulary.inputs(batch, tokens)["input_ids"], inputs["input_ids"]
    )


PEAK = """
from bertspec.runtime.benching.memory import peak_memory
before = peak_memory()
bytearray(b"x") * 10**8
print(before, peak_memory() - before)
"""


SPINS = """
import os, sys

class Told:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("spins:", os.environ.get("GOMP_SPINCOUNT"), file=sys.stderr, flush=True)

sys.meta_path.insert(0, Told())
"""


def test_waiting_threads_of_a_format_sleep(onnx: Path, tmp_path: Path) -> None:
    """It is said before the runtime is imported, as it is when an export is compared."""
    task = json.loads((onnx / "bundle.json").read_text())["task"]
    job = {"name": "onnx", "kind": "onnx", "path": str(onnx / "model.onnx"), "task": task,
           "threads": 1, "vocabulary": asdict(Vocabulary.read(onnx))}  # fmt: skip
    (tmp_path / "sitecustomize.py").write_text(SPINS)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    env = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with subprocess.Popen(
        [sys.executable, "-m", "bertspec.runtime.benching.worker"], text=True,
        env=env | {"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        assert "load" in json.loads(process.stdout.readline())
        _, said = process.communicate(timeout=PATIENCE)
    assert "spins: 10000" in said


def test_peak_memory_is_of_one_process_alone() -> None:
    """What getrusage says begins with the memory of the process that started it: here, torch."""
    before, more = map(int, python(PEAK).split())
    assert before < 10**8
    assert 0.9e8 < more < 1.2e8


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def _of_another_task(path: Path) -> None:
    _changed(path.parent, task={"type": "telepathy"})


def _resealed(path: Path) -> None:
    _truncate(path)
    Seal.of(path.parent).write()


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("model.onnx", _truncate, ["E457", "model.onnx is not as it was exported"]),
        ("model.onnx", _resealed, ["E451", "model.onnx cannot be loaded: ", "dvc pull"]),
        ("model.onnx", Path.unlink, ["E451", "model.onnx is missing"]),
        ("tokenizer.json", _resealed, ["E451", "tokenizer.json cannot be loaded: "]),
        ("tokenizer.json", Path.unlink, ["E451", "tokenizer.json is missing"]),
        ("spec.yaml", _truncate, ["E457", "spec.yaml is not as it was exported"]),
        ("bundle.json", Path.unlink, ["E451", "has no bundle.json"]),
        ("bundle.json", _of_another_task, ["E451", "bundle.json is of the task `telepathy`"]),
        ("manifest.json", Path.unlink, ["E457", "has no manifest.json"]),
    ],
)
def test_a_broken_file_is_told(
    built: Project, onnx: Path, tmp_path: Path, name: str, damage: Any, words: list[str]
) -> None:
    folder = Path(shutil.copytree(onnx, tmp_path / "export"))
    damage(folder / name)
    said = built.bertspec("bench", str(folder), *QUICK, "1", code=2)
    assert all(word in said for word in words), said


def test_a_model_that_cannot_be_run_is_told(built: Project, onnx: Path, tmp_path: Path) -> None:
    """It has 64 positions."""
    folder = _changed(Path(shutil.copytree(onnx, tmp_path / "export")), max_length=100)
    said = built.bertspec("bench", str(folder), *QUICK[:-2], "100", "--batch", "1", code=2)
    assert "E451" in said
    assert "model.onnx cannot be run with 1 x 100 tokens: " in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tinny",), ["E451", "did you mean `tiny`?"]),
        (("tiny", "--tokens", "8,33"), ["E470", "reads 32 tokens at most", "--tokens says 33"]),
        (("tiny", "--batch", "1,0"), ["--batch", "whole numbers above 0"]),
        (("tiny", "--batch", ""), ["--batch", "whole numbers above 0"]),
        (("tiny", "--tokens", "many"), ["--tokens", "whole numbers above 0"]),
        (("tiny", "--batch", "99999999999999999999"), ["--batch", "65536 at most"]),
        (("tiny", "--rounds", "0"), ["--rounds"]),
        (("tiny", "--seconds", "nan"), ["--seconds", "no finite number"]),
        (("tiny", "--seconds", "inf"), ["--seconds", "0<=x<=3600"]),
        (("tiny", "--threads", "1025"), ["--threads", "1<=x<=1024"]),
        (("tiny", "--output", "models"), ["--output", "is a directory"]),
        (("tiny", "--plot", "a.png"), ["--plot", ".svg"]),
    ],
)
def test_bench_tells_what_is_wrong(
    built: Project, arguments: tuple[str, ...], words: list[str]
) -> None:
    said = built.bertspec("bench", *arguments, code=2)
    assert all(word in said for word in words), said


@contextmanager
def benching(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", psutil.Process]]:
    """A bench that would take an hour, and the process of its format."""
    program = [str(Path(sys.executable).parent / "bertspec"), "bench", str(folder)]
    with subprocess.Popen(
        [*program, "--threads", "1", "--seconds", "3600"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            mother = psutil.Process(process.pid)
            wait_for(lambda: bool(mother.children()))
            (child,) = mother.children()
            wait_for(lambda: "onnxruntime" in " ".join(m.path for m in child.memory_maps()))
            yield process, child
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "interrupted; nothing was left half-written"),
        (signal.SIGTERM, 143, "interrupted"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_no_process_stays(onnx: Path, number: signal.Signals, code: int, words: str) -> None:
    with benching(onnx) as (process, child):
        process.send_signal(number)
        said, error = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (code, "")
        assert words in error
        assert "Traceback" not in error
        wait_for(lambda: not _runs(child))


def _runs(process: psutil.Process) -> bool:
    """Whether it does; one that has ended may wait for somebody to ask how."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_process_that_is_ended_is_told(onnx: Path) -> None:
    with benching(onnx) as (process, child):
        child.kill()
        _, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert "error[E479]: the process of onnx has ended with signal SIGKILL" in error
