"""The JSON Schema of the language, generated from the models."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

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
    """The schema of `spec` or `dataset` as the committed file has it.

    `extends` may give any key that a spec lacks, so a spec that extends another one is not held
    to have the required keys but `bertspec` and `name`.
    """
    model, _ = SCHEMAS[what]
    schema = model.model_json_schema(schema_generator=_Generator)
    if model is Spec:
        own = [key for key in schema["required"] if key in ("bertspec", "name")]
        inherited = [key for key in schema["required"] if key not in own]
        schema["required"] = own
        schema["if"] = {"not": {"required": ["extends"]}}
        schema["then"] = {"required": inherited}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
