"""The contract of a trained tokenizer: what a base from scratch learns from the training split."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from bertspec.core.model import Model

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TrainedTokenizer(Model, ABC):
    """Options and behaviour of one kind of tokenizer."""

    special_tokens: ClassVar[Mapping[str, str]]
    """transformers' names for them -> the tokens, which have the first ids, in this order."""

    type: str
    vocab_size: int

    def packages(self) -> tuple[str, ...]:
        """Distributions whose version can change what `train` gives, beside the base's own."""
        return ()

    @abstractmethod
    def train(self, texts: Sequence[str]) -> "Tokenizer":
        """A tokenizer with `vocab_size` entries at most, the same to the byte on every run.

        Where the texts do not give so many, it has fewer.
        """
