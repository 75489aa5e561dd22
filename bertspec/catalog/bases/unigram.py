"""Train a Unigram tokenizer as ALBERT's and XLM-R's, the same to the byte on every run."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.bases.tokenizer import TrainedTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = {
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
}
"""ALBERT's, with the ids that its config says by default."""

SPACE = "▁"
"""What Metaspace puts in front of a word."""

RESERVED = "\0▅"
"""Characters that sentencepiece keeps for itself; it would leave out a word that has one."""

LONGEST = 1000
"""Characters of a word that are learned from at once: sentencepiece leaves out longer ones."""


class Unigram(TrainedTokenizer):
    """A Unigram tokenizer (sentencepiece), trained on the training split's text."""

    special_tokens: ClassVar[Mapping[str, str]] = SPECIAL_TOKENS

    type: Literal["unigram"] = Field(
        description="Unigram of sentencepiece, as ALBERT and XLM-R have it."
    )
    vocab_size: int = Field(ge=16, description="Entries in the vocabulary, at most.")
    lowercase: bool = Field(default=False, description="Whether text is lower-cased first.")
    character_coverage: float = Field(
        default=0.9995,
        gt=0,
        le=1,
        description="Share of the text whose characters are in the vocabulary; rare ones beyond "
        "it are unknown.",
    )

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), "sentencepiece")

    def train(self, texts: Sequence[str]) -> "Tokenizer":
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

        tokenizer = Tokenizer(models.Unigram())
        lower = [normalizers.Lowercase()] if self.lowercase else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *lower])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
        )
        tokenizer.decoder = decoders.Metaspace()
        special = list(dict.fromkeys(SPECIAL_TOKENS.values()))
        room = self.vocab_size - len(special)
        words = _count_words(texts, tokenizer)
        kept = _frequent_characters(words, self.character_coverage, room // 2)
        pieces = _learn_pieces(_within(words, kept), room)
        vocabulary = [
            *((token, 0.0) for token in special),
            *((piece, score) for piece, score in pieces if piece not in special),
        ]
        unknown = special.index(SPECIAL_TOKENS["unk_token"])
        tokenizer.model = models.Unigram(vocabulary, unknown, byte_fallback=False)
        tokenizer.add_special_tokens(special)
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(t, special.index(t)) for t in ("[CLS]", "[SEP]")],
        )
        return tokenizer


def _count_words(texts: Sequence[str], tokenizer: "Tokenizer") -> Counter[str]:
    """How often each word is in the texts, as the tokenizer normalizes and splits them.

    The cut leaves its words as they are, so that equal pieces of text are split once.
    """
    import pyarrow as pa

    from bertspec.catalog.encoding.words import Text, without_whitespace

    pieces = without_whitespace(Text.of(pa.array(texts, pa.large_string()))).pieces.value_counts()
    words: Counter[str] = Counter()
    for piece, count in zip(*(column.to_pylist() for column in pieces.flatten()), strict=True):
        normalized = tokenizer.normalizer.normalize_str(piece)
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized):
            words[word] += count
    return words


def _frequent_characters(words: Counter[str], coverage: float, most: int) -> set[str]:
    """The most frequent characters: at most so many, and no more than the coverage needs."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    needed = coverage * counts.total()
    kept: set[str] = set()
    covered = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= needed or len(kept) == most:
            break
        covered += count
        if character not in RESERVED:
            kept.add(character)
    return kept


def _within(words: Counter[str], kept: set[str]) -> Counter[str]:
    """The longest parts of words that have only these characters: an unknown one is in no piece."""
    parts: Counter[str] = Counter()
    for word, count in words.items():
        for known, run in groupby(word, kept.__contains__):
            if known:
                text = "".join(run)
                for start in range(0, len(text), LONGEST):
                    parts[text[start : start + LONGEST]] += count
    return parts


def _learn_pieces(words: Counter[str], room: int) -> Iterator[tuple[str, float]]:
    """At most `room` pieces with their scores.

    The trainer of `tokenizers` is not used: it adds up floating-point numbers in the order of a
    randomly seeded hash map, one sum a thread. sentencepiece sorts, and here has one thread.
    """
    if not words:
        return
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=_sentences(words),
        input_format="tsv",
        max_sentence_length=1 << 30,  # the most that it takes
        model_writer=model,
        model_type="unigram",
        vocab_size=room + 1,  # its unknown piece is left out below
        hard_vocab_limit=False,
        character_coverage=1.0,
        # The words are normalized, and begin as Metaspace lets them begin.
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    learned = SentencePieceProcessor(model_proto=model.getvalue())
    for number in range(learned.vocab_size()):
        if not learned.is_unknown(number):
            # They have 24 bits; `tokenizers` reads more digits than 15 with an error in the last.
            yield learned.id_to_piece(number), round(learned.get_score(number), 6)


def _sentences(words: Counter[str]) -> Iterator[str]:
    """The words with their counts, as sentencepiece reads them, in one order whatever theirs is.

    It takes for a piece what has something else behind it in another place. Each word alone would
    have the end of its sentence behind it always, and whole words would be no pieces.
    """
    ordered = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    once = [word for word, _ in ordered if word.startswith(SPACE)]
    if once:
        yield f"{''.join(once)}\t1"
    for word, count in ordered:
        more = count - word.startswith(SPACE)
        if more:
            yield f"{word}\t{more}"
