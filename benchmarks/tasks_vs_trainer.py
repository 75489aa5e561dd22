"""bertspec's train and evaluate beside transformers' Trainer and its standard recipes, by task.

Same rows, model, epochs, batch, learning rate, schedule, clipping, choice of the best epoch and
threads; each in a process of its own. The recipes, in trainer_tasks.py, tokenize the prepared
rows themselves, which is not timed. With several seeds: mean and standard deviation.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from project import (
    BEST_SPAN,
    SHARED,
    Run,
    Setting,
    best_span_f1,
    build,
    mean_and_spread,
    measure_bertspec,
    measure_child,
)

SPLITS = ("train", "validation", "test")

RESULTS = {
    "wnut17": ["f1", "precision", "recall"],
    "squad": ["f1", "exact_match", "f1_answerable", "exact_match_unanswerable", BEST_SPAN],
    "wikitext2-masked": ["perplexity", "accuracy"],
    "wikitext2-next": ["perplexity", "accuracy"],
}

Files = dict[str, str]
"""Name in the project's data folder -> content."""


def wnut17(data: Path, rows: int | None) -> Files:
    """The first sentences of each file. Some of its blank lines hold tabs."""
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    found = {}
    for split, name in zip(SPLITS, names, strict=True):
        text = (data / "wnut17" / name).read_text(encoding="utf-8")
        blocks = "\n".join(line.rstrip() for line in text.split("\n")).split("\n\n")
        sentences = [block.strip("\n") for block in blocks if block.strip()][:rows]
        found[f"{split}.conll"] = "\n\n".join(sentences) + "\n"
    return found


def squad(data: Path, rows: int | None) -> Files:
    """The first questions of each article: three to train on, then one each."""
    file = data / "squad" / "squad-v2-dev-5-articles.json"
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    for article in articles:
        left = rows
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = paragraph["qas"][:left]
            left = None if left is None else left - len(paragraph["qas"])
        article["paragraphs"] = [p for p in article["paragraphs"] if p["qas"]]
    parts = zip(SPLITS, (articles[:3], articles[3:4], articles[4:]), strict=True)
    return {f"{split}.json": json.dumps({"data": part}) for split, part in parts}


def wikitext2(data: Path, rows: int | None) -> Files:
    """The first paragraphs, headings among them."""
    found = {}
    for split, name in (("train", "valid"), ("test", "test")):
        text = (data / "wikitext2" / f"{name}.txt").read_text(encoding="utf-8")
        lines = [line.strip() for line in text.split("\n") if line.strip()][:rows]
        found[f"{split}.txt"] = "\n".join(lines) + "\n"
    return found


READERS = {
    "wnut17": wnut17,
    "squad": squad,
    "wikitext2-masked": wikitext2,
    "wikitext2-next": wikitext2,
}


def compare(name: str, data: Path, seeds: int, rows: int | None, device: str) -> None:
    results: dict[str, list[Run]] = {"bertspec": [], "Trainer": []}
    try:
        files = READERS[name](data, rows)
    except FileNotFoundError as error:
        print(f"{name}: skipped, {error.filename} is not here")
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "data").mkdir()
        for file, text in files.items():
            (folder / "data" / file).write_text(text, encoding="utf-8")
        child = Path(__file__).parent / "trainer_tasks.py"
        for seed in range(1, seeds + 1):
            build(folder, name, seed, setting=Setting(device))
            for who, runs in results.items():
                if who == "bertspec":
                    names = [result for result in RESULTS[name] if result != BEST_SPAN]
                    runs.append(measure_bertspec(folder, name, names))
                    if BEST_SPAN in RESULTS[name]:
                        runs[-1][BEST_SPAN] = best_span_f1(folder, name)
                else:
                    runs.append(measure_child(child, folder, name, seed))
                print(f"{name}, seed {seed}: {who} {json.dumps(runs[-1])}", flush=True)
            shutil.rmtree(folder / "trainer", ignore_errors=True)
    report(name, results)


def report(name: str, results: dict[str, list[Run]]) -> None:
    names = ["train", "evaluate", *RESULTS[name]]
    print(f"\n{name:10}", *(f"{n:>24}" for n in names))
    for who, runs in results.items():
        cells = [mean_and_spread([run[n] for run in runs]) for n in names]
        print(f"{who:10}", *(f"{f'{mean:.3f} ± {spread:.3f}':>24}" for mean, spread in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(READERS))
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rows", type=int, help="take only the first rows of each file or article")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    for name in options.names:
        compare(name, options.data, options.seeds, options.rows, options.device)


if __name__ == "__main__":
    main()
