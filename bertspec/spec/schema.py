"""The JSON Schema of the language, generated from the models."""

import json
import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from bertspec.catalog.task import CLASSES
from bertspec.catalog.tasks import TASKS
from bertspec.core.model import Model
from bertspec.spec.sections import LANGUAGE_VERSION, DataSetFile, Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, tuple[type[Model], str]] = {
    "spec": (Spec, f"bertspec-{LANGUAGE_VERSION}.schema.json"),
    "dataset": (DataSetFile, f"bertspec-dataset-{LANGUAGE_VERSION}.schema.json"),
}
"""What there is a schema of: its model, and its file in schema/."""


class _Generator(GenerateJsonSchema):
    """pydantic's generator, with a rule that JSON Schema spells in its own way."""

    def generate(self, schema: Any, mode: Any = "validation") -> JsonSchemaValue:
        return {"$schema": DIALECT, **super().generate(schema, mode)}


def schema_text(what: str) -> str:
    """The schema of `spec` or `dataset` as the committed file has it."""
    model, _ = SCHEMAS[what]
    schema = model.model_json_schema(schema_generator=_Generator)
    if model is Spec:
        _list_metrics(schema["$defs"])
        schema = _allowing_extends(schema)
    dialect = {"$schema": schema.pop("$schema"), "$id": f"urn:bertspec:{what}:{LANGUAGE_VERSION}"}
    return json.dumps(dialect | schema, indent=2, ensure_ascii=False) + "\n"


def _list_metrics(definitions: dict[str, Any]) -> None:
    """Give editors the metrics of all tasks. Which task has which is a rule (E114, E118, E120)."""
    metrics = list(dict.fromkeys(name for kind in TASKS.values() for name in kind.metrics))
    evaluation = definitions["Evaluation"]["properties"]
    evaluation["metrics"]["items"]["enum"] = metrics
    of_classes = {name for kind in TASKS.values() for name in kind.class_metrics}
    evaluation["require"]["propertyNames"] = {
        "anyOf": [
            {"enum": ["loss", *metrics]},
            {"pattern": rf"^{re.escape(CLASSES)}.+\.({'|'.join(sorted(of_classes))})$"},
        ]
    }
    training = definitions["TrainingSection"]["properties"]
    training["metric_for_best_model"]["enum"] = ["loss", *metrics]


def _allowing_extends(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a spec that may extend another one, and so lack any key but its own two.

    What it says must be right; only a spec without `extends` must be whole, as `Spec` is.
    """
    definitions = dict(schema.pop("$defs"))
    partial = _partial(schema, definitions)
    whole = {key: value for key, value in schema.items() if key != "$schema"}
    return {
        **partial,
        "required": ["bertspec", "name"],
        "if": {"not": {"required": ["extends"], "properties": {"extends": {"type": "string"}}}},
        "then": {"$ref": "#/$defs/Spec"},
        "$defs": dict(sorted({**definitions, "Spec": whole}.items())),
    }


def _partial(schema: JsonSchemaValue, definitions: dict[str, Any]) -> JsonSchemaValue:
    """`schema` for a mapping that another one is merged into: nothing in it is required.

    A `type` may be missing, too, so that kinds are not told apart. Lists are not merged, and
    their items stay whole. What it refers to is added to `definitions`.
    """
    changed: JsonSchemaValue = {}
    for key, value in schema.items():
        match key:
            case "required" | "minProperties" | "discriminator":
                pass
            case "oneOf" | "anyOf":
                changed["anyOf"] = [_partial(member, definitions) for member in value]
            case "properties":
                changed[key] = {name: _partial(v, definitions) for name, v in value.items()}
            case "$ref":
                changed[key] = _partial_reference(value, definitions)
            case _:
                changed[key] = value
    return changed


def _partial_reference(reference: str, definitions: dict[str, Any]) -> str:
    name = reference.rpartition("/")[2]
    changed = _partial(definitions[name], definitions)
    if changed == definitions[name]:
        return reference
    definitions[f"Partial{name}"] = changed
    return f"{reference.removesuffix(name)}Partial{name}"
