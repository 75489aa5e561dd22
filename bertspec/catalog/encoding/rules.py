"""Which cut of text leaves a tokenizer's ids as they are, by what the tokenizer is made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from bertspec.catalog.encoding.words import Cut, before_spaces, without_whitespace

Part = Mapping[str, Any]
"""A part of a tokenizer, as its JSON has it."""

MODELS = {"WordPiece", "WordLevel", "BPE"}
"""They see one piece of the pre-tokenizer at a time, and encode it always in the same way."""

NORMALIZERS = {"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD"}
"""They change characters one by one, or with combining marks that follow them.

Unicode composes no mark with a space, a tab or a line end, and moves none across them. Others may
look at more: `Strip` at the ends of the text, `Replace` at any pattern, `Precompiled` at graphemes.
"""

WHITESPACE = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
"""They drop all whitespace, and no piece of theirs has any."""

WITHIN_WORDS = {*WHITESPACE, "Punctuation", "Digits"}
"""They split each piece further, by what each character is."""


def safe_cut(tokenizer: Part) -> Cut | None:
    """A cut whose pieces give the ids of the whole, or None where there may be no such cut."""
    model, added = tokenizer["model"], tokenizer["added_tokens"]
    normalizers = _flat(tokenizer["normalizer"], "normalizers")
    splits = _flat(tokenizer["pre_tokenizer"], "pretokenizers")
    if model["type"] not in MODELS or model.get("dropout") or not splits:
        return None
    names = [split["type"] for split in splits]
    if names[0] in WHITESPACE and WITHIN_WORDS.issuperset(names):
        plain = NORMALIZERS.issuperset(n["type"] for n in normalizers)
        return without_whitespace if plain and _within_words(added, normalizers) else None
    if names == ["ByteLevel"] and splits[0]["use_regex"] and not normalizers:
        # Its pattern takes nothing that has whitespace after something else, and looks at nothing
        # before what it takes. `lstrip` takes whitespace in the same piece as the token; what
        # `rstrip` takes would be in the next one.
        whole = not any(" " in token["content"] or token["rstrip"] for token in added)
        return before_spaces if whole else None
    return None


def _within_words(added: Sequence[Part], normalizers: Sequence[Part]) -> bool:
    """Whether added tokens are found within words only; whitespace around them is dropped anyway.

    One that is normalized is found in normalized text, as the normalizer makes it: of visible ASCII
    it makes no whitespace.
    """
    for token in added:
        content = token["content"]
        if any(c in content for c in " \t\n\r"):
            return False
        if token["normalized"] and normalizers and not all("!" <= c <= "~" for c in content):
            return False
    return True


def _flat(part: Part | None, key: str) -> list[Part]:
    """The parts of a sequence, and of sequences in it."""
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [inner for member in part[key] for inner in _flat(member, key)]
    return [part]
