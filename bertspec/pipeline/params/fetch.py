"""What fetch reads."""

from pydantic import Field

from bertspec.catalog.sources import OneSource
from bertspec.core.model import Model


class FetchParams(Model):
    """Params of a fetch stage."""

    source: OneSource = Field(description="Where the rows come from.")
