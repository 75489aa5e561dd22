"""What base reads."""

from typing import Self

from pydantic import model_validator

from bertspec.catalog.bases import AnyBase
from bertspec.catalog.floating import refuse_floating
from bertspec.core.model import Model


class BaseParams(Model):
    """Params of a base stage."""

    base: AnyBase

    @model_validator(mode="after")
    def _nothing_floats(self) -> Self:
        refuse_floating(self.base.floating())
        return self
