"""Which rows of a source are taken."""

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from bertspec.core.model import Model
from bertspec.pipeline.params.columns import ColumnName, Filled, later

CONDITIONS = ("equals", "not_equals", "in", "not_in", "matches", "is_empty")

Texts = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


def _given(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


class _Where(Model):
    """A condition on one column. A missing value counts as an empty text."""

    model_config = ConfigDict(
        title="Where", json_schema_extra={"oneOf": [_given(name) for name in CONDITIONS]}
    )

    column: ColumnName = Field(description="The source's column, as it is before any mapping.")
    equals: str | None = later("The text that it is.")
    not_equals: str | None = later("A text that it is not.")
    not_in: Texts | None = later("Texts of which it is none.")
    matches: Filled | None = later(
        "A regular expression (RE2) that is found in it; `^` and `$` stand for begin and end."
    )
    is_empty: bool | None = later("Whether it is blank or missing.")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        said = [name for name in CONDITIONS if getattr(self, name, None) is not None]
        if len(said) != 1:
            listed = ", ".join(f"`{name}`" for name in CONDITIONS)
            raise PydanticCustomError(
                "where_conditions", "{message}", {"message": f"give it one condition of {listed}"}
            )
        return self


if TYPE_CHECKING:
    Where = _Where
else:
    # `in` is a word of Python, and no class body can have a field of that name.
    Where = create_model(
        "Where",
        __base__=_Where,
        __doc__=_Where.__doc__,
        __module__=__name__,
        **{"in": (Texts | None, later("Texts of which it is one."))},
    )
