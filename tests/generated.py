"""What is generated from the code. `python -m tests.generated --write` writes it."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import click

from bertspec.cli import COMMANDS, cli
from bertspec.core.explanations import explanation, known_codes
from bertspec.spec.reference import fields_of
from bertspec.spec.schema import SCHEMAS, schema_text
from bertspec.spec.sections import Spec


def _fields() -> str:
    lines = [
        "# Fields of a spec", "",
        "Generated from the models. *Affects* names the stages that run again when the field",
        "changes, and with them whatever reads what they make. A kind of a choice stands in",
        "parentheses.", "",
        "| field | type | default | affects | meaning |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for f in fields_of(Spec):
        cells = (f"`{f.path}`", f.type, f"`{f.default}`", ", ".join(f.affects), f.description)
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines) + "\n"


def _codes() -> str:
    pages = ["# Error codes\n\nEach as `bertspec explain-code CODE` prints it.\n"]
    for code in known_codes():
        title, _, body = explanation(code).partition("\n")
        pages.append(f"## {code}: {title.removeprefix('# ')}\n{body}")
    return "\n".join(pages)


def _commands() -> str:
    parts = ["# Commands\n\nGenerated from `--help`.\n"]
    for name in COMMANDS:
        command = import_module(f"bertspec.cli.{name.replace('-', '_')}").command
        context = click.Context(
            command, info_name=f"bertspec {name}", parent=None, terminal_width=90,
            max_content_width=90,
        )  # fmt: skip
        context.help_option_names = cli.context_settings["help_option_names"]
        parts.append(f"## bertspec {name}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


GENERATED: Mapping[str, Callable[[], str]] = {
    "docs/fields.md": _fields,
    "docs/codes.md": _codes,
    "docs/commands.md": _commands,
} | {f"schema/{name}": lambda what=what: schema_text(what) for what, (_, name) in SCHEMAS.items()}

if __name__ == "__main__" and "--write" in sys.argv:
    for path, text in GENERATED.items():
        Path(path).write_text(text(), encoding="utf-8")
