"""Spans of a context: which tokens an answer is, and which tokens a model takes for one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertspec.catalog.metrics.levels import level_ends

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from bertspec.catalog.batch import Tokens
    from bertspec.catalog.encoding import encoder

NULL = 0
"""Position of the token that stands for no answer: the first of a sequence, as BERT's [CLS]."""

LOGIT_NOISE = 1e-4
"""Equal texts have scores this close in other batches and runtimes."""


def token_spans(
    tokens: "encoder.Tokens", texts: "np.ndarray", starts: "np.ndarray", ends: "np.ndarray"
) -> "tuple[np.ndarray, np.ndarray]":
    """The first and the last token of spans of characters, counted in the text of each.

    Those are the first token that ends behind the span's start, and the last one that starts
    before its end. A span without a token has a last one before its first.

    `texts` is the number of each span's text; `starts` and `ends` are its first character, and
    the one behind its last.
    """
    import numpy as np

    # Characters of all texts on one line, so that one search finds all spans.
    size = max(int(a.max(initial=0)) for a in (tokens.ends.values, ends)) + 2
    base = np.repeat(np.arange(len(tokens.ids.lengths)) * size, tokens.ids.lengths)
    # Tokens need not be in the order of their characters.
    behind = np.maximum.accumulate(base + tokens.ends.values)
    before = np.minimum.accumulate((base + tokens.starts.values)[::-1])[::-1]
    firsts = np.searchsorted(behind, texts * size + starts, side="right")
    lasts = np.searchsorted(before, texts * size + ends, side="left") - 1
    return firsts - tokens.ids.offsets[texts], lasts - tokens.ids.offsets[texts]


@dataclass(frozen=True)
class BestSpans:
    """The best span of each example, (examples,) each."""

    starts: "np.ndarray"
    """Its first character in the context, and the one behind its last."""
    ends: "np.ndarray"
    scores: "np.ndarray"
    """Its logits of start and end less those of no answer; minus infinity where there is none."""
    null_scores: "np.ndarray"
    """The logits of no answer."""


def best_spans(tokens: "Tokens", kept: "Sequence[np.ndarray]", longest: int) -> BestSpans:
    """What start and end logits, (length, 2) of each sequence, say of examples.

    A span is of `longest` tokens at most, begins with a token that its window owns, and has the
    largest sum of logits; of equal ones the first. No answer has those of the window that is
    surest that it has one, as in BERT's run_squad.py.
    """
    import numpy as np

    places, firsts, lasts = (tokens.numbers(name) for name in ("place", "own_start", "own_end"))
    lists = [tokens.columns[name].combine_chunks() for name in ("context_starts", "context_ends")]
    counts = lists[0].value_lengths().to_numpy()
    borders = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    found = np.array(
        [
            best_span(logits[place : place + count].astype(np.float64), first, last, longest)
            for logits, place, count, first, last in zip(
                kept, places, counts, firsts, lasts, strict=True
            )
        ],
        dtype=[("score", np.float64), ("start", np.int64), ("end", np.int64)],
    )
    nulls = np.array([logits[NULL].astype(np.float64).sum() for logits in kept])
    begins = tokens.firsts
    # The first of the best windows: lexsort is stable, and its last key comes first.
    best = np.lexsort((-found["score"], tokens.examples))[begins]
    has_span = np.isfinite(found["score"][best])
    null_scores = np.minimum.reduceat(nulls, begins) if len(begins) else nulls
    characters = []
    for values, side in zip(lists, ("start", "end"), strict=True):
        flat = values.flatten().to_numpy()
        places_of = np.where(has_span, borders[best] + found[side][best], 0)
        characters.append(np.where(has_span, flat[places_of] if len(flat) else 0, 0))
    scores = found["score"][best] - null_scores
    return BestSpans(characters[0], characters[1], scores, null_scores)


def best_span(
    logits: "np.ndarray", own_start: int, own_end: int, longest: int
) -> tuple[float, int, int]:
    """Score, first and last token of the best span of a window's (tokens, 2) logits.

    Minus infinity where the window owns no token.
    """
    import numpy as np

    if own_start == own_end:
        return -np.inf, 0, 0
    longest = min(longest, len(logits))
    ends = np.concatenate([logits[:, 1], np.full(longest - 1, -np.inf)])
    reached = np.lib.stride_tricks.sliding_window_view(ends, longest)[own_start:own_end]
    totals = logits[own_start:own_end, 0, None] + reached
    first, more = divmod(int(totals.argmax()), longest)
    start = own_start + first
    return float(totals[first, more]), start, start + more


def best_threshold(scores: "np.ndarray", gains: "np.ndarray") -> float:
    """The score from which on an answer is given, so that the sum of F1 is largest.

    `gains` is each example's F1 with its answer less that without. Of equal sums the one with the
    fewest answers. This is find_best_thresh of SQuAD 2.0's evaluate-v2.0.py, but that examples of
    one score stay together, and that the threshold lies between two scores that were seen and
    differ by more than LOGIT_NOISE, so that rounding moves no example over it.
    """
    import numpy as np

    has_span = np.isfinite(scores)
    scores, gains = scores[has_span], gains[has_span]
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = level_ends(ordered, LOGIT_NOISE)
    sums = np.cumsum(gains[order])[ends - 1]
    # Where the answers may end: the last score that is answered, and the first that is not.
    above = np.concatenate([[ordered[0] + 2], ordered[ends - 1]])
    below = np.concatenate([ordered[[0, *ends[:-1]]], [ordered[-1] - 2]])
    chosen = int(np.argmax(np.concatenate([[0.0], sums])))
    return float(above[chosen] + below[chosen]) / 2
