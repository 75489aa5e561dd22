"""The comparison report as a comment of a pull request: Markdown, as GitHub and GitLab read it.

What comes from data or specs stands in code spans, so that it is neither markup nor a mention.
"""

import re
from collections.abc import Iterator, Sequence

from bertspec.core.terminal import one_line
from bertspec.diffing.beside import Beside
from bertspec.diffing.comparison import changes, headline
from bertspec.diffing.report import Line, data_lines
from bertspec.runtime.reporting.mistakes import ShownRow

MOST = 65_536
"""Characters that GitHub takes; GitLab takes more."""

ROOM = MOST - 2_000
"""What is used of it at most: a comment may be given a line or two before it is posted."""

TEXT = 160
"""Characters of a row's text."""

MARK = "<!-- bertspec compare -->"
"""The first line, by which a job finds its comment of last time."""


def as_markdown(found: Beside) -> str:
    """What counts in sight, the rest folded. Rows are left out, and counted, where room ends."""
    (spec, *_) = [*found.diff.specs, None]
    titles = found.diff.titles
    notes = [*found.notes, *(spec.notes if spec else ())]
    head = "\n".join([*_head(found), *_metrics(found)]) + "\n"
    ordered = [
        _folded(
            "Changed fields",
            _changed(changes(spec, titles, rebuild=True), "They change results."),
            _changed(changes(spec, titles, rebuild=False), "They rebuild nothing."),
        ),
        _folded("Changed data", [
            f"- {code(line.strip())}" for data in found.diff.data for line in data_lines(data)
        ]),
        _folded("Not looked at", [f"- {code(note)}" for note in notes]),
    ]  # fmt: skip
    said = head + "".join(part for part in ordered if len(part) < ROOM // 4)
    left = sum(bool(part) for part in ordered if len(part) >= ROOM // 4)
    if left:
        said += "\nMore of what changed than a comment holds is in the report.\n"
    return said + _rows(found, ROOM - len(said))


def _head(found: Beside) -> Iterator[str]:
    one, other = found.names
    yield MARK
    yield f"### {code(one)} → {code(other)}"
    yield ""
    d = headline(found)
    if d is None:
        yield "These test rows do not define the metric that counts."
    else:
        yield (
            f"**{d.verdict.capitalize()}**: {d.metric} {d.first:.4f} → {d.second:.4f} "
            f"({d.difference:+.4f}; {100 * found.level:g}% interval {d.low:+.4f} to {d.high:+.4f})"
        )
    rows, compared = found.rows, found.compared
    yield ""
    said = f"{compared.rows:,} test rows of both"
    for name, count in zip(found.names, compared.only, strict=True):
        said += f"; {count:,} of {code(name)} alone, left out" if count else ""
    words = rows.words
    yield f"{said}; {rows.worse:,} {words[0]}, {rows.better:,} {words[1]}."
    yield ""


def _metrics(found: Beside) -> Iterator[str]:
    one, other = (cell(code(name)) for name in found.names)
    yield f"| metric | {one} | {other} | difference | interval | p | verdict |"
    yield "|---|--:|--:|--:|--:|--:|---|"
    for d in found.compared.differences:
        yield (
            f"| {d.metric} | {d.first:.4f} | {d.second:.4f} | {d.difference:+.4f} "
            f"| {d.low:+.4f} to {d.high:+.4f} | {d.p:.3f} | {d.verdict} |"
        )


def _changed(lines: Sequence[Line], lead: str) -> list[str]:
    if not lines:
        return []
    if not any(stages for _, stages, _ in lines):
        return [lead, "", *(f"- {code(change)}" for change, _, _ in lines)]
    rows = [f"| {cell(code(change))} | {stages} |" for change, stages, _ in lines]
    return [lead, "", "| what | stages that run again |", "|---|---|", *rows]


def _folded(title: str, *parts: Sequence[str]) -> str:
    """Nothing, where there is nothing in it."""
    inner = "\n\n".join("\n".join(part) for part in parts if part)
    if not inner:
        return ""
    return f"\n<details><summary>{title}</summary>\n\n{inner}\n\n</details>\n"


def _rows(found: Beside, room: int) -> str:
    rows = found.rows
    if rows.browser is None:
        return ""
    lines: list[str] = []
    room -= 500
    for row in rows.browser.rows:
        line = _row(row, targets=rows.browser.targets)
        if room < len(line) + 1:
            break
        room -= len(line) + 1
        lines.append(line)
    if (more := rows.browser.total - len(lines)) > 0:
        lines += ["", f"{more:,} more are left out."]
    return _folded("Changed rows on test", lines)


def _row(row: ShownRow, *, targets: bool) -> str:
    golds = [each.told.gold for each in row.said] if row.gold is None else []
    said = " → ".join(_items(each.told.said) for each in row.said)
    if golds:
        said += f", is {' → '.join(map(_items, golds))}"
    elif targets:
        said += f", is {_items(row.gold or ())}"
    text = " | ".join(one_line(text) for text in row.texts)
    short = text if len(text) <= TEXT else f"{text[:TEXT]}…"
    (change,) = row.kinds["change"]
    return f"- {change}: {said}: {code(short)}"


def _items(items: Sequence[tuple[str, str]]) -> str:
    text = "; ".join(one_line(text) for _, text in items)
    return code(text if len(text) <= TEXT else f"{text[:TEXT]}…") if items else "nothing"


def code(text: str) -> str:
    """A code span that holds any text in a line, after CommonMark's rule."""
    line = one_line(text)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if not line or line[0] in "` " or line[-1] in "` " else ""
    return f"{fence}{space}{line}{space}{fence}"


def cell(text: str) -> str:
    """The same in a cell of a table."""
    return text.replace("|", "\\|")
