"""Pairs of near-duplicate texts on two sides, without comparing every text with every other.

A text is the set of its character 5-grams; two are as similar as the Jaccard index of their sets.
MinHash signatures, cut into bands, bring similar texts into one bucket (locality-sensitive
hashing), and what shares a bucket is compared exactly: hashing can miss a pair, never invent one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from bertspec.catalog.contract.data import Texts

if TYPE_CHECKING:
    import numpy as np

WIDTH = 5
"""Characters of a shingle."""

SLOTS = 128
"""Numbers in a signature."""

RECALL = 0.999
"""Probability with which a pair that is just at the threshold shares a bucket, at least."""

_SEED = 1
_CHARACTERS = 2**21
"""Characters whose shingles are in memory at once."""

_PAIRS = 2**14
"""Pairs whose texts are in memory at once."""

MOST_ESTIMATED = 200_000_000
MOST_COMPARED = 4_000_000
"""Pairs to look at before giving up, about two minutes: millions of texts from one template."""

_MIX = 0x9E3779B97F4A7C15
_FINAL = 0xBF58476D1CE4E5B9


def shingles(text: str) -> set[str]:
    """The character 5-grams of a text; one that is shorter is its own."""
    return {text[i : i + WIDTH] for i in range(max(1, len(text) - WIDTH + 1))}


def jaccard(first: set[str], second: set[str]) -> float:
    """Size of the intersection by size of the union."""
    common = len(first & second)
    return common / (len(first) + len(second) - common)


def bands(threshold: float) -> tuple[int, int]:
    """Bands and rows of a band: the most rows, so fewest chance buckets, that still have RECALL.

    A band of r numbers agrees with probability s^r for two texts of similarity s.
    """
    for rows in range(SLOTS, 1, -1):
        count = SLOTS // rows
        if recall(threshold, count, rows) >= RECALL:
            return count, rows
    return SLOTS, 1


def recall(similarity: float, count: int, rows: int) -> float:
    """The probability that two texts of a similarity share a bucket."""
    return 1.0 - (1.0 - similarity**rows) ** count


@dataclass(eq=False)
class NearPairs:
    """For each item a near-duplicate on another side, if it has one: the first one found."""

    partners: "np.ndarray"
    """Position of the other item, -1 for none."""
    similarities: "np.ndarray"
    complete: bool = True
    """False when there were too many candidates to look at all of them."""
    compared: int = 0
    estimated: int = 0


@dataclass(frozen=True, eq=False)
class Items:
    """Texts on sides. An item has one text of each of `fields`; equal `keys` are one text."""

    fields: Sequence[Texts]
    codes: Sequence["np.ndarray"] = field(repr=False)
    """For each field the number of each item's text in its `values`."""
    keys: "np.ndarray"
    sides: "np.ndarray"
    """Ascending."""

    def texts(self, place: int, items: "np.ndarray") -> list[str]:
        """The texts of some items in one field."""
        import pyarrow as pa

        return self.fields[place].values.take(pa.array(self.codes[place][items])).to_pylist()


def near_pairs(items: Items, threshold: float) -> NearPairs:
    """Look for an item on another side whose every field is at least that similar.

    Items with an equal key are not each other's near-duplicates. The result is a function of the
    items and their order.
    """
    import numpy as np

    size = len(items.keys)
    result = NearPairs(np.full(size, -1, dtype=np.int64), np.zeros(size))
    if not size:
        return result
    count, rows = bands(threshold)
    buckets, signatures = _sketch(items, count, rows)
    # What a signature of so few numbers may be below the similarity that it estimates: with five
    # standard deviations a pair in three million is lost.
    slack = 5 * (threshold * (1 - threshold) / (count * rows)) ** 0.5
    for band in range(count):
        for left, right in _candidates(buckets[band], items.sides):
            for start in range(0, len(left), _PAIRS):
                a, b = left[start : start + _PAIRS], right[start : start + _PAIRS]
                new = (result.partners[a] < 0) | (result.partners[b] < 0)
                new &= items.keys[a] != items.keys[b]
                a, b = a[new], b[new]
                result.estimated += len(a)
                alike = (signatures[a] == signatures[b]).mean(axis=1) >= threshold - slack
                _compare(items, a[alike], b[alike], threshold, result)
                if result.estimated > MOST_ESTIMATED or result.compared > MOST_COMPARED:
                    result.complete = False
                    return result
    return result


