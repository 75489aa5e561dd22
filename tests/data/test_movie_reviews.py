"""The shipped reviews: no two near-duplicates, a large vocabulary, balanced, films whole."""

import csv
import re
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest

REVIEWS = Path(__file__).parent.parent.parent / "data" / "movie-reviews" / "reviews.csv"


@pytest.fixture(scope="module")
def reviews() -> list[dict[str, str]]:
    with REVIEWS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _grams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


def test_no_two_reviews_are_near_duplicates(reviews: list[dict[str, str]]) -> None:
    grams = [_grams(r["review"]) for r in reviews]
    having = defaultdict(list)
    for index, found in enumerate(grams):
        for gram in found:
            having[gram].append(index)
    pairs = {pair for rows in having.values() for pair in combinations(rows, 2)}
    worst = max((len(grams[a] & grams[b]) / len(grams[a] | grams[b]) for a, b in pairs), default=0)
    assert worst < 0.3
    assert len({r["review"].lower() for r in reviews}) == len(reviews)


def test_the_vocabulary_is_large(reviews: list[dict[str, str]]) -> None:
    words = {w for r in reviews for w in re.findall(r"[a-z']+", r["review"].lower())}
    assert len(words) > 6000


def test_labels_and_films(reviews: list[dict[str, str]]) -> None:
    labels = Counter(r["sentiment"] for r in reviews)
    assert set(labels) == {"positive", "negative"}
    assert 0.8 < labels["positive"] / labels["negative"] < 1.25
    films = defaultdict(set)
    for r in reviews:
        films[r["film"]].add(r["sentiment"])
    assert all(len(found) == 2 for found in films.values()), "each film has both"
