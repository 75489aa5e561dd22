"""Command lines of `bertspec` in texts: whether click would take them, without running any."""

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import click

from bertspec.cli import cli

_ENDS = set("();<>|&")
"""Of these characters is what ends a command in a shell."""
_INNER = re.compile(r"\$\(([^()]*)\)")
_SETTING = re.compile(r"\w+=")


def command_lines(text: str) -> Iterator[list[str]]:
    """The words behind `bertspec` of each of its commands in a text of a shell."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        for inner in _INNER.findall(line):
            yield from command_lines(inner)
        for command in _commands(list(words)):
            named = list(itertools.dropwhile(_SETTING.match, command))
            if named[:1] == ["bertspec"]:
                yield named[1:]


def _commands(words: Sequence[str]) -> Iterator[list[str]]:
    """Words up to `|`, `&&` and the like; what a redirection names is no argument."""
    found: list[str] = []
    is_file = False
    for word in words:
        if set(word) <= _ENDS:
            is_file = set(word) <= set("<>")
            if not is_file:
                yield found
                found = []
        elif is_file:
            is_file = False
        else:
            found.append(word)
    yield found


def problem(words: Sequence[str], *, whole: bool = True) -> str | None:
    """What click would say of a command line: no such command, option, choice; too many words.

    What is not `whole`, as in running text, may lack arguments.
    """
    try:
        context = click.Context(cli, info_name="bertspec", **cli.context_settings)
        _parse(cli, context, list(words), whole=whole)
    except click.BadOptionUsage as error:  # an option without its value
        return error.format_message() if whole else None
    except click.UsageError as error:
        return error.format_message()
    return None


def _parse(
    command: click.Command, context: click.Context, words: list[str], *, whole: bool
) -> None:
    given, rest, _ = command.make_parser(context).parse_args(words)
    if isinstance(command, click.Group):
        if not rest:
            return
        inner = command.get_command(context, rest[0])
        if inner is None:
            raise click.UsageError(f"no such command {rest[0]}")
        below = click.Context(inner, context, info_name=rest[0], **inner.context_settings)
        _parse(inner, below, rest[1:], whole=whole)
        return
    if rest:
        raise click.UsageError(f"too many words: {' '.join(rest)}")
    for parameter in command.params:
        value = given.get(parameter.name or "")
        _look_at(parameter, context, value, whole=whole)


def _look_at(
    parameter: click.Parameter, context: click.Context, value: Any, *, whole: bool
) -> None:
    """Convert what needs no file; say what is missing."""
    is_given = isinstance(value, str | bool | list | tuple) and value not in ("", (), [])
    if not is_given and parameter.required and whole:
        raise click.MissingParameter(ctx=context, param=parameter)
    if is_given and not isinstance(parameter.type, click.Path | click.File):
        parameter.type_cast_value(context, value)
