"""E609: entities that no tagger could have meant: broken tags, or offsets beside the text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import SEVERITY, Finding, Level, Rule

if TYPE_CHECKING:
    import numpy as np

_BATCH = 2**14
"""Rows that are Python objects at once."""

OUTSIDE, BEGIN, INSIDE, UNKNOWN = range(4)
_PREFIXES = {"B": BEGIN, "I": INSIDE}


class EntitySpans(Rule):
    """Tags are not IOB2 (BIO), lists have unequal lengths, tokens are empty, offsets are wrong."""

    code: ClassVar[str] = "E609"

    severity: Level = Field(default="error", description=SEVERITY)

    def applies(self, data: PreparedData) -> bool:
        return data.has("tokens", "tags") or data.has("text", "spans")

    def field(self, data: PreparedData) -> tuple[str, ...]:
        return ("columns", "tags" if data.has("tags") else "spans")

    def check(self, data: PreparedData) -> Iterator[Finding]:
        if data.has("tokens", "tags"):
            yield from _lengths(data)
            yield from _tokens(data)
            yield from _tags(data)
        if data.has("text", "spans"):
            yield from _spans(data)


def _lengths(data: PreparedData) -> Iterator[Finding]:
    import numpy as np
    from pyarrow import compute as pc

    tokens, tags = (
        np.asarray(pc.fill_null(pc.list_value_length(data.column(name)), 0))
        for name in ("tokens", "tags")
    )
    rows = np.flatnonzero(tokens != tags)
    if len(rows):
        yield Finding(
            f"{_has(len(rows))} not as many tags as tokens: {data.places(rows)}",
            "give each token one tag",
            data.broken(rows, [f"{tokens[row]} tokens and {tags[row]} tags" for row in rows]),
            refused_as="E341",
        )


def _tokens(data: PreparedData) -> Iterator[Finding]:
    import numpy as np
    from pyarrow import compute as pc

    column = data.column("tokens").combine_chunks()
    filled = pc.match_substring_regex(pc.list_flatten(column), r"[^\pZ\p{Cc}\p{Cf}]")
    empty = np.flatnonzero(~np.asarray(pc.fill_null(filled, fill_value=False)).astype(bool))
    if len(empty):
        owners, places = _owners(column)
        rows, notes = _per_row(owners, empty, lambda at: f"token {places[at] + 1} is empty")
        yield Finding(
            f"{_has(len(rows))} an empty token: {data.places(rows)}",
            "remove the token and its tag",
            data.broken(rows, notes),
        )


def _tags(data: PreparedData) -> Iterator[Finding]:
    """Tags of a form that is none, and I- tags that go on with no entity."""
    import numpy as np
    from pyarrow import compute as pc

    column = data.column("tags").combine_chunks()
    encoded = pc.fill_null(pc.list_flatten(column), "").dictionary_encode()
    names = encoded.dictionary.to_pylist()
    if not names:
        return
    owners, places = _owners(column)
    codes = np.asarray(encoded.indices)
    prefixes, kinds = _parsed(names)
    prefix, kind = prefixes[codes], kinds[codes]

    unknown = np.flatnonzero(prefix == UNKNOWN)
    if len(unknown):
        rows, notes = _per_row(
            owners, unknown, lambda at: f"token {places[at] + 1}: `{names[codes[at]]}`"
        )
        most = Counter(codes[unknown].tolist()).most_common(3)
        examples = ", ".join(f"`{names[code]}` ({count:,})" for code, count in most)
        yield Finding(
            f"{_has(len(rows))} a tag that is not `O`, `B-` or `I-` with a type: {examples}, such "
            f"as in {data.places(rows)}",
            "write the tags as IOB2: `B-` begins an entity, `I-` goes on with it, `O` is outside",
            data.broken(rows, notes),
            refused_as="E340",
        )

    goes_on = np.zeros(len(codes), dtype=bool)
    goes_on[1:] = (
        (owners[1:] == owners[:-1])
        & ((prefix[:-1] == BEGIN) | (prefix[:-1] == INSIDE))
        & (kind[1:] == kind[:-1])
    )
    loose = np.flatnonzero((prefix == INSIDE) & ~goes_on)
    if len(loose):

        def note(at: int) -> str:
            before = f"after `{names[codes[at - 1]]}`" if places[at] else "at the beginning"
            return f"token {places[at] + 1}: `{names[codes[at]]}` {before}"

        rows, notes = _per_row(owners, loose, note)
        yield Finding(
            f"{_has(len(rows))} an `I-` tag that goes on with no entity of its type, "
            f"{len(loose):,} tags in all: {data.places(rows)}",
            "begin each entity with `B-` (IOB2); in tags of the older IOB1, where `B-` stands only "
            "between two entities, every first `I-` becomes `B-`",
            data.broken(rows, notes),
        )


def _parsed(names: list[str]) -> "tuple[np.ndarray, np.ndarray]":
    """Prefix and number of the type of each distinct tag."""
    import numpy as np

    numbers: dict[str, int] = {}
    prefixes, kinds = [], []
    for name in names:
        letter, dash, kind = name.partition("-")
        known = _PREFIXES.get(letter, UNKNOWN) if dash and kind else UNKNOWN
        prefixes.append(OUTSIDE if name == "O" else known)
        kinds.append(numbers.setdefault(kind, len(numbers)))
    return np.array(prefixes), np.array(kinds)


def _spans(data: PreparedData) -> Iterator[Finding]:
    beside: dict[int, list[str]] = {}
    loose: dict[int, list[str]] = {}
    first = 0
    for split in data.splits:
        table = data.tables[split].select(["text", "spans"])
        for start in range(0, len(table), _BATCH):
            for place, row in enumerate(table.slice(start, _BATCH).to_pylist()):
                text, number = row["text"] or "", first + start + place
                for span in row["spans"] or ():
                    if fault := _beside(text, span):
                        beside.setdefault(number, []).append(fault)
                    elif fault := _loose(text, span):
                        loose.setdefault(number, []).append(fault)
        first += len(table)
    if beside:
        yield _of_spans(data, beside, "beside the text or empty", refused_as="E343")
    if loose:
        yield _of_spans(data, loose, "cut through whitespace")


def _of_spans(
    data: PreparedData, faults: Mapping[int, list[str]], what: str, refused_as: str = ""
) -> Finding:
    rows, count = list(faults), sum(map(len, faults.values()))
    are = "1 span is" if count == 1 else f"{count:,} spans are"
    return Finding(
        f"{are} {what}, in {len(rows):,} rows: {data.places(rows)}",
        "let a span begin at its first character and end behind its last; offsets count "
        "characters (Unicode code points), not bytes or UTF-16 units",
        data.broken(rows, ["; ".join(found) for found in faults.values()]),
        refused_as,
    )


def _beside(text: str, span: Mapping[str, Any]) -> str:
    """Why a span has no characters of the text; empty where it has some."""
    start, end = span["start"], span["end"]
    if start is None or end is None or start < 0 or end > len(text):
        return f"{_named(span)} is outside the {len(text)} characters of the text"
    return f"{_named(span)} is empty" if start >= end else ""


def _loose(text: str, span: Mapping[str, Any]) -> str:
    """The whitespace around a span that is within the text; empty for none."""
    start, end = span["start"], span["end"]
    if text[start].isspace() or text[end - 1].isspace():
        return f"{_named(span)} begins or ends with whitespace: `{text[start:end]}`"
    return ""


def _named(span: Mapping[str, Any]) -> str:
    return f"`{span['label']}` {span['start']} to {span['end']}"


def _owners(column: Any) -> "tuple[np.ndarray, np.ndarray]":
    """For each item of a list column: its row, and its place in the row's list."""
    import numpy as np
    from pyarrow import compute as pc

    owners = np.asarray(pc.list_parent_indices(column)).astype(np.int64)
    first = np.ones(len(owners), dtype=bool)
    first[1:] = owners[1:] != owners[:-1]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(owners)), 0))
    return owners, np.arange(len(owners)) - starts


def _per_row(owners: "np.ndarray", items: "np.ndarray", note: Any) -> tuple[list[int], list[str]]:
    """Rows of some items, each once, with a note on its first item and a count of the others."""
    import numpy as np

    rows, firsts, counts = np.unique(owners[items], return_index=True, return_counts=True)
    notes = [
        note(int(items[first])) + (f" and {count - 1} more" if count > 1 else "")
        for first, count in zip(firsts, counts, strict=True)
    ]
    return rows.tolist(), notes


def _has(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"
