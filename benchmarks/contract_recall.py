"""What the data contract finds of faults planted in real data: planted, found, false alarms.

MR gets leaks, contradictions, a new label and bad texts; WNUT 2017 broken tags and spans; SQuAD 2.0
broken offsets. Each kind of fault is planted in a fresh copy. What a rule finds in the data as it
is does not count as a false alarm: it is printed first, to be looked at.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow as pa

from bertspec.catalog.contract import RULES
from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.contract.normalisation import normalise
from bertspec.catalog.contract.similarity import jaccard, shingles
from bertspec.catalog.source import SPLITS, SplitName
from bertspec.runtime.splitting import split_of

SEED = 13
EDITS = (0.05, 0.1, 0.15, 0.2)

Row = dict[str, Any]
Rows = dict[SplitName, list[Row]]
Place = tuple[str, int]
"""File and row."""

Plant = Callable[[Rows, random.Random], set[Place]]
"""Changes rows in place, and tells the places of all rows that then break the rule."""


def movie_reviews(folder: Path) -> Rows:
    """MR, divided by the project's own hash."""
    rows: Rows = {split: [] for split in SPLITS}
    for label, name in (("positive", "rt-polarity.pos"), ("negative", "rt-polarity.neg")):
        lines = (folder / "movie-reviews" / name).read_text(encoding="utf-8").split("\n")
        for number, text in enumerate(lines, 1):
            if text.strip():
                row = {"text": text, "label": label, "file": name, "row": number}
                rows[split_of((text,), 0.1, 0.2, "")].append(row)
    return rows


def wnut17(folder: Path) -> Rows:
    """WNUT 2017 as tokens and tags, and as text with spans."""
    rows: Rows = {split: [] for split in SPLITS}
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    for split, name in zip(SPLITS, names, strict=True):
        text = (folder / "wnut17" / name).read_text(encoding="utf-8")
        # Some blank lines hold tabs.
        blocks = "\n".join(line.rstrip() for line in text.split("\n")).split("\n\n")
        for number, block in enumerate(filter(str.strip, blocks), 1):
            pairs = [line.split("\t") for line in block.strip("\n").split("\n")]
            tokens, tags = [p[0] for p in pairs], [p[1] for p in pairs]
            rows[split].append(
                {"tokens": tokens, "tags": tags, "text": " ".join(tokens),
                 "spans": list(_spans(tokens, tags)), "file": name, "row": number}
            )  # fmt: skip
    return rows


def _spans(tokens: list[str], tags: list[str]) -> Iterator[Row]:
    start = 0
    found: list[Row] = []
    for token, tag in zip(tokens, tags, strict=True):
        end = start + len(token)
        if tag.startswith("B-"):
            found.append({"start": start, "end": end, "label": tag[2:]})
        elif tag.startswith("I-"):
            found[-1]["end"] = end
        start = end + 1
    return iter(found)


def squad(folder: Path) -> Rows:
    """Five articles of SQuAD 2.0; the last is the test."""
    rows: Rows = {split: [] for split in SPLITS}
    path = folder / "squad" / "squad-v2-dev-5-articles.json"
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    number = 0
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                number += 1
                answers = {
                    "text": [a["text"] for a in qa["answers"]],
                    "answer_start": [a["answer_start"] for a in qa["answers"]],
                }
                rows["test" if article is articles[-1] else "train"].append(
                    {"question": qa["question"], "context": paragraph["context"],
                     "answers": answers, "file": path.name, "row": number}
                )  # fmt: skip
    return rows


def prepared(rows: Rows) -> PreparedData:
    """The rows as the rules take them."""
    return PreparedData({s: pa.Table.from_pylist(found) for s, found in rows.items() if found})


def found_by(rule: str, rows: Rows, **options: Any) -> tuple[set[Place], list[str], list[Row]]:
    """Places of all rows that a rule finds, its messages, and the rows."""
    findings = list(RULES[rule].model_validate(options).check(prepared(rows)))
    listed = [row for finding in findings for row in finding.rows.to_pylist()]
    return {(r["file"], r["row"]) for r in listed}, [f.message for f in findings], listed


def place(row: Row) -> Place:
    return row["file"], row["row"]


def added(rows: Rows, split: SplitName, row: Row, number: int) -> Place:
    """Add a planted row, which has a place of its own."""
    rows[split].append(row | {"file": "planted", "row": number})
    return "planted", number


