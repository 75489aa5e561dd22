"""Learns from short texts what special tokens a tokenizer puts around texts."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations_with_replacement, product

import numpy as np
from tokenizers import Tokenizer

from bertspec.catalog.encoding.frame import Frame
from bertspec.catalog.encoding.ragged import Ragged, total
from bertspec.core.errors import InputError

PROBES = ("", "a", "b a", "1", ". the of", "é")
"""The first, without a token of its own, shows the special tokens alone."""

UNLIMITED = 1 << 30


def learn(tokenizer: Tokenizer, sides: int) -> Frame:
    """The frame of a text (one side) or of a pair (two).

    Raises InputError (E312) for a tokenizer that does more than to put fixed tokens around texts.
    """
    plain = {}
    for probe in PROBES:
        with suppress(Exception):  # there may be no unknown token for what it does not know
            plain[probe] = tokenizer.encode(probe, add_special_tokens=False).ids
    probes = list(product(plain, repeat=sides))
    texts = [Ragged.of([plain[probe[side]] for probe in probes]) for side in range(sides)]
    encodings = tokenizer.encode_batch([probe if sides > 1 else probe[0] for probe in probes])
    ids = Ragged.of([encoding.ids for encoding in encodings])
    types = Ragged.of([encoding.type_ids for encoding in encodings])
    added = ids.lengths - total([text.lengths for text in texts])
    fitting = []
    if (added == tokenizer.num_special_tokens_to_add(sides > 1)).all():
        full = next((i for i, probe in enumerate(probes) if all(map(plain.get, probe))), None)
        for cuts in combinations_with_replacement(range(int(added[0]) + 1), sides):
            frame = Frame(
                tuple(np.split(ids.row(0), cuts)),
                tuple(np.split(types.row(0), cuts)),
                (0,) * sides if full is None else _text_types(texts, types, cuts, full),
            )
            seen_ids, seen_types = frame.around(texts, UNLIMITED)
            if (seen_ids.values == ids.values).all() and (seen_types == types.values).all():
                fitting.append(frame)
    if len(fitting) != 1:
        raise InputError.of(
            "E312",
            "tokenizer.json puts special tokens around texts in a way that cannot be followed",
            "take a tokenizer whose `post_processor` puts fixed tokens around "
            + ("a text" if sides == 1 else "both texts of a pair, in order"),
        )
    return fitting[0]


def _text_types(
    texts: Sequence[Ragged], types: Ragged, cuts: Sequence[int], row: int
) -> tuple[int, ...]:
    """The type of each text's first token in a row where every text has one."""
    before, found = 0, []
    for text, cut in zip(texts, cuts, strict=True):
        found.append(int(types.row(row)[before + cut]))
        before += len(text.row(row))
    return tuple(found)
