"""Masked language modelling: which word stands where a text has a mask."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.base import TOKENIZER
from bertspec.catalog.batch import IGNORED, Batch, Draw, Tokens, tokens_of_new
from bertspec.catalog.task import Answer, Decision, RunTokens
from bertspec.catalog.task_parts.language_model import (
    LanguageModel,
    language_model,
    log_sum_exp,
    own_places,
    shown,
)
from bertspec.catalog.task_parts.masking import Replace, choose, generator_of, replaced
from bertspec.core.errors import BertspecError, InputError
from bertspec.core.model import affecting

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder
    from bertspec.catalog.encoding.ragged import Ragged

MASKS = ("[MASK]", "<mask>")
"""How tokenizers spell the mask; in a text to predict the first stands for either."""


class MaskedLm(LanguageModel):
    """Some words of each text are hidden, others in every epoch, and the model says which."""

    constant_inputs: ClassVar[bool] = False
    hub_task: ClassVar[str] = "fill-mask"
    example: ClassVar[str] = "A text with a [MASK] of yours."
    auto_class: ClassVar[str] = "AutoModelForMaskedLM"

    type: Literal["masked-lm"] = Field(description="Say which words are masked in a text.")
    probability: float = affecting(
        "train",
        "evaluate",
        "export",
        default=0.15,
        gt=0,
        lt=1,
        description="How likely each word is masked. At least one of a text is.",
    )
    whole_words: bool = Field(
        default=True,
        description="Whether all tokens of a word are masked, or none. If not, each token is "
        "taken for a word.",
    )
    replace: Replace = affecting(
        "train",
        "evaluate",
        "export",
        default=Replace(),
        description="What stands in place of a masked token.",
    )
    top_k: int = affecting(
        "export", default=5, ge=1, description="How many tokens a prediction gives for each mask."
    )

    def conflicts(self, columns: Collection[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        if self.replace.mask + self.replace.random > 1:
            yield ("replace",), "`mask` and `random` are more than 1 together", "lower one of them"

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The columns of its own: `words`, the number of each token's word, -1 for special tokens;
        `own_start` and `own_end`, see `own_places`; and `mask` and `vocabulary`, which are the
        same in every row: the id of the mask, and how many ids there are.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.encoder import column
        from bertspec.catalog.encoding.ragged import spread

        ids, words = self._words(rows["text"], encoder)
        encoded, tokenizer = encoder.sequences([ids]), encoder.tokenizer
        parts, offsets = encoded.parts, encoded.input_ids.offsets
        flat = np.frombuffer(encoded.input_ids.values.buffers()[1], np.int32)
        begins = np.frombuffer(offsets.buffers()[1], np.int32)[:-1]
        numbers = np.full(len(flat), -1, np.int32)
        numbers[spread(begins + encoded.places, parts.lengths)] = parts.of(words).values
        numbers[np.isin(flat, _special_ids(tokenizer))] = -1
        starts, ends = own_places(encoded)
        mask = tokenizer.token_to_id(_mask_token(tokenizer))
        own = {
            "own_start": starts,
            "own_end": ends,
            "mask": np.full_like(starts, mask),
            "vocabulary": np.full_like(starts, tokenizer.get_vocab_size()),
        }
        columns = {name: column(pa.int32(), n.astype(np.int32)) for name, n in own.items()}
        columns["words"] = pa.ListArray.from_arrays(offsets, column(pa.int32(), numbers))
        return pa.table(encoded.columns() | columns)

    def _words(self, texts: "pa.ChunkedArray", encoder: "Encoder") -> "tuple[Ragged, Ragged]":
        """Token ids of each text, and the number of each token's word."""
        import numpy as np

        from bertspec.catalog.encoding.ragged import Ragged, spread

        if self.whole_words:
            tokens = encoder.tokens(texts.to_pylist(), as_words=False)
            return tokens.ids, tokens.words
        ids = encoder.ids(texts)
        return ids, Ragged(spread(np.zeros(len(ids.lengths), int), ids.lengths), ids.offsets)

    def unmeasurable(self, name: str, rows: "pa.Table") -> str | None:
        blank = all(not text or text.isspace() for text in rows["text"].to_pylist())
        return "no text of the split has a word" if blank else None

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        """Raises InputError (E406), too, for a tokenizer with ids that the model has not: each may
        stand in place of a masked token.
        """
        from tokenizers import Tokenizer

        model = language_model(self.auto_class, base, dropout)
        largest = max(Tokenizer.from_file(str(base / TOKENIZER)).get_vocab().values())
        if largest >= model.config.vocab_size:
            raise InputError.of(
                "E406",
                f"the tokenizer has the id {largest}, and the model's vocabulary has "
                f"{model.config.vocab_size} entries",
                "take tokenizer.json and model.safetensors from the same model",
            )
        return model

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        """Masks words as a function of `draw` and the sequence."""
        import numpy as np
        import torch

        ids = batch.inputs["input_ids"].numpy().copy()
        targets = np.full_like(ids, IGNORED)
        names = ("own_start", "own_end", "mask", "vocabulary")
        about = np.stack([tokens.numbers(name)[batch.rows] for name in names], axis=1)
        numbers = tokens.items("words")
        for place, row in enumerate(batch.rows):
            start, end, mask, vocabulary = about[place].tolist()
            words = numbers[tokens.offsets[row] : tokens.offsets[row + 1]]
            generator = generator_of(draw, ids[place, : len(words)])
            hidden = choose(words, slice(start, end), self.probability, generator)
            said = hidden[(hidden >= start) & (hidden < end)]
            targets[place, said] = ids[place, said]
            ids[place, hidden] = replaced(
                ids[place, hidden], self.replace, mask, vocabulary, generator
            )
        inputs = {**batch.inputs, "input_ids": torch.from_numpy(ids)}
        return replace(batch, inputs=inputs, targets=torch.from_numpy(targets))

    def own_tokens(self, tokens: Tokens) -> "np.ndarray":
        """Without special ones, which are never masked."""
        places = super().own_tokens(tokens)
        found: np.ndarray = places[tokens.items("words")[places] >= 0]
        return found

    def keep_new(self, logits: "np.ndarray") -> "np.ndarray":
        """(tokens, k, 2): the likeliest ids at each token, the best first, and probabilities."""
        import numpy as np

        k = min(self.top_k, logits.shape[1])
        best = np.argpartition(logits, -k, axis=1)[:, -k:]
        scores = np.take_along_axis(logits, best, axis=1)
        order = (-scores).argsort(axis=1, kind="stable")
        best, scores = (np.take_along_axis(a, order, axis=1) for a in (best, scores))
        return np.stack([best, np.exp(scores - log_sum_exp(logits)[:, None])], axis=2)

    def respond(
        self, rows: "pa.Table", encoder: "Encoder", run: RunTokens, decision: Decision
    ) -> Sequence[Answer]:
        """An error (E453) for a text without a mask, or with one that the model does not read."""
        import pyarrow as pa
        from pyarrow import compute as pc

        tokenizer = encoder.tokenizer
        mask = _mask_token(tokenizer)
        spelled = pa.table({"text": pc.replace_substring(rows["text"], MASKS[0], mask)})
        tokens = tokens_of_new(self.encode(spelled, encoder), encoder.aggregate)
        fills: list[list[list[tuple[str, float]]]] = [[] for _ in range(len(rows))]
        starts, ends = tokens.numbers("own_start"), tokens.numbers("own_end")
        for row, found in enumerate(run(tokens)):
            own = slice(int(starts[row]), int(ends[row]))
            ids = tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]
            for best in found[own][ids[own] == tokenizer.token_to_id(mask)]:
                said = [(_spelled(tokenizer, int(i)), float(score)) for i, score in best]
                fills[tokens.examples[row]].append(said)
        masks = self._masks_of_cut(spelled["text"], tokens, encoder)
        return [
            self.answer({"fills": each})
            if each and len(each) == masks.get(row, len(each))
            else _unfilled(text, masks.get(row, 0), len(each))
            for row, (text, each) in enumerate(zip(rows["text"].to_pylist(), fills, strict=True))
        ]

    def _masks_of_cut(
        self, texts: "pa.ChunkedArray", tokens: Tokens, encoder: "Encoder"
    ) -> Mapping[int, int]:
        """How many masks each text has of which the model does not read all, by its row."""
        from bertspec.catalog.encoding.several import numbers

        cut = tokens.examples[tokens.numbers("lost") > 0]
        if not len(cut):
            return {}
        ids, _ = self._words(texts.take(numbers(cut)), encoder)
        mask = encoder.tokenizer.token_to_id(_mask_token(encoder.tokenizer))
        return dict(zip(cut.tolist(), ids.count(mask).tolist(), strict=True))

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """For each mask, in order, the likeliest tokens."""
        return {
            "fills": [
                [{"token": token, "score": score} for token, score in each]
                for each in prediction["fills"]
            ]
        }

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        fill = pa.struct([("token", pa.string()), ("score", pa.float64())])
        return {"fills": pa.list_(pa.list_(fill))}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        return " | ".join(
            ", ".join(f"{fill['token']} {fill['score']:.1%}" for fill in fills)
            for fills in answer["fills"]
        )


