"""What tokenize reads."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from bertspec.catalog.long_documents import LongDocuments, Truncate
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model, affecting

PERCENT = r"^([0-9]|[1-9][0-9])(\.[0-9]+)?%$"


def _of_percent(value: Any) -> Any:
    """`1%` is 0.01."""
    if isinstance(value, str) and re.match(PERCENT, value):
        return float(value[:-1]) / 100
    return value


if TYPE_CHECKING:
    Part = float
else:
    Part = Annotated[
        float,
        Field(ge=0, lt=1),
        BeforeValidator(_of_percent),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                    {"type": "string", "pattern": PERCENT},
                ]
            }
        ),
    ]
"""A share from 0 to 1, or in percent."""


class Budget(Model):
    """How large a share may be, of all tokens of a split and of each slice of it."""

    budget: Part = Field(description="The largest share, such as `1%` or 0.01.")
    severity: Literal["error", "warn"] = Field(
        default="error", description="Whether the stage fails above it."
    )


class Tokenization(Model):
    """How text becomes token ids. The tokenizer itself is the base's."""

    max_length: int = Field(
        default=256, ge=4, description="Most tokens of a text, special tokens included."
    )
    long_documents: LongDocuments = affecting(
        "tokenize",
        "evaluate",
        "export",
        default=Truncate(),
        description="What becomes of texts longer than `max_length`.",
    )


class Budgets(Model):
    """How much of the text may be lost. They change no token id: only whether the stage passes."""

    truncation: Budget | None = Field(
        default=None,
        description="How many of the tokens may be cut off; null for any number.",
        json_schema_extra={"since": 2},
    )
    unknown: Budget | None = Field(
        default=None,
        description="How many of the tokens may be unknown to the tokenizer; null for any number.",
        json_schema_extra={"since": 2},
    )


class TokenizeParams(Model):
    """Params of a tokenize stage."""

    task: AnyTask
    tokenization: Tokenization
    budgets: dict[str, Budgets] = Field(default={})
    """Of each spec that has some: those that share a tokenization need not share these."""
