"""Causal language modelling: which token comes next, from those before it alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.base import CONFIG, TOKENIZER
from bertspec.catalog.batch import EXAMPLE, IGNORED, Batch, Draw, Tokens, tokens_of_new
from bertspec.catalog.task import Answer, Decision, RunTokens
from bertspec.catalog.task_parts.language_model import (
    LanguageModel,
    language_model,
    own_places,
    shown,
)
from bertspec.core.errors import BertspecError, InputError
from bertspec.core.model import affecting

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from bertspec.catalog.encoding.encoder import Encoder

FAMILIES = (
    "bert", "camembert", "electra", "ernie", "megatron-bert", "rembert", "roberta",
    "roberta-prelayernorm", "roformer", "xlm-roberta", "xlm-roberta-xl",
)  # fmt: skip
"""Encoders that transformers can make decoders of, which see no later token."""


class CausalLm(LanguageModel):
    """Each token of a text is said from those before it, and at last that the text ends.

    The end is what the tokenizer puts behind a text, such as `[SEP]`. It is said where a text has
    ended, and not where it was cut.
    """

    families: ClassVar[tuple[str, ...]] = FAMILIES
    hub_task: ClassVar[str] = "text-generation"
    auto_class: ClassVar[str] = "AutoModelForCausalLM"

    type: Literal["causal-lm"] = Field(description="Say the next token of a text.")
    max_new_tokens: int = affecting(
        "export", default=20, ge=1, description="Most tokens that a prediction adds to a text."
    )
    decoding: Literal["greedy"] = affecting(
        "export",
        default="greedy",
        description="How a prediction goes on: `greedy` takes the likeliest token each time.",
    )

    def encode(self, rows: "pa.Table", encoder: "Encoder") -> "pa.Table":
        """The columns of its own: `own_start` and `own_end`, the places of the tokens to say; and
        `vocabulary`, which is the same in every row: how many ids there are.
        """
        import numpy as np
        import pyarrow as pa

        from bertspec.catalog.encoding.encoder import column

        ids = encoder.ids(rows["text"])
        encoded = encoder.sequences([ids])
        parts = encoded.parts
        starts, ends = own_places(encoded)
        lengths = np.diff(np.frombuffer(encoded.input_ids.offsets.buffers()[1], np.int32))
        is_end = parts.ends == ids.lengths[parts.texts]
        # What stands behind the text, if there is something, is said too.
        ends = np.minimum(ends + is_end, lengths)
        own = {
            "own_start": np.maximum(starts, 1),
            "own_end": ends,
            "vocabulary": np.full_like(starts, encoder.tokenizer.get_vocab_size()),
        }
        columns = {name: column(pa.int32(), n.astype(np.int32)) for name, n in own.items()}
        return pa.table(encoded.columns() | columns)

    def build_model(self, base: Path, dropout: float | None) -> "PreTrainedModel":
        """Raises InputError (E403), too, for a family that has no such model."""
        family = json.loads((base / CONFIG).read_text(encoding="utf-8")).get("model_type")
        if family not in FAMILIES:
            raise InputError.of(
                "E403",
                f"a model of `{family}` cannot be made to say the next token",
                f"take a base of one of these: {', '.join(FAMILIES)}",
            )
        # What it would cache is for a caller who goes on, and no part of what is exported.
        return language_model(self.auto_class, base, dropout, is_decoder=True, use_cache=False)

    def complete_folder(self, folder: Path, max_length: int) -> None:
        """How transformers' generation goes on behind a text."""
        from tokenizers import Tokenizer

        from bertspec.catalog.encoding.encoder import Encoder
        from bertspec.catalog.task_parts.generation import write_generation

        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        before, after = _frame(Encoder(tokenizer, max_length))
        write_generation(folder, before, after, self.max_new_tokens)

    def collate(self, batch: Batch, tokens: Tokens, draw: Draw) -> Batch:
        """The target at each place is the token at the next."""
        import torch

        ids = batch.inputs["input_ids"]
        start, end = (
            torch.from_numpy(tokens.numbers(name)[batch.rows])[:, None]
            for name in ("own_start", "own_end")
        )
        places = torch.arange(1, ids.shape[1])
        targets = torch.full_like(ids, IGNORED)
        targets[:, :-1] = torch.where((places >= start) & (places < end), ids[:, 1:], IGNORED)
        return replace(batch, targets=targets)

    def keep_new(self, logits: "np.ndarray") -> "np.ndarray":
        """The likeliest token behind the sequence."""
        found: np.ndarray = logits[-1].argmax()
        return found

    def respond(
        self, rows: "pa.Table", encoder: "Encoder", run: RunTokens, decision: Decision
    ) -> Sequence[Answer]:
        """An error (E453) for a text with no room for a token more, or with none to go on from."""
        texts, ids = rows["text"].to_pylist(), encoder.ids(rows["text"])
        before, after = _frame(encoder)
        given = [[*before, *ids.row(row).tolist()] for row in range(len(texts))]
        grown = [list(tokens) for tokens in given]
        going = [i for i, tokens in enumerate(given) if 0 < len(tokens) < encoder.max_length]
        for _ in range(self.max_new_tokens):
            if not going:
                break
            for i, said in zip(going, run(_tokens([grown[i] for i in going])), strict=True):
                grown[i].append(int(said))
            going = [
                i for i in going if grown[i][-1] not in after and len(grown[i]) < encoder.max_length
            ]
        return [
            self.answer({"continuation": _continuation(encoder.tokenizer, text, tokens, more)})
            if 0 < len(tokens) < encoder.max_length
            else _not_to_go_on(text, tokens, encoder)
            for text, tokens, more in zip(texts, given, grown, strict=True)
        ]

    def answer(self, prediction: Mapping[str, Any]) -> dict[str, Any]:
        """What follows the text."""
        return dict(prediction)

    def answer_types(self) -> "Mapping[str, pa.DataType]":
        import pyarrow as pa

        return {"continuation": pa.string()}

    def answer_line(self, answer: Mapping[str, Any]) -> str:
        return str(answer["continuation"])


