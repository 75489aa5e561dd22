"""Train a WordPiece tokenizer, the same to the byte on every run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.bases.tokenizer import TrainedTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
"""BERT's, with transformers' names for them."""

MOST_CHARACTERS = 1000
"""As BERT's own trainer limits its alphabet."""


class WordPiece(TrainedTokenizer):
    """A WordPiece tokenizer, trained on the training split's text."""

    special_tokens: ClassVar[Mapping[str, str]] = SPECIAL_TOKENS

    type: Literal["wordpiece"] = Field(description="WordPiece, as BERT has it.")
    vocab_size: int = Field(ge=16, description="Entries in the vocabulary, at most.")
    lowercase: bool = Field(default=True, description="Whether text is lower-cased first.")

    def train(self, texts: Sequence[str]) -> "Tokenizer":
        return train_wordpiece(texts, self.vocab_size, lowercase=self.lowercase)


def train_wordpiece(texts: Sequence[str], vocab_size: int, *, lowercase: bool) -> "Tokenizer":
    """A tokenizer as BERT's, with `vocab_size` entries at most, trained on `texts`."""
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    special = list(SPECIAL_TOKENS.values())
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learner.decoder = decoders.WordPiece()
    # The trainer numbers `##x` pieces in the order of a randomly seeded hash map, and breaks ties
    # by number. Pieces given as special tokens are numbered first, in the order given.
    room = (vocab_size - len(special)) // 2
    pieces = _single_pieces(texts, learner, min(room, MOST_CHARACTERS))
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        special_tokens=[*special, *pieces],
        initial_alphabet=[],
        limit_alphabet=0,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    tokenizer = Tokenizer(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer = learner.normalizer
    tokenizer.pre_tokenizer = learner.pre_tokenizer
    tokenizer.decoder = learner.decoder
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _single_pieces(texts: Sequence[str], learner: "Tokenizer", most: int) -> list[str]:
    """Each of the `most` frequent characters, and each as the continuation of a word."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(learner.normalizer.normalize_str(text))
    letters = (item for item in counts.items() if not item[0].isspace())
    frequent = sorted(letters, key=lambda item: (-item[1], item[0]))[:most]
    characters = sorted(c for c, _ in frequent)
    return [*characters, *(f"##{c}" for c in characters)]
