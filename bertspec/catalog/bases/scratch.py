"""A new model: an architecture with random weights, and a tokenizer trained on the data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from bertspec.catalog.base import Base
from bertspec.core.model import Model


class WordPiece(Model):
    """A WordPiece tokenizer, trained on the training split's text."""

    type: Literal["wordpiece"] = Field(description="WordPiece, as BERT has it.")
    vocab_size: int = Field(ge=16, description="Entries in the vocabulary, at most.")
    lowercase: bool = Field(default=True, description="Whether text is lower-cased first.")


class ScratchBase(Base):
    """No pretraining: for tests, for languages without a model, and as a baseline."""

    reads_data: ClassVar[bool] = True

    type: Literal["scratch"] = Field(description="A new model with random weights.")
    config: dict[str, int | float | str | bool] = Field(
        description="The architecture: `model_type` and the fields of its transformers config, "
        "such as `{model_type: bert, hidden_size: 128, num_hidden_layers: 2}`."
    )
    tokenizer: WordPiece = Field(description="How the tokenizer is trained.")
    seed: int = Field(default=0, ge=0, description="Seed of the random weights.")

    def packages(self) -> tuple[str, ...]:
        return (*super().packages(), "torch")

    def slug(self) -> str:
        return "scratch"

    def known_config(self, root: Path) -> Mapping[str, Any] | None:
        return self.config

    def build(self, target: Path, root: Path, prepared: Path | None) -> None:
        raise NotImplementedError
