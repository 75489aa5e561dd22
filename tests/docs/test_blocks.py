"""Every code block of the documentation is run, read or marked, and every command line is one."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bertspec.core.explanations import known_codes, page
from tests.docs.blocks import (
    READ,
    REPOSITORY,
    RUN,
    Block,
    blocks,
    inline_code,
    lines_of_code,
    pages,
)
from tests.docs.command_lines import command_lines, problem
from tests.docs.fragments import problems
from tests.projects import Project

PAGES = [pytest.param(path, id=path.name) for path in pages()]


@pytest.mark.parametrize("path", PAGES)
def test_every_block_is_run_or_read_or_says_why_not(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = list(blocks(text))
    looked_at = [b.line for b in known if b.mark or b.title or b.language in RUN + READ]
    assert [line for line in lines_of_code(text) if line not in looked_at] == []


@pytest.mark.parametrize("path", PAGES)
def test_yaml_json_and_toml_are_what_they_should_be(path: Path, tmp_path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.mark or block.title or block.language not in READ:
            continue
        (folder := tmp_path / str(block.line)).mkdir()
        assert _wrong(block, folder) == [], f"{path.name}:{block.line}"


def _wrong(block: Block, folder: Path) -> list[str]:
    match block.language:
        case "json":
            json.loads(block.body)
        case "toml":
            tomllib.loads(block.body)
        case _:
            return problems(block.body, folder)
    return []


@pytest.mark.parametrize("path", PAGES)
def test_every_command_line_is_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wrong = [
        f"{path.name}:{block.line}: bertspec {' '.join(words)}: {said}"
        for block in blocks(text)
        if block.language in ("sh", "console")
        for words in command_lines(_typed(block))
        if (said := problem(words))
    ]
    wrong += [f"{path.name}: {said}" for said in _wrong_in_text(text)]
    assert not wrong, "\n".join(wrong)


def _typed(block: Block) -> str:
    """What is typed of a block that shows a terminal."""
    if block.language == "sh":
        return block.body
    lines = block.body.replace("\\\n", " ").splitlines()
    return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def _wrong_in_text(text: str) -> list[str]:
    return [
        f"{code}: {said}"
        for code in inline_code(text)
        if code.startswith("bertspec ")
        for words in command_lines(code.removesuffix(" ..."))
        if (said := problem(words, whole=False))
    ]


def test_pages_of_codes_show_what_works(tmp_path: Path) -> None:
    """Their blocks are indented, as they are printed: commands, or parts of a spec."""
    wrong = [f"{code}: {said}" for code in known_codes() for said in _wrong_in_page(code, tmp_path)]
    assert not wrong, "\n".join(wrong)


def _wrong_in_page(code: str, folder: Path) -> Iterator[str]:
    text = page(code)
    lines = text.splitlines()
    yield from _wrong_in_text(text)
    for number in lines_of_code(text):
        if lines[number - 3].startswith("<!-- not run: "):
            continue
        body = _indented(lines[number - 1 :])
        if body.split()[0] in ("bertspec", "cd", "dvc", "git", "hf", "openssl"):
            yield from (said for words in command_lines(body) if (said := problem(words)))
        else:
            yield from problems(body, folder)


def _indented(lines: list[str]) -> str:
    found = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        found.append(line[4:])
    return "\n".join(found)


def test_the_readme_has_the_committed_results_of_the_demo() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    said = Project(REPOSITORY).call("show", "sentiment").stdout
    assert [line for line in said.splitlines() if line.rstrip() not in readme] == []