def _not_to_go_on(text: str, tokens: Sequence[int], encoder: "Encoder") -> BertspecError:
    if not tokens:  # the tokenizer puts none of its own before a text
        return InputError.of(
            "E453", f"{shown(text)} has no token that another could follow", "give it a text"
        )
    return InputError.of(
        "E453",
        f"{shown(text)} has {len(tokens)} tokens, and the model reads {encoder.max_length} at "
        "most: none can follow",
        "give it the text's last part alone",
    )


def _frame(encoder: "Encoder") -> tuple[list[int], list[int]]:
    """The special tokens before a text, and the first of those behind it, if there are some."""
    import pyarrow as pa

    encoded = encoder.encode(pa.array([""]))
    ids, place = encoded.input_ids[0].as_py(), int(encoded.places[0])
    return ids[:place], ids[place : place + 1]


def _tokens(sequences: Sequence[Sequence[int]]) -> Tokens:
    import pyarrow as pa

    table = pa.table(
        {
            EXAMPLE: pa.array(range(len(sequences)), pa.int32()),
            "input_ids": pa.array(sequences, pa.list_(pa.int32())),
            "token_type_ids": pa.array([[0] * len(s) for s in sequences], pa.list_(pa.int8())),
        }
    )
    return tokens_of_new(table, "mean")


def _continuation(
    tokenizer: "Tokenizer", text: str, given: Sequence[int], grown: Sequence[int]
) -> str:
    """What has grown behind the given tokens, as text that can stand right behind their text."""
    # A decoder leaves out the space before the first word, so the tokens are not decoded alone.
    found = tokenizer.decode(grown)[len(tokenizer.decode(given)) :]
    return found.lstrip() if text[-1:].isspace() else found
