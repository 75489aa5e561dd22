"""Code blocks of the pages: what each holds, and whether a test is to run it.

A block that no test can run has a comment before it that says why: `<!-- not run: a server -->`.
A block inside of an HTML comment is run and not shown, to set the stage for those after it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

REPOSITORY = Path(__file__).parent.parent.parent
GENERATED = ("codes.md", "commands.md", "fields.md", "stages.md")
"""Pages whose sources are looked at in their place."""

RUN = ("console", "sh", "python")
READ = ("yaml", "json", "toml")

BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<mark>[^\n]+) -->\n\n?)?"
    r'```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block, and the line at which it begins."""

    line: int
    language: str
    title: str | None
    mark: str | None
    body: str


def pages() -> list[Path]:
    """What users read, without what is generated."""
    written = (p for p in (REPOSITORY / "docs").glob("*.md") if p.name not in GENERATED)
    return [REPOSITORY / "README.md", *sorted(written)]


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page with a fence and a language, from top to bottom."""
    for m in BLOCK.finditer(text):
        line = text.count("\n", 0, m.start("language")) + 1
        yield Block(line, m["language"], m["title"], m["mark"], m["body"])


def lines_of_code(text: str) -> dict[int, str]:
    """The lines at which Markdown shows code, each with what stands behind the fence."""
    tokens = MarkdownIt().parse(text)
    return {
        token.map[0] + 1: token.info
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
    }


def inline_code(text: str) -> Iterator[str]:
    """What stands between backticks in running text."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or ():
            if child.type == "code_inline":
                yield " ".join(child.content.split())
