"""Tags of words: how schemes write entities, how tags are read, and the best legal tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Scheme = Literal["IOB2", "IOBES", "IO", "IOB1"]

PREFIXES: Mapping[Scheme, str] = {"IOB2": "BI", "IOBES": "BIES", "IO": "I", "IOB1": "BI"}
"""First letters of a scheme's tags, beside `O`."""

OUTSIDE = 0
"""Number of the tag `O` in every scheme."""


@dataclass(frozen=True)
class Entities:
    """Entities of words that are counted through all texts, in order; none overlaps another."""

    starts: "np.ndarray"
    """Number of the first word of each, and of the one behind its last."""
    ends: "np.ndarray"
    types: "np.ndarray"
    """Number of its label."""


@dataclass(frozen=True)
class Tagging:
    """The tags of some labels in a scheme; a tag is a number in what follows.

    Words of all texts stand one after the other, those of text `i` from `offsets[i]` to
    `offsets[i + 1]`.
    """

    labels: Sequence[str]
    scheme: Scheme

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The tags as people write them, in the order of their numbers: `O` comes first."""
        letters = PREFIXES[self.scheme]
        return ("O", *(f"{letter}-{label}" for label in self.labels for letter in letters))

    @cached_property
    def letters(self) -> "np.ndarray":
        import numpy as np

        return np.array([name[0] for name in self.names])

    def types(self, tags: "np.ndarray") -> "np.ndarray":
        """The number of each tag's label, -1 for `O`."""
        return (tags - 1) // len(PREFIXES[self.scheme])

    def read(self, tags: "np.ndarray", offsets: "np.ndarray") -> Entities:
        """Entities as conlleval, and seqeval by default, read any tags, legal or not.

        A word that is not outside begins an entity after an `O`, after another type, after `E`
        and `S`, and where it is `B` or `S` itself.
        """
        import numpy as np

        before = np.roll(tags, 1)
        before[offsets[:-1][np.diff(offsets) > 0]] = OUTSIDE
        letter, last = self.letters[tags], self.letters[before]
        new = np.isin(letter, ["B", "S"]) | np.isin(last, ["O", "E", "S"])
        begins = (tags != OUTSIDE) & (new | (self.types(tags) != self.types(before)))
        starts = np.flatnonzero(begins)
        stops = np.append(np.flatnonzero(begins | (tags == OUTSIDE)), len(tags))
        ends = stops[np.searchsorted(stops, starts, side="right")]
        return Entities(starts, ends, self.types(tags[starts]))

    def are_strict(self, found: Entities, tags: "np.ndarray") -> "np.ndarray":
        """Which of the entities that `read` finds seqeval counts in its strict mode.

        Those that begin, and with IOBES end, with the tags that the scheme has for that.
        """
        import numpy as np

        first, last = self.letters[tags[found.starts]], self.letters[tags[found.ends - 1]]
        if self.scheme == "IOBES":
            is_one = found.ends - found.starts == 1
            return np.where(is_one, first == "S", (first == "B") & (last == "E"))
        return first == "B" if self.scheme == "IOB2" else np.ones(len(first), bool)

    def write(self, entities: Entities, words: int) -> "np.ndarray":
        """The tags of `words` words with these entities. IO and IOB1 have `I` alone, so that of
        two entities of a type side by side they make one.
        """
        import numpy as np

        from bertspec.catalog.encoding.ragged import spread

        letters = PREFIXES[self.scheme]
        base = 1 + entities.types * len(letters)
        lengths = entities.ends - entities.starts
        tags = np.full(words, OUTSIDE, np.int32)
        tags[spread(entities.starts, lengths)] = np.repeat(base + letters.index("I"), lengths)
        if self.scheme in ("IOB2", "IOBES"):
            tags[entities.starts] = base + letters.index("B")
        if self.scheme == "IOBES":
            tags[entities.ends - 1] = base + letters.index("E")
            tags[entities.starts[lengths == 1]] = base[lengths == 1] + letters.index("S")
        return tags

    @cached_property
    def legal(self) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
        """Which tags may begin a text, (tags,); which may follow each, (tags, tags); which may
        end a text, (tags,).
        """
        import numpy as np

        kinds, none = self.types(np.arange(len(self.names))), np.zeros(len(self.names), bool)
        goes_on, must_go_on = none, none
        if self.scheme in ("IOB2", "IOBES"):
            goes_on = np.isin(self.letters, ["I", "E"])
        if self.scheme == "IOBES":
            must_go_on = np.isin(self.letters, ["B", "I"])
        joined = (kinds[:, None] == kinds) & goes_on
        if self.scheme == "IOBES":
            joined &= must_go_on[:, None]
        return ~goes_on, joined | ~(goes_on | must_go_on[:, None]), ~must_go_on

    def repaired(self, scores: "np.ndarray", offsets: "np.ndarray") -> "np.ndarray":
        """The likeliest tags, with entities that begin or end in no legal way written anew."""
        return self.write(self.read(scores.argmax(axis=1), offsets), len(scores))

    def best(self, scores: "np.ndarray", offsets: "np.ndarray") -> "np.ndarray":
        """For each text the legal tags with the largest sum of log-probabilities, (words, tags).

        Viterbi's algorithm (1967), where the likeliest tag of each word is not legal already.
        """
        import numpy as np

        begin, follow, end = self.legal
        tags = scores.argmax(axis=1)
        filled = np.flatnonzero(np.diff(offsets) > 0)
        firsts, lasts = offsets[filled], offsets[filled + 1] - 1
        wrong = np.zeros(len(scores), bool)
        wrong[1:] = ~follow[tags[:-1], tags[1:]]
        wrong[firsts] = ~begin[tags[firsts]]
        wrong[lasts] |= ~end[tags[lasts]]
        for text in np.unique(np.searchsorted(offsets, np.flatnonzero(wrong), side="right")) - 1:
            words = slice(offsets[text], offsets[text + 1])
            tags[words] = _viterbi(scores[words], begin, follow, end)
        return tags


def _viterbi(
    scores: "np.ndarray", begin: "np.ndarray", follow: "np.ndarray", end: "np.ndarray"
) -> "np.ndarray":
    import numpy as np

    cost = np.where(follow, 0.0, -np.inf)
    best = np.where(begin, scores[0], -np.inf)
    before = np.empty(scores.shape, np.int64)
    for word in range(1, len(scores)):
        through = best[:, None] + cost
        before[word] = through.argmax(axis=0)
        best = through.max(axis=0) + scores[word]
    tags = np.empty(len(scores), np.int64)
    tags[-1] = np.where(end, best, -np.inf).argmax()
    for word in range(len(scores) - 1, 0, -1):
        tags[word - 1] = before[word, tags[word]]
    return tags