def _unfilled(text: str, masks: int, read: int) -> BertspecError:
    """Of a text with so many masks, of which the model reads so many."""
    if not masks:
        return InputError.of(
            "E453", f"{shown(text)} has no {MASKS[0]}", f"write {MASKS[0]} where a word is wanted"
        )
    return InputError.of(
        "E453",
        f"{shown(text)} has {masks} of {MASKS[0]}, and the model reads {read} of them",
        "give a shorter text; it reads the first `tokenization.max_length` tokens",
    )


def _mask_token(tokenizer: "Tokenizer") -> str:
    """The mask as the tokenizer spells it. Raises InputError (E312) where it has none."""
    added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    found = [mask for mask in MASKS if mask in added]
    if not found:
        raise InputError.of(
            "E312",
            f"tokenizer.json has neither {MASKS[0]} nor {MASKS[1]} among its added tokens",
            "take a base that was made to fill masks, or add the token to its tokenizer",
        )
    return found[0]


def _special_ids(tokenizer: "Tokenizer") -> list[int]:
    added = tokenizer.get_added_tokens_decoder()
    return [i for i, token in added.items() if token.special]


def _spelled(tokenizer: "Tokenizer", token: int) -> str:
    """A token as text; with its space before, for a tokenizer that keeps spaces."""
    return tokenizer.decode([token], skip_special_tokens=False)
