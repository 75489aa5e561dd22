"""Tags and spans that a task does not have, or that fit no words: errors with file and row."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bertspec.catalog.task_parts.known_labels import require_known
from bertspec.catalog.task_parts.tags import PREFIXES, Tagging
from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean, sentences

if TYPE_CHECKING:
    import pyarrow as pa

    from bertspec.catalog.task_parts.text_words import Aligned, Spans

SHOWN = 10
"""Tags, or rows, that an error names before it only counts."""


def require_tags(rows: "pa.Table", tagging: Tagging) -> None:
    """Raise InputError: E341 where there are not as many `tags` as `tokens`, E340 for a tag that
    the scheme, or one of a type that the task does not have.
    """
    tags = rows["tags"].combine_chunks()
    words = rows["tokens"].combine_chunks().value_lengths().to_numpy()
    counts = tags.value_lengths().to_numpy()
    _refuse(
        "E341",
        [
            (f"{_place(rows, i)}: {words[i]} tokens and {counts[i]} tags", "give each token a tag")
            for i in (words != counts).nonzero()[0].tolist()
        ],
    )
    _refuse("E340", list(_unknown_tags(rows, tags, tagging)))


def _unknown_tags(
    rows: "pa.Table", tags: "pa.ListArray", tagging: Tagging
) -> Iterator[tuple[str, str]]:
    import pyarrow as pa
    from pyarrow import compute as pc

    flat, parents = tags.flatten(), pc.list_parent_indices(tags)
    known = pc.is_in(flat, value_set=pa.array(tagging.names, pa.string()))
    places: dict[str, list[int]] = {}
    for at in pc.indices_nonzero(pc.invert(known)).to_pylist():
        places.setdefault(flat[at].as_py(), []).append(at)
    for tag, where in places.items():
        row = parents[where[0]].as_py()
        word = where[0] - (tags.offsets[row].as_py() - tags.offsets[0].as_py()) + 1
        also = f" (and {len(where) - 1} more words)" if len(where) > 1 else ""
        _, _, label = tag.partition("-")
        if label in tagging.labels:
            prefixes = " and ".join(f"`{prefix}-`" for prefix in PREFIXES[tagging.scheme])
            what = f"`{tag}` is no tag of {tagging.scheme}, which has `O`, {prefixes}"
            advice = "say with `task.given_scheme` how the tags are written, or correct the row"
        else:
            what = f"`{tag}` has a type that is not in `task.labels`"
            near = did_you_mean(label, tagging.labels)
            advice = sentences(near, "correct the row, or add the type")
        yield f"{_place(rows, row)}, word {word}: {what}{also}", advice


def require_spans(rows: "pa.Table", labels: Sequence[str]) -> None:
    """Raise InputError: E313 for `spans` of an unknown label, E343 for one not within `text`."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    spans = rows["spans"].combine_chunks()
    if not pa.types.is_list(spans.type):
        raise InputError.of(
            "E342",
            "`data.columns.spans` gives texts, and spans say where they start and end as well",
            "name the column of the spans alone, without `map` and `value`",
        )
    flat, parents = spans.flatten(), pc.list_parent_indices(spans)
    places = rows.select(["file", "row"]).take(parents)
    require_known(places.append_column("label", flat.field("label")), labels)
    lengths = pc.utf8_length(rows["text"]).take(parents).to_numpy()
    starts, ends = (flat.field(name).to_numpy() for name in ("start", "end"))
    wrong = np.flatnonzero((starts < 0) | (starts >= ends) | (ends > lengths)).tolist()
    advice = "count characters (Unicode code points); a span ends behind its last one"
    found = []
    for i in wrong:
        what = f"{_span(flat[i].as_py())} is not within the {lengths[i]} characters of its text"
        found.append((f"{_place(places, i)}: {what}", advice))
    _refuse("E343", found)


def require_words(
    rows: "pa.Table", spans: "Spans", aligned: "Aligned", labels: Sequence[str], *, widen: bool
) -> None:
    """Raise InputError (E343) for spans that have a word in common, or not whole words."""
    texts, found = rows["text"], []

    def told(number: int) -> tuple[str, str]:
        start, end = int(spans.starts[number]), int(spans.ends[number])
        text = texts[int(spans.texts[number])].as_py()
        span = _span({"label": labels[spans.types[number]], "start": start, "end": end})
        return _place(rows, int(spans.texts[number])), f"{span} (`{text[start:end]}`)"

    for number in aligned.shared.tolist():
        place, span = told(number)
        advice = "leave one of them out: a word has one tag"
        found.append((f"{place}: {span} has a word that the span before it has, too", advice))
    for number in [] if widen else aligned.misaligned.tolist():
        place, span = told(number)
        advice = "move it to the border of a word, or write `task.misaligned: widen`"
        found.append((f"{place}: {span} is not made of whole words", advice))
    _refuse("E343", found)


def _span(span: dict[str, object]) -> str:
    return f"the span {span['start']} to {span['end']}, `{span['label']}`,"


def _place(rows: "pa.Table", row: int) -> str:
    return f"{rows['file'][row].as_py()}, row {rows['row'][row].as_py()}"


def _refuse(code: str, found: Sequence[tuple[str, str]]) -> None:
    """Raise InputError for messages, each with what to do, if there are any."""
    if not found:
        return
    errors = [Diagnostic(code, message, advice) for message, advice in found[:SHOWN]]
    if len(found) > SHOWN:
        errors.append(Diagnostic(code, f"{len(found) - SHOWN} more are wrong"))
    raise InputError(errors)
