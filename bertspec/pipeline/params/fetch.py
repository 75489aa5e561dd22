"""What fetch reads."""

from pydantic import Field

from bertspec.catalog.sources import AnySource
from bertspec.core.model import Model


class FetchParams(Model):
    """Params of a fetch stage."""

    source: AnySource = Field(description="Where the rows come from.")
