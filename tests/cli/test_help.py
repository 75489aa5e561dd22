"""`--help` of every command has examples, and each is a command line that click takes."""

import re
from collections.abc import Iterator

import click
import pytest

from bertspec.cli import cli
from tests.docs.command_lines import command_lines, problem

_EXAMPLES = re.compile(r"^ *Examples:\n((?: +\S.*\n)+)", re.MULTILINE)


def _commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Each that does something: `attest` alone only lists what is below it."""
    context = click.Context(group, **cli.context_settings)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(_commands(cli)), ids=" ".join)
def test_the_help_of_a_command_has_examples_that_are_command_lines(path: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    context = click.Context(cli, **cli.context_settings)
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(context, name)
        assert command is not None
        context = click.Context(command, context, terminal_width=90, max_content_width=90)
    found = _EXAMPLES.search(context.get_help())
    assert found is not None, "write `Examples:` into the docstring"
    lines = [words for line in found[1].splitlines() for words in command_lines(line)]
    assert [words for words in lines if tuple(words[: len(path)]) == path], "none calls it"
    assert {" ".join(words): said for words in lines if (said := problem(words))} == {}
