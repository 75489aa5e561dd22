"""A word as it is written at a place of a document: with quotes where it needs some."""

import json
import re

from bertspec.core.yaml import resolve
from bertspec.spec.places import Word

_PLAIN = re.compile(r"[\w./(][\w./+*()=-]*( [\w(][\w./+*()=-]*)*")
"""Texts that mean themselves without quotes, in braces as well. So do others, which get some."""


def written(word: Word, *, quote: str = "", is_json: bool = False) -> str:
    """`word` as a value; inside quotes, what stands between them."""
    if not isinstance(word, str):
        return json.dumps(word)
    if quote == "'":
        return word.replace("'", "''")
    text = json.dumps(word, ensure_ascii=False)
    if quote == '"':
        return text[1:-1]
    is_plain = not is_json and _PLAIN.fullmatch(word) and word == resolve(word)
    return word if is_plain else text
