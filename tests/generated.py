"""What is generated from the code. `python -m tests.generated --write` writes it."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from bertspec.catalog.bases.scratch import keys_of, longest
from bertspec.catalog.tasks import TASKS
from bertspec.cli import COMMANDS, cli
from bertspec.cli.compile import lowered
from bertspec.core.explanations import explanation, known_codes
from bertspec.pipeline.kinds import STAGE_KINDS, params_model
from bertspec.pipeline.stage import Stage
from bertspec.spec.reference import fields_of
from bertspec.spec.schema import SCHEMAS, schema_text
from bertspec.spec.sections import Spec
from tests.projects import SPEC, Project
from tests.tasks.export_forms import FORMS, TOOLS, forms_of

TABLE, END = "<!-- generated -->", "<!-- end -->"


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
        for inner in command.commands.values() if isinstance(command, click.Group) else ():
            below = click.Context(inner, context, info_name=inner.name, terminal_width=90,
                                  max_content_width=90)  # fmt: skip
            parts.append(f"### {below.command_path}\n\n```\n{inner.get_help(below)}\n```\n")
    return "\n".join(parts)


def _exports() -> str:
    """docs/exports.md with the table of tasks and exports; all else in it is written by hand."""
    before, begin, rest = Path("docs/exports.md").read_text(encoding="utf-8").partition(TABLE)
    _, end, after = rest.partition(END)
    lines = [f"| task | {' | '.join(f'`{name}`' for name in FORMS)} | runs the folder |"]
    lines.append("|---" * (len(FORMS) + 2) + "|")
    for kind, task in TASKS.items():
        said = dict.fromkeys(forms_of(kind, thorough=True), "yes")  # those that tests export
        said["transformers"] = f"`{task.auto_class}`"
        cells = [said.get(name, "no") for name in FORMS]
        lines.append(f"| `{kind}` | {' | '.join(cells)} | {TOOLS[kind]} |")
    return before + begin + "\n" + "\n".join(lines) + "\n" + end + after


_STAGES = """\
# Stages and artifacts

Generated from the code. `SPEC` and `DATA` are the names of a spec and of a data set, `KEY` the
digest of what defines a base or a tokenization. Beside each folder lies `<folder>.manifest.json`,
which says what it was made from. DVC runs a stage again when one of its inputs, params, versions
or packages changes; [design.md](design.md) says more.
"""


def _stages() -> str:
    """What each kind of stage makes of what, as a spec with every stage compiles."""
    parts = [_STAGES]
    for kind, stage in _compiled_stages().items():
        about = STAGE_KINDS[kind]
        document = import_module(f"bertspec.runtime.{kind}").__doc__ or ""
        name = next(_named([stage.name]))
        rows = [
            ("stage", f"`{name}`"),
            ("version of the runner", str(about.version)),
            ("params", _listed(params_model(kind).model_fields)),
            ("user's files", _listed(_named(stage.sources))),
            ("inputs", _listed(_named(stage.inputs.values()))),
            ("outputs", _listed(_named(o.path for o in stage.outputs.values()))),
            ("packages", _listed(about.packages)),
            ("threads", "locked" if about.threaded else "any number"),
            ("device", "the locked one" if about.on_device else "the processor"),
        ]
        table = "".join(f"| {title} | {text} |\n" for title, text in rows if text)
        said = document.partition("\n")[0].partition(": ")[2]
        parts.append(f"## {kind}\n\n{said[0].upper()}{said[1:]}\n\n| | |\n|---|---|\n{table}")
    return "\n".join(parts)


def _compiled_stages() -> Mapping[str, Stage]:
    """The first stage of each kind."""
    spec = json.loads(json.dumps(SPEC)) | {"name": "specname"}
    spec["data"]["name"] = "dataname"
    spec["training"]["seeds"] = [14]
    with TemporaryDirectory() as folder:
        project = Project.create(Path(folder) / "project")
        project.write_spec(spec)
        project.compile()
        with chdir(project.root):
            _, pipeline = lowered((), Path())
    found: dict[str, Stage] = {}
    for stage in pipeline.stages:
        found.setdefault(stage.kind, stage)
    return {kind: found[kind] for kind in STAGE_KINDS}


def _named(values: Iterable[str]) -> Iterator[str]:
    """Names and paths with the words of the page in the place of names that specs give."""
    for value in values:
        text = re.sub(r"\b(?!dataname)[a-z]+-[0-9a-f]{6,}\b", "KEY", value)
        text = re.sub(r"\b[0-9a-f]{6,}\b", "KEY", text)
        yield text.replace("specname", "SPEC").replace("dataname", "DATA")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _longest(model_type: str, padding: int) -> int:
    """Tokens that a model of the family takes, with this id of the padding."""
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(model_type)
    config.vocab_size = config.vocab_size or 64  # ESM says none
    config.pad_token_id = padding
    with torch.device("meta"):
        return longest(AutoModel.from_config(config))


def _families() -> str:
    """What a spec can say of a new model of each family that transformers has a masked LM of."""
    import transformers
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto

    of_masked_lm = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    configs = {name: AutoConfig.for_model(name) for name in of_masked_lm}
    shared = frozenset.intersection(*(keys_of(config) for config in configs.values()))
    lines = []
    for name, config in sorted(configs.items()):
        entry: dict[str, Any] = {"keys": sorted(keys_of(config) - shared)}
        if (positions := getattr(config, "max_position_embeddings", None)) is not None:
            entry["positions"] = positions
            unused = [positions - _longest(name, padding) for padding in (1, 5)]
            if unused == [2, 6]:
                entry["padding"] = config.pad_token_id or 1
            elif unused[0]:
                entry["unused"] = unused[0]
        if not getattr(transformers, of_masked_lm[name]).supports_gradient_checkpointing:
            entry["gradient_checkpointing"] = False
        lines.append(f"{json.dumps(name)}: {json.dumps(entry)}")
    families = "{\n" + ",\n".join(lines) + "\n}"
    return (
        f'{{"transformers": "{transformers.__version__}",\n'
        f'"keys": {json.dumps(sorted(shared))},\n"families": {families}}}\n'
    )


GENERATED: Mapping[str, Callable[[], str]] = {
    "bertspec/catalog/bases/families.json": _families,
    "docs/fields.md": _fields,
    "docs/codes.md": _codes,
    "docs/commands.md": _commands,
    "docs/exports.md": _exports,
    "docs/stages.md": _stages,
} | {f"schema/{name}": lambda what=what: schema_text(what) for what, (_, name) in SCHEMAS.items()}

if __name__ == "__main__" and "--write" in sys.argv:
    for path, text in GENERATED.items():
        Path(path).write_text(text(), encoding="utf-8")
