"""What a source's columns mean: which is the text, which the label, and how they are read."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from bertspec.core.model import Model, either_text_or_mapping

ColumnName = Annotated[str, StringConstraints(min_length=1)]
Filled = Annotated[str, StringConstraints(min_length=1)]

Kind = Literal["text", "list", "number"]
"""What the values of a mapped column are: text, a list of texts, or a 64-bit float."""


def later(description: str, default: Any = None, **options: Any) -> Any:
    """A field that version 2 added: left out of params.yaml while it is at its default."""
    return Field(
        default=default, description=description, json_schema_extra={"since": 2}, **options
    )


def given(*names: str) -> dict[str, Any]:
    """JSON Schema: the keys are there, and are neither null nor false, which say nothing."""
    said = {"not": {"enum": [None, False]}}
    return {"required": list(names), "properties": dict.fromkeys(names, said)}


_EXCLUSIVE = (
    ("value", "map"), ("value", "separator"), ("value", "list"), ("value", "number"),
    ("separator", "list"), ("number", "map"), ("number", "separator"), ("number", "list"),
)  # fmt: skip
"""Keys of which a column has one at most."""


class Column(Model):
    """A column whose values are changed as they are read, or one value for all rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                given("value"),
                {**given("column"), "anyOf": [given("map"), {"not": given("other")}]},
            ],
            "not": {"anyOf": [given(*pair) for pair in _EXCLUSIVE]},
        }
    )

    column: ColumnName | None = later("The source's column.")
    value: Filled | None = later("The same text for every row, instead of a column.")
    map: Annotated[dict[str, Filled], Field(min_length=1)] | None = later(
        "What each value of the column becomes. One that is not listed is an error."
    )
    other: Filled | None = later("What values that `map` does not list become.")
    separator: Filled | None = later(
        "The column is a list, written as one text with this between the items."
    )
    list: bool = later("The column is a list: of its type, or written as JSON.", default=False)
    number: bool = later("The column is a number.", default=False)

    @model_validator(mode="after")
    def _options_go_together(self) -> Self:
        said = [name for name in type(self).model_fields if getattr(self, name)]
        if ("column" in said) == ("value" in said):
            raise _wrong("give it a `column` or a `value`, one of them")
        for one, other in _EXCLUSIVE:
            if one in said and other in said:
                raise _wrong(f"`{one}` and `{other}` exclude each other")
        if "other" in said and "map" not in said:
            raise _wrong("`other` is for what `map` does not list, and there is no `map`")
        return self


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("column_options", "{message}", {"message": message})


if TYPE_CHECKING:
    AnyColumn = str | Column
else:
    AnyColumn = Annotated[
        Annotated[ColumnName, Tag("text")] | Annotated[Column, Tag("mapping")],
        either_text_or_mapping(),
    ]


class Columns(Model):
    """Meaning of a source's columns."""

    text: AnyColumn | None = Field(default=None, description="Column of the text.")
    text_pair: AnyColumn | None = Field(
        default=None, description="Column of the second text of a pair."
    )
    label: AnyColumn | None = Field(default=None, description="Column of the label.")
    slice: AnyColumn | None = later(
        "Column whose values are told apart in what is measured, such as the language."
    )
    tokens: AnyColumn | None = later("Column of the words, a list.")
    tags: AnyColumn | None = later("Column of the words' tags, a list as long as `tokens`.")
    spans: AnyColumn | None = later(
        "Column of the text's entities, a list of `{start, end, label}` in characters."
    )
    question: AnyColumn | None = later("Column of the question.")
    context: AnyColumn | None = later("Column of the text that has the answer.")
    answers: AnyColumn | None = later("Column of the right answers, a list.")
    choices: AnyColumn | None = later("Column of the texts to choose from, a list.")
    negative: AnyColumn | None = later("Column of a text that is unlike `text`.")

    def with_lists(self, lists: Collection[str]) -> Self:
        """These, where columns of the source that are `lists` need not say so."""
        changed = {n: _as_list(c) for n, c in self.mapped().items() if source_column(c) in lists}
        return self.model_copy(update=changed)

    def mapped(self) -> Mapping[str, AnyColumn]:
        """The fields that have a column or a value, in the order of the language."""
        return {name: column for name, column in self if column is not None}


TARGETS = ("label", "tags", "spans", "answers")
"""Fields that a model learns to say: never missing."""


def _as_list(column: AnyColumn) -> AnyColumn:
    """The column read as a list, unless it says how else it is read."""
    if not isinstance(column, Column):
        return Column(column=column, list=True)
    is_said = column.separator is not None or column.number
    return column if is_said else column.model_copy(update={"list": True})


def source_column(column: AnyColumn | None) -> str | None:
    """The source's column behind a field; None for a field without one."""
    return column.column if isinstance(column, Column) else column


def kind_of(column: AnyColumn) -> Kind:
    """What the values of a field are."""
    if isinstance(column, Column):
        if column.number:
            return "number"
        if column.list or column.separator is not None:
            return "list"
    return "text"
