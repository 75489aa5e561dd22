"""What tokenize reads."""

from typing import Literal

from pydantic import Field

from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model


class Truncate(Model):
    """A long text keeps its beginning."""

    type: Literal["truncate"] = Field(
        default="truncate", description="Keep the first `max_length` tokens."
    )


class Tokenization(Model):
    """How text becomes token ids. The tokenizer itself is the base's."""

    max_length: int = Field(
        default=256, ge=4, description="Most tokens of a text, special tokens included."
    )
    long_documents: Truncate = Field(
        default=Truncate(), description="What becomes of texts longer than `max_length`."
    )


class TokenizeParams(Model):
    """Params of a tokenize stage."""

    task: AnyTask
    tokenization: Tokenization
