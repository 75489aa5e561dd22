"""`bertspec new`."""

import os
from pathlib import Path

import click

_TASKS = (
    "text-classification", "multi-label-classification", "text-regression", "token-classification",
    "question-answering", "masked-lm", "causal-lm", "multiple-choice", "sentence-embedding",
)  # fmt: skip


_LONGEST_NAME = 64


@click.command()
@click.argument("name")
@click.option("--task", type=click.Choice(_TASKS), required=True, help="What the model is to do.")
@click.option(
    "--data", type=click.Path(path_type=Path, dir_okay=False),
    help="A file of rows (csv, tsv, json or jsonl): its columns and labels are looked at.",
)  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=COLUMN",
    help="What a column of the file is, where its name does not say so, such as text=body.",
)  # fmt: skip
@click.option(
    "--base", default="google-bert/bert-base-uncased", show_default=True, metavar="MODEL",
    help="The pretrained model: its id on the hub, or a folder of the project.",
)  # fmt: skip
def command(name: str, task: str, data: Path | None, columns: tuple[str, ...], base: str) -> None:
    """Write specs/NAME.yaml: a first spec of a task, for your data.

    \b
    Examples:
      bertspec new reviews --task text-classification --data data/reviews.csv
      bertspec new entities --task token-classification

    Without --data it has names to fill in. A spec that is there is not touched.
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import InputError
    from bertspec.core.files import write_if_changed
    from bertspec.core.verbosity import did
    from bertspec.importing.scaffold import new_spec
    from bertspec.spec.load import spec_named

    _refuse_unusable(name)
    target = Path("specs") / f"{name}.yaml"
    there = target if target.exists() else spec_named(name, target.parent)
    if there is not None:
        raise InputError.of(
            "E243", f"{there} is there already", f"take another name: `{name}` is that one's"
        )
    pairs = dict(_pair(text) for text in columns)
    made = new_spec(name, task, data and _inside(data), pairs, base)
    target.parent.mkdir(exist_ok=True)
    write_if_changed(target, made.text())
    did(f"written  {target}")
    for line in made.open:
        did(f"fill in  {line}")


def _refuse_unusable(name: str) -> None:
    """Raise BadParameter for what no spec can be called."""
    from bertspec.core.names import NAME_PATTERN, slugify
    from bertspec.pipeline.layout import RESERVED_NAMES

    if slugify(name) != name:
        raise click.BadParameter(f"a name is like `{slugify(name)}` ({NAME_PATTERN})")
    if len(name) > _LONGEST_NAME:
        raise click.BadParameter(f"a name has {_LONGEST_NAME} characters at most")
    if name in RESERVED_NAMES:
        raise click.BadParameter(f"`{name}` is a folder or a key of bertspec's own")


def _inside(path: Path) -> Path:
    """The path from the project's folder. Raises InputError (E242) for one outside of it."""
    from bertspec.core.errors import InputError

    relative = Path(os.path.relpath(path))
    if ".." in relative.parts:
        raise InputError.of(
            "E242",
            f"{path} is not inside the project",
            "copy or link it into the project, such as into data/",
        )
    return relative


def _pair(text: str) -> tuple[str, str]:
    field, mark, column = text.partition("=")
    if not mark:
        raise click.BadParameter(f"`{text}` is not FIELD=COLUMN")
    return field, column