def respelled(text: str, draw: random.Random) -> str:
    """The same text in other capitals, spacing and punctuation."""
    words = [draw.choice((str.upper, str.title, str))(word) for word in text.split()]
    return draw.choice(("  ", " , ", " - ")).join(words) + draw.choice(("", "!", " …"))


def edited(text: str, share: float, words: list[str], draw: random.Random) -> str:
    """Some of the words, one at least, replaced by words of other texts, removed or doubled."""
    result = text.split()
    for at in draw.sample(range(len(result)), max(1, round(share * len(result)))):
        result[at] = draw.choice((draw.choice(words), draw.choice(words), "", f"{result[at]} so"))
    return " ".join(filter(None, result))


def leak(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["train"], 200)
    return {place(row) for row in chosen} | {
        added(rows, "test", row | {"text": respelled(row["text"], draw)}, number)
        for number, row in enumerate(chosen)
    }


def repeat(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["train"], 200)
    return {
        added(rows, "train", row | {"text": respelled(row["text"], draw)}, number)
        for number, row in enumerate(chosen)
    }


def contradict(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["train"], 200)
    other = {"positive": "negative", "negative": "positive"}
    return {place(row) for row in chosen} | {
        added(rows, "train", row | {"label": other[row["label"]]}, number)
        for number, row in enumerate(chosen)
    }


def mislabel(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["test"], 5)
    for row in chosen:
        row["label"] = "postive"
    return {place(row) for row in chosen}


def empty(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["train"], 50)
    for row in chosen:
        row["text"] = draw.choice(("", " ", "\t\n", "\u00a0", "\u200b \ufeff"))
    return {place(row) for row in chosen}


def lengthen(rows: Rows, draw: random.Random) -> set[Place]:
    chosen = draw.sample(rows["train"], 50)
    for row in chosen:
        row["text"] = " ".join(r["text"] for r in draw.sample(rows["train"], 250))
    return {place(row) for row in chosen}


def misalign(rows: Rows, draw: random.Random) -> set[Place]:
    """Entities that begin with I-, a tag lost, an empty token, a tag of another form."""

    def begins(row: Row) -> list[int]:
        before = ["O", *row["tags"]]
        return [i for i, t in enumerate(row["tags"]) if t[0] == "B" and before[i] == "O"]

    chosen = draw.sample([r for r in rows["train"] if begins(r)], 200)
    for number, row in enumerate(chosen):
        at = draw.choice(begins(row))
        match number % 4:
            case 0:
                row["tags"][at] = f"I{row['tags'][at][1:]}"
            case 1:
                del row["tags"][at]
            case 2:
                row["tokens"][at] = draw.choice(("", " "))
            case _:
                row["tags"][at] = row["tags"][at][2:]
    return {place(row) for row in chosen}


def shift_spans(rows: Rows, draw: random.Random) -> set[Place]:
    """Offsets one to the left or to the right, or beyond the text."""
    chosen = draw.sample([r for r in rows["train"] if r["spans"]], 200)
    for row in chosen:
        by = draw.choice((-1, 1, len(row["text"])))
        span = draw.choice(row["spans"])
        span["start"] += by
        span["end"] += by
    return {place(row) for row in chosen}


def shift_answers(rows: Rows, draw: random.Random) -> set[Place]:
    """One answer's offset wrong by up to nine characters."""
    chosen = draw.sample([r for r in rows["train"] if r["answers"]["text"]], 200)
    for row in chosen:
        starts = row["answers"]["answer_start"]
        at = draw.randrange(len(starts))
        starts[at] += draw.choice([by for by in range(-9, 10) if by and starts[at] + by >= 0])
    return {place(row) for row in chosen}


def count_bytes(rows: Rows, _: random.Random) -> set[Place]:
    """All offsets counted in bytes of UTF-8; wrong where a character before has several."""
    wrong = set()
    for row in rows["train"]:
        starts = row["answers"]["answer_start"]
        in_bytes = [len(row["context"][:start].encode()) for start in starts]
        if in_bytes != starts:
            wrong.add(place(row))
        row["answers"]["answer_start"] = in_bytes
    return wrong


PLANTS: dict[str, list[tuple[str, str, Plant]]] = {
    "MR": [
        ("duplicates_across_splits", "train rows respelled in test", leak),
        ("contradicting_labels", "train rows again with the other label", contradict),
        ("duplicates_within_split", "train rows respelled in train", repeat),
        ("label_support", "a label in test alone", mislabel),
        ("empty_text", "nothing, whitespace, invisible characters", empty),
        ("long_text", "250 texts in one", lengthen),
    ],
    "WNUT 2017": [
        ("entity_spans", "broken tags, lost tags, empty tokens", misalign),
        ("entity_spans", "spans moved by one or out of the text", shift_spans),
    ],
    "SQuAD 2.0": [
        ("answers_at_offset", "an offset wrong by 1 to 9", shift_answers),
        ("answers_at_offset", "offsets in bytes", count_bytes),
    ],
}

