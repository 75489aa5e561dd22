"""The language, version 1: a spec and a data set, put together from the stages' sections."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticKnownError

from bertspec.catalog.bases import AnyBase
from bertspec.catalog.sources import AnySource
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model, affecting, either_text_or_mapping
from bertspec.core.names import NAME_PATTERN
from bertspec.pipeline.params.contract import Contract
from bertspec.pipeline.params.evaluate import Evaluation
from bertspec.pipeline.params.execution import Execution
from bertspec.pipeline.params.export import Exports
from bertspec.pipeline.params.prepare import Columns, Split, Where
from bertspec.pipeline.params.tokenize import Budgets, Tokenization
from bertspec.pipeline.params.train import Head, Seed, Training

LANGUAGE_VERSION = 1

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=64)]


def _no_boolean(value: Any) -> Any:
    """For Python `True` is 1, for JSON Schema it is not."""
    if isinstance(value, bool):
        raise PydanticKnownError("literal_error", {"expected": str(LANGUAGE_VERSION)})
    return value


Version = Annotated[Literal[1], BeforeValidator(_no_boolean)]


class DataSet(Model):
    """A data set: inline in a spec, or a file of its own that several specs name."""

    name: Name | None = Field(
        default=None,
        description="Its name: a folder in data/ and the start of its stages' names. By default "
        "the name of the spec, or of the file, that it is written in.",
    )
    description: str = Field(default="", description="For readers; affects nothing.")
    source: AnySource = affecting("fetch", description="Where the rows come from.")
    columns: Columns = affecting("prepare", description="Which column means what.")
    where: Annotated[tuple[Where, ...], Field(strict=False)] = affecting(
        "prepare",
        default=(),
        since=2,
        description="Conditions on the source's columns; rows that meet all are taken.",
    )
    split: Split = affecting("prepare", description="How rows are split.")
    contract: Contract = affecting(
        "contract",
        default=Contract(),
        since=2,
        description="What must hold of the rows before anything is trained on them.",
    )

    @model_validator(mode="after")
    def _columns_are_lists_where_the_source_has_lists(self) -> Self:
        """So what is compiled is the same, whether a spec says `list: true` of them or not."""
        columns = self.columns.with_lists(self.source.list_columns())
        return self if columns == self.columns else self.model_copy(update={"columns": columns})


class DataSetFile(DataSet):
    """A file in specs/datasets/."""

    bertspec: Version = Field(description="Version of the language.")


class TokenizationSection(Budgets, Tokenization):
    """How text becomes token ids, and how much of it may be lost."""


class TrainingSection(Training):
    """How the model is trained, with which further seeds, and in which way that changes nothing."""

    seeds: Annotated[tuple[Seed, ...], Field(strict=False, max_length=100)] = affecting(
        "seeds",
        default=(),
        since=2,
        description="Seeds that the same model is trained with beside `seed`, to see how far its "
        "metrics differ by luck alone. The model of `seed` is the one that is exported.",
    )
    execution: Execution = affecting(
        default=Execution(),
        since=2,
        description="Settings that change no result, and so train nothing again: memory, time, and "
        "what can be seen meanwhile.",
    )


class ModelSection(Model):
    """The model: what it starts from, and its head."""

    base: AnyBase = affecting("base", description="The pretrained model and its tokenizer.")
    head: Head = affecting(
        "train", default=Head(), description="The head that the task puts on it."
    )


if TYPE_CHECKING:
    Data = DataSet
else:
    Data = Annotated[
        Annotated[Name, Tag("text")] | Annotated[DataSet, Tag("mapping")],
        either_text_or_mapping(),
    ]


class Spec(Model):
    """One model: from data to exported files."""

    bertspec: Version = Field(description="Version of the language.")
    name: Name = Field(
        description="Its name: a folder in models/ and the start of its stages' names."
    )
    description: str = Field(default="", description="For readers; affects nothing.")
    extends: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="A spec, relative to this file, whose keys hold where this one has none. "
        "Mappings merge, lists and values replace; `name` is not taken over.",
    )
    task: AnyTask = affecting(
        "tokenize", "train", "evaluate", "export", description="What the model is to do."
    )
    data: Data = Field(
        description="A data set: inline, or the name of a file in the folder `datasets`."
    )
    tokenization: TokenizationSection = affecting(
        "tokenize", default=TokenizationSection(), description="How text becomes token ids."
    )
    model: ModelSection = Field(description="What training starts from.")
    training: TrainingSection = affecting(
        "train", default=TrainingSection(), description="How the model is trained."
    )
    evaluation: Evaluation = affecting(
        "evaluate", description="What is measured, and what must hold."
    )
    export: Exports = affecting(
        "export", default=(), description="Formats that the trained model is converted to."
    )
