"""What fetch reads."""

from typing import Self

from pydantic import Field, model_validator

from bertspec.catalog.floating import refuse_floating
from bertspec.catalog.sources import AnySource
from bertspec.core.model import Model


class FetchParams(Model):
    """Params of a fetch stage."""

    source: AnySource = Field(description="Where the rows come from.")

    @model_validator(mode="after")
    def _nothing_floats(self) -> Self:
        refuse_floating(self.source.floating())
        return self
