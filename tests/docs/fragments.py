"""YAML and JSON of the pages: whole specs are validated as specs, parts of them by the schema."""

import json
import shutil
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from bertspec.compiler.checks import load_checked
from bertspec.core.yaml import load_plain
from bertspec.spec.schema import schema_text
from bertspec.spec.sections import Spec
from tests.docs.blocks import REPOSITORY

MORE = "..."
"""Stands for keys, items or a value that an example leaves out."""


def problems(text: str, folder: Path) -> list[str]:
    """What is wrong with a spec, a data set or a part of one; `folder` is an empty one."""
    value = _without_more(load_plain(text))
    if value is None:  # comments alone
        return []
    if not isinstance(value, dict):
        return ["neither a spec nor a part of one"]
    if {"bertspec", "name", "task"} <= set(value):
        return _of_spec(text, folder)
    if set(value) <= set(Spec.model_fields):
        # Whatever extends another one may lack any key.
        return _errors({"bertspec": 1, "name": "part", "extends": "other.yaml", **value}, _schema())
    return _of_section(value)


def _of_section(value: dict[str, Any]) -> list[str]:
    """What is wrong with keys that stand together somewhere in a spec, in the likeliest place."""
    definitions = _schema()["$defs"]
    places = [
        _errors(value, {"$ref": f"#/$defs/{name}", "$defs": definitions})
        for name, section in definitions.items()
        if set(value) <= set(section.get("properties", ()))
    ]
    return min(places, key=len, default=[f"no section of a spec has {sorted(value)}"])


def _errors(value: Any, schema: dict[str, Any]) -> list[str]:
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    return [error.message for error in found if error.validator != "required"]


def _of_spec(text: str, folder: Path) -> list[str]:
    """What `bertspec validate` says in a project with this repository's data sets."""
    shutil.copytree(REPOSITORY / "specs", folder / "specs", dirs_exist_ok=True)
    (folder / "data").symlink_to(REPOSITORY / "data")
    (folder / "specs" / "page.yaml").write_text(text, encoding="utf-8")
    with chdir(folder):
        found = load_checked((Path("specs/page.yaml"),), folder).diagnostics
    return [f"{d.code} {d.message}" for d in found]


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_text("spec"))
    return schema


def _without_more(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_more(v) for k, v in value.items() if MORE not in (k, v) and v != [MORE]}
    if isinstance(value, list):
        return [_without_more(item) for item in value if item != MORE]
    return value
