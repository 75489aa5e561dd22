"""What is being typed at a place of a document, whatever is wrong around it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bertspec.lsp.tree import Node, read_tree
from bertspec.spec.document import Path_

TYPED = "bertspecTypedHere"
"""Stands for the word at the cursor while the document around it is read."""

_STOPS = " \t{}[],\"'#"


@dataclass(frozen=True)
class Word:
    """The word at the cursor: what a completion replaces."""

    start: int
    end: int
    quote: str
    """The quote that is open before it, if one is."""
    is_closed: bool
    """Whether that quote is closed behind it."""
    has_colon: bool
    """Whether a colon follows, so that it is a key."""
    begins_line: bool
    """Whether only spaces and dashes stand before it in its line."""
    after_colon: bool
    """Whether a colon stands right before it, without a space."""


@dataclass(frozen=True)
class Cursor:
    """A reading of the place: a key of the mapping at `path`, or the value there."""

    path: Path_
    is_key: bool
    in_flow: bool
    word: Word
    value: Any
    """The document as far as it can be read."""


def node_at(text: str, offset: int, *, is_json: bool) -> tuple[Node, Any] | None:
    """The key or scalar at an offset, and the document around it as far as it can be read."""
    tree = read_tree(text, is_json=is_json)
    node = tree.at(offset)
    if node is None or (node.in_flow and tree.is_broken):
        # A bracket that is not closed may have swallowed all lines behind it.
        spine = read_tree(_spine(text, offset), is_json=is_json)
        other = spine.at(offset)
        if other is not None and (node is None or not other.in_flow):
            return other, spine.value
    return (node, tree.value) if node else None


def cursors(text: str, offset: int, *, is_json: bool) -> Iterator[Cursor]:
    """The readings of what is typed at an offset, the likeliest first."""
    word = _word(text, offset)
    seen = set()
    for before, after in _surroundings(text, word):
        for typed in _typed(word):
            tree = read_tree(before + typed + after, is_json=is_json)
            node = next((n for n in tree.nodes if TYPED in n.text), None)
            if node is None:
                continue
            path = node.path[:-1] if node.is_key else node.path
            if (path, node.is_key) not in seen:
                seen.add((path, node.is_key))
                yield Cursor(path, node.is_key, node.in_flow or is_json, word, tree.value)
    if not text.strip():
        yield Cursor((), is_key=True, in_flow=is_json, word=word, value={})


def _surroundings(text: str, word: Word) -> Iterator[tuple[str, str]]:
    """What stands before and behind the word: all, all but what follows, and the blocks around."""
    after = text[word.end :]
    yield text[: word.start], after
    yield text[: word.start], ""
    spine = _spine(text[: word.start], word.start)
    yield spine, after
    yield spine, ""


def _typed(word: Word) -> Iterator[str]:
    """Forms in which the word may stand."""
    space = " " if word.after_colon else ""
    if word.quote:
        yield TYPED if word.is_closed else TYPED + word.quote
    elif word.begins_line and not word.has_colon:
        yield from (f"{TYPED}:", TYPED)
    else:
        yield from (f"{space}{TYPED}", f"{space}{TYPED}:")


def _word(text: str, offset: int) -> Word:
    begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    stop = re.compile(r"[\r\n]|$").search(text, offset)
    finish = stop.start() if stop else len(text)
    quote, opened = _open_quote(text[begin:offset])
    if quote:
        start = begin + opened + 1
        closing = text.find(quote, offset, finish)
        is_closed = closing >= 0 and text.count(quote, offset, finish) % 2 == 1
        end = closing if is_closed else _plain_end(text, offset, finish)
        rest = text[end + is_closed : finish]
    else:
        is_closed = False
        start = offset
        while (
            start > begin
            and text[start - 1] not in _STOPS
            and not _is_colon(text, start - 1, offset)
        ):
            start -= 1
        end = _plain_end(text, offset, finish)
        if text[start:end] == "-":
            start = end = offset
        rest = text[end:finish]
    before = text[begin : start - len(quote)]
    return Word(
        start,
        end,
        quote,
        is_closed,
        rest.lstrip(" \t").startswith(":"),
        not before.strip("- \t"),
        not quote and before.endswith(":"),
    )


def _plain_end(text: str, offset: int, finish: int) -> int:
    end = offset
    while end < finish and text[end] not in _STOPS and not _is_colon(text, end, finish):
        end += 1
    return end


def _is_colon(text: str, place: int, finish: int) -> bool:
    """Whether a key ends here, so that what follows is its value."""
    return text[place] == ":" and (place + 1 >= finish or text[place + 1] in " \t\r\n")


def _open_quote(before: str) -> tuple[str, int]:
    """The quote that is open at the end of a part of a line, and where; none if none is."""
    quote, opened, index = "", 0, 0
    while index < len(before):
        sign = before[index]
        if quote == '"' and sign == "\\":
            index += 1
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and (index == 0 or before[index - 1] in " \t{[,:"):
            quote, opened = sign, index
        index += 1
    return quote, opened


def _spine(text: str, offset: int) -> str:
    """The text up to an offset with only the lines that hold what is around its last line.

    The others are blank, so that places stay.
    """
    begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    line = text[begin:]
    first_line = re.split(r"[\r\n]", line)[0]
    depth = len(first_line) - len(first_line.lstrip(" "))
    if not first_line.strip():
        depth = offset - begin
    kept: list[str] = []
    for above in reversed(text[:begin].splitlines(keepends=True)):
        bare = above.strip()
        indent = len(above) - len(above.lstrip(" "))
        if bare and not bare.startswith("#") and indent < depth:
            depth = indent
            kept.append(above)
        else:
            kept.append(re.sub(r"[^\r\n]", " ", above))
    return "".join(reversed(kept)) + first_line + re.sub(r"[^\r\n]", " ", line[len(first_line) :])
