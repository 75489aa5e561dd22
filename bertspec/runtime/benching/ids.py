"""Token ids to measure with: random words between the tokenizer's special tokens, no padding."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.export import INPUTS
from bertspec.runtime.bundle import loading

if TYPE_CHECKING:
    import numpy as np

MOST_WORDS = 1000
"""Different ids, from all over the vocabulary."""


@dataclass(frozen=True)
class Vocabulary:
    """Ids of a tokenizer."""

    before: list[int]
    """Special tokens before a text."""
    after: list[int]
    words: list[int]
    """Those that are not special."""

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """That of an exported model. Raises InputError (E451, or E312 as `learn` does)."""
        from tokenizers import Tokenizer

        from bertspec.catalog.encoding.probe import learn

        path = folder / TOKENIZER
        with loading(path):
            tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        before, after = learn(tokenizer, 1).ids
        special = tokenizer.get_added_tokens_decoder()
        words = sorted(set(tokenizer.get_vocab().values()) - set(special))
        return cls(before.tolist(), after.tolist(), words[:: 1 + len(words) // MOST_WORDS])

    def inputs(self, batch: int, tokens: int) -> "dict[str, np.ndarray]":
        """INPUTS of a batch of full rows: the same for the same sizes."""
        import numpy as np

        ids = np.random.default_rng((batch, tokens)).choice(self.words, (batch, tokens))
        special = len(self.before) + len(self.after)
        if tokens > special:
            ids[:, : len(self.before)] = self.before
            ids[:, tokens - len(self.after) :] = self.after
        ids = ids.astype(np.int64)
        return dict(zip(INPUTS, (ids, np.ones_like(ids), np.zeros_like(ids)), strict=True))