LOADERS: dict[str, tuple[str, Callable[[Path], Rows]]] = {
    "MR": ("movie-reviews", movie_reviews),
    "WNUT 2017": ("wnut17", wnut17),
    "SQuAD 2.0": ("squad", squad),
}


def is_near(one: Place, rows: Rows, threshold: float) -> bool:
    """Whether a row is near to any row of another split, by brute force."""
    split, text = next((s, r["text"]) for s in SPLITS for r in rows[s] if place(r) == one)
    grams = shingles(normalise(text))
    return any(
        jaccard(grams, shingles(normalise(row["text"]))) >= threshold
        for other in SPLITS
        for row in rows[other]
        if other != split and normalise(row["text"]) != normalise(text)
    )


def near(rows: Rows) -> None:
    """Edited leaks: those that are above the threshold by brute force, and those found."""
    print("\n| MR, words edited | threshold | planted | as near | of them found | false alarms |")
    print("|---|---|---|---|---|---|")
    for threshold in (0.8, 0.6):
        before = found_by("near_duplicates_across_splits", rows, threshold=threshold)[0]
        for share in EDITS:
            changed, draw = deepcopy(rows), random.Random(SEED)  # noqa: S311
            words = [word for row in rows["train"] for word in row["text"].split()]
            chosen = draw.sample(rows["train"], 300)
            copies = [edited(row["text"], share, words, draw) for row in chosen]
            sources, close = set(), set()
            for number, (row, copy) in enumerate(zip(chosen, copies, strict=True)):
                added(changed, "test", row | {"text": copy}, number)
                one, other = normalise(row["text"]), normalise(copy)
                sources.add(place(row))
                if one != other and jaccard(shingles(one), shingles(other)) >= threshold:
                    close.add(("planted", number))
            found = found_by("near_duplicates_across_splits", changed, threshold=threshold)[0]
            # An edited text may also be near to another one than its source: look at all.
            others = found - close - sources - before
            false = {p for p in others if not is_near(p, changed, threshold)}
            print(
                f"| {share:.0%} | {threshold} | {len(chosen)} | {len(close)} "
                f"| {len(found & close)} | {len(false)} |"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data
    loaded: dict[str, Rows] = {}
    for name, (inside, load) in LOADERS.items():
        if (folder / inside).is_dir():
            loaded[name] = load(folder)
        else:
            print(f"{name} is not in {folder}: skipped")
    for name, rows in loaded.items():
        for rule, kind in RULES.items():
            options = kind.model_validate({})
            if options.applies(prepared(rows)) and (seen := found_by(rule, rows)[1]):
                print(f"{name} as it is: {rule}: {'; '.join(seen)}")
    print("\n| data | rule | planted fault | rows | found | false alarms | s |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in loaded.items():
        for rule, what, plant in PLANTS[name]:
            before, _, _ = found_by(rule, rows)
            changed = deepcopy(rows)
            planted = plant(changed, random.Random(SEED))  # noqa: S311
            start = time.perf_counter()
            found, _, _ = found_by(rule, changed)
            seconds = time.perf_counter() - start
            print(
                f"| {name} | {rule} | {what} | {len(planted)} | {len(found & planted)} "
                f"| {len(found - planted - before)} | {seconds:.2f} |"
            )
    if "MR" in loaded:
        near(loaded["MR"])
    if "SQuAD 2.0" in loaded:
        proposals(loaded["SQuAD 2.0"])
    return 0


def proposals(rows: Rows) -> None:
    """How often the occurrence that a finding proposes is the right one."""
    changed = deepcopy(rows)
    shift_answers(changed, random.Random(SEED))  # noqa: S311
    right = {
        place(row): {f"the nearest is at {s}" for s in row["answers"]["answer_start"]}
        for row in rows["train"]
    }
    listed = found_by("answers_at_offset", changed)[2]
    good = sum(any(r["note"].endswith(p) for p in right[r["file"], r["row"]]) for r in listed)
    print(f"\nanswers_at_offset proposes the right offset in {good} of {len(listed)} rows")


if __name__ == "__main__":
    sys.exit(main())