def _compare(
    items: Items, left: "np.ndarray", right: "np.ndarray", threshold: float, result: NearPairs
) -> None:
    """Compare pairs exactly, and keep those that are similar."""
    import numpy as np

    similar = np.ones(len(left))
    for place in range(len(items.fields)):
        pairs = zip(items.texts(place, left), items.texts(place, right), strict=True)
        measured = [jaccard(shingles(a), shingles(b)) for a, b in pairs]
        similar = np.minimum(similar, measured)
    result.compared += len(left)
    for at in np.flatnonzero(similar >= threshold):
        for one, other in ((left[at], right[at]), (right[at], left[at])):
            if result.partners[one] < 0:
                result.partners[one], result.similarities[one] = other, similar[at]


def _candidates(
    keys: "np.ndarray", sides: "np.ndarray"
) -> Iterator[tuple["np.ndarray", "np.ndarray"]]:
    """Pairs of items with an equal key on two sides: all of them, in rounds.

    In a bucket with n items on one side and m on the other, round k pairs item i with item
    i + k mod m. So each round has every item once, and where all are similar, one is enough.
    """
    import numpy as np

    order = np.argsort(keys, kind="stable")  # in a bucket the sides stay in order
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    names = np.unique(sides)
    counts = {s: np.add.reduceat((sides[order] == s).astype(np.int64), starts) for s in names}
    offsets, offset = {}, starts
    for side in names:
        offsets[side] = offset
        offset = offset + counts[side]
    for one, other in combinations(names, 2):
        both = np.flatnonzero((counts[one] > 0) & (counts[other] > 0))
        swap = counts[one][both] < counts[other][both]
        large = np.where(swap, counts[other][both], counts[one][both])
        small = np.where(swap, counts[one][both], counts[other][both])
        large_at = np.where(swap, offsets[other][both], offsets[one][both])
        small_at = np.where(swap, offsets[one][both], offsets[other][both])
        turn = 0
        while len(large):
            bucket = np.repeat(np.arange(len(large)), large)
            i = np.arange(len(bucket)) - np.repeat(np.cumsum(large) - large, large)
            left = order[large_at[bucket] + i]
            right = order[small_at[bucket] + (i + turn) % small[bucket]]
            yield left, right
            turn += 1
            rest = small > turn
            large, small = large[rest], small[rest]
            large_at, small_at = large_at[rest], small_at[rest]


def _sketch(items: Items, count: int, rows: int) -> "tuple[np.ndarray, np.ndarray]":
    """Bucket of each item in each band, and the low byte of each number of its signature."""
    import numpy as np
    from pyarrow import compute as pc
    from rensa import RMinHash

    size = len(items.keys)
    buckets = np.empty((count, size), dtype=np.uint64)
    signatures = np.empty((size, count * rows), dtype=np.uint8)
    lengths = sum(
        np.asarray(pc.utf8_length(texts.values)).astype(np.int64)[codes]
        for texts, codes in zip(items.fields, items.codes, strict=True)
    )
    chunk = (np.cumsum(lengths) // _CHARACTERS).astype(np.int64)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(chunk)) + 1, [size]])
    for start, end in pairwise(edges):
        hashes, offsets = _hashed(items, np.arange(start, end))
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, count * rows, _SEED)
        numbers = np.array(matrix.to_rows(), dtype=np.uint64)
        signatures[start:end] = numbers.astype(np.uint8)
        for band in range(count):
            mixed = np.zeros(end - start, dtype=np.uint64)
            for column in range(band * rows, (band + 1) * rows):
                mixed = (mixed ^ numbers[:, column]) * np.uint64(_MIX)
                mixed ^= mixed >> np.uint64(29)
            buckets[band, start:end] = mixed
    return buckets, signatures


def _hashed(items: Items, chosen: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Hashes of the shingles of some items, and where each item's begin.

    The shingles of two fields differ, so that the similarity of the whole is at least that of the
    least similar field.
    """
    import numpy as np

    hashes, owners = [], []
    for place in range(len(items.fields)):
        texts = [text.ljust(WIDTH, "\0") for text in items.texts(place, chosen)]
        points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
        lengths = np.array([len(text) for text in texts])
        ends = np.cumsum(lengths)
        size = len(points) - WIDTH + 1
        mixed = np.full(size, place + 1, dtype=np.uint64)
        for shift in range(WIDTH):
            mixed = mixed * np.uint64(_MIX) + points[shift : shift + size]
        mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(_FINAL)
        mixed ^= mixed >> np.uint64(27)
        owner = np.repeat(np.arange(len(texts)), lengths)[:size]
        inside = np.arange(size) + WIDTH <= ends[owner]
        hashes.append(mixed[inside])
        owners.append(owner[inside])
    every, owner = np.concatenate(hashes), np.concatenate(owners)
    if len(hashes) > 1:
        every = every[np.argsort(owner, kind="stable")]
    counts = np.bincount(owner, minlength=len(chosen))
    return every, np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
