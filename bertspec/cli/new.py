"""`bertspec new`."""

from pathlib import Path

import click

_TASKS = (
    "text-classification", "multi-label-classification", "text-regression", "token-classification",
    "question-answering", "masked-lm", "causal-lm", "multiple-choice", "sentence-embedding",
)  # fmt: skip


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
      bertspec new reviews --task text-classification --data data/reviews.csv
      bertspec new entities --task token-classification

    Without --data it has names to fill in. A spec that is there is not touched.
    """  # noqa: D301 - click wants the character
    from bertspec.core.errors import InputError
    from bertspec.core.files import write_if_changed
    from bertspec.core.names import NAME_PATTERN, slugify
    from bertspec.core.verbosity import did
    from bertspec.importing.scaffold import new_spec

    if slugify(name) != name:
        raise click.BadParameter(f"a name is like `{slugify(name)}` ({NAME_PATTERN})")
    target = Path("specs") / f"{name}.yaml"
    if target.exists():
        raise InputError.of("E243", f"{target} is there already", "take another name")
    pairs = dict(_pair(text) for text in columns)
    made = new_spec(name, task, data, pairs, base)
    target.parent.mkdir(exist_ok=True)
    write_if_changed(target, made.text())
    did(f"written  {target}")
    for line in made.open:
        did(f"fill in  {line}")


def _pair(text: str) -> tuple[str, str]:
    field, mark, column = text.partition("=")
    if not mark:
        raise click.BadParameter(f"`{text}` is not FIELD=COLUMN")
    return field, column
