"""Train a byte-level BPE tokenizer as RoBERTa's and GPT-2's, the same to the byte on every run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.bases.tokenizer import TrainedTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
    "cls_token": "<s>",
    "sep_token": "</s>",
}
"""RoBERTa's. Their ids are those that its config says by default: 0, 1 and 2 for the first three.

RoBERTa itself has its mask behind the vocabulary; nothing depends on that.
"""

FEWEST = 256 + 5
"""Entries without any merge: the bytes and the special tokens."""


class Bpe(TrainedTokenizer):
    """A byte-level BPE tokenizer, trained on the training split's text.

    It knows every text, byte by byte if it must.
    """

    special_tokens: ClassVar[Mapping[str, str]] = SPECIAL_TOKENS

    type: Literal["bpe"] = Field(description="Byte-level BPE, as RoBERTa and GPT-2 have it.")
    vocab_size: int = Field(
        ge=FEWEST,
        description="Entries in the vocabulary, at most; 256 bytes and 5 special tokens are in it.",
    )
    add_prefix_space: bool = Field(
        default=True,
        description="Whether the first word of a text is encoded like one after a space.",
    )
    lowercase: bool = Field(default=False, description="Whether text is lower-cased first.")
    min_frequency: int = Field(
        default=2, ge=1, description="How often a pair of tokens must occur to be merged."
    )

    def train(self, texts: Sequence[str]) -> "Tokenizer":
        from tokenizers import AddedToken, Tokenizer, models, normalizers, trainers
        from tokenizers.decoders import ByteLevel as ByteLevelDecoder
        from tokenizers.pre_tokenizers import ByteLevel
        from tokenizers.processors import RobertaProcessing

        tokenizer = Tokenizer(models.BPE())
        if self.lowercase:
            tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=self.add_prefix_space)
        tokenizer.decoder = ByteLevelDecoder()
        # As RoBERTa has it: the space before a mask belongs to the mask.
        mask = AddedToken(SPECIAL_TOKENS["mask_token"], lstrip=True, normalized=False)
        special = [t for t in dict.fromkeys(SPECIAL_TOKENS.values()) if t != mask.content]
        # The trainer has words in the order of a randomly seeded hash map, and counts in threads.
        # That changes nothing here: counts are whole numbers, characters are numbered sorted, and
        # pairs are taken by their count, then by number. Two pairs never give the same token, as
        # where it begins and ends as a token its characters were merged in one way.
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size,
            min_frequency=self.min_frequency,
            special_tokens=[*special, mask],
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        tokenizer.post_processor = RobertaProcessing(
            ("</s>", special.index("</s>")),
            ("<s>", special.index("<s>")),
            trim_offsets=True,
            add_prefix_space=self.add_prefix_space,
        )
        return tokenizer
