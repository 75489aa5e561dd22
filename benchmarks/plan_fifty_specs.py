"""Wall time of `bertspec plan` on fifty specs from a cold process, beside DVC's own commands.

No stage runs: what lies in outputs changes nothing here, so files of some size are written in their
places, and dvc.lock and DVC's cache as if they had been built (`dvc commit` of so many takes more
than six minutes). That DVC finds nothing to run is checked; `--alone` leaves DVC out. CPU seconds
are told as well, which other work on the machine changes less than wall time.
"""

import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertspec.core.yaml import load_plain

SPECS, DATA_SETS, RUNS = 50, 5, 5
FILES, FILE_BYTES = 3, 200_000

DATA = {
    "bertspec": 1,
    "columns": {"text": "review", "label": "verdict"},
    "split": {"type": "hash", "validation": 0.2, "test": 0.3},
}
SPEC: dict[str, Any] = {
    "bertspec": 1,
    "task": {"type": "text-classification", "labels": ["bad", "good"]},
    "model": {"base": {"type": "scratch", "config": {"model_type": "bert", "hidden_size": 32,
                       "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
                       "tokenizer": {"type": "wordpiece", "vocab_size": 200}}},
    "evaluation": {"metrics": ["accuracy"]},
    "export": [{"type": "onnx"}],
}  # fmt: skip


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_specs(root)
        _call(root, "git", "init", "--quiet")
        _call(root, "dvc", "init", "--quiet")
        _call(root, "bertspec", "lock", "--threads", "1", "--device", "cpu")
        _call(root, "bertspec", "compile")
        _write_outputs(root)
        _write_lock(root)
        with_peer = "--alone" not in sys.argv
        plan, dvc = ["bertspec", "plan"], ["dvc", "repro", "--dry"]
        if with_peer:
            dry = subprocess.run(dvc, cwd=root, capture_output=True, text=True, check=True)
            if "up to date" not in dry.stdout:
                sys.exit(f"dvc.lock is not what DVC would have written:\n{dry.stdout}")
        print(f"{'seconds':34} {'first':>7} {'median':>7} {'max':>7} {'CPU':>7}")
        _measure(root, "plan, nothing changed", plan, 0)
        if with_peer:
            _measure(root, "peer: dvc repro --dry", dvc, 0)
        spec = root / "specs" / "s07.yaml"
        spec.write_text(spec.read_text().replace("epochs: 1\n", "epochs: 2\n"))
        _measure(root, "plan, a field changed", plan, 2)
        _call(root, "bertspec", "compile")
        _measure(root, "plan, and compiled", plan, 2)
        if with_peer:
            _measure(root, "peer: dvc repro --dry", dvc, 0)


def _write_specs(root: Path) -> None:
    from bertspec.core.yaml import dump

    (root / "specs" / "datasets").mkdir(parents=True)
    (root / "data").mkdir()
    for number in range(DATA_SETS):
        file = f"data/reviews-{number}.csv"
        source = {"type": "csv", "files": {"train": file}}
        (root / file).write_text(f"review,verdict\nnumber {number},good\n")
        (root / f"specs/datasets/d{number}.yaml").write_text(dump(DATA | {"source": source}))
    for number in range(SPECS):
        spec = {
            "name": f"s{number:02}",
            "data": f"d{number % DATA_SETS}",
            "training": {"epochs": 1, "learning_rate": 0.0001 * (number + 1)},
        }
        (root / f"specs/s{number:02}.yaml").write_text(dump(SPEC | spec))


def _write_outputs(root: Path) -> None:
    stages = load_plain((root / "dvc.yaml").read_text())["stages"]
    outs = [o for s in stages.values() for k in ("outs", "metrics", "plots") for o in s.get(k, ())]
    for path in (out if isinstance(out, str) else next(iter(out)) for out in outs):
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.suffix:
            place.write_text(json.dumps({"of": path}))
            continue
        place.mkdir()
        for number in range(FILES):
            (place / f"part-{number}").write_bytes(os.urandom(FILE_BYTES))
    print(f"{len(stages)} stages, {len(outs)} outputs", file=sys.stderr)


def _write_lock(root: Path) -> None:
    """dvc.lock and the cache, as DVC writes them when it has run every stage."""
    params = load_plain((root / "params.yaml").read_text())
    entries = {}
    for name, stage in load_plain((root / "dvc.yaml").read_text())["stages"].items():
        outs = [o for kind in ("outs", "metrics", "plots") for o in stage.get(kind, ())]
        paths = sorted(out if isinstance(out, str) else next(iter(out)) for out in outs)
        entries[name] = {
            "cmd": stage["cmd"],
            "deps": [_kept(root, path) for path in sorted(stage.get("deps", ()))],
            "params": {"params.yaml": {k: _at(params, k) for k in sorted(stage["params"])}},
            "outs": [_kept(root, path) for path in paths],
        }
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": entries}))


def _at(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params


def _kept(root: Path, path: str) -> dict[str, Any]:
    """What dvc.lock says of a path, whose content goes into the cache."""
    place = root / path
    if place.is_file():
        return {"path": path, "hash": "md5", "md5": _cache(root, place.read_bytes())}
    files = sorted(p for p in place.rglob("*") if p.is_file())
    entries = [
        {"md5": _cache(root, p.read_bytes()), "relpath": p.relative_to(place).as_posix()}
        for p in files
    ]
    digest = _cache(root, json.dumps(entries, sort_keys=True).encode(), ".dir")
    return {"path": path, "hash": "md5", "md5": digest, "nfiles": len(files)}


def _cache(root: Path, content: bytes, ending: str = "") -> str:
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest() + ending
    file = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o444)
    return digest


def _call(root: Path, *command: str) -> None:
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)


def _measure(root: Path, name: str, command: Sequence[str], code: int) -> None:
    times, spent = [], []
    for _ in range(RUNS):
        before, start = _cpu(), time.perf_counter()
        result = subprocess.run(command, cwd=root, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
        spent.append(_cpu() - before)
        if result.returncode != code:
            sys.exit(f"{' '.join(command)}: exit code {result.returncode}\n{result.stderr!r}")
    about = (times[0], statistics.median(times), max(times), statistics.median(spent))
    print(f"{name:34} {' '.join(f'{seconds:7.3f}' for seconds in about)}")


def _cpu() -> float:
    """CPU seconds of the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
