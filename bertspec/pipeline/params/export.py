"""What export reads."""

from typing import Annotated

from pydantic import Field

from bertspec.catalog.exports import AnyExport
from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model

Exports = Annotated[tuple[AnyExport, ...], Field(strict=False)]


class ExportParams(Model):
    """Params of an export stage."""

    task: AnyTask
    export: Exports
    aggregate: Aggregate | None = None
    """How the scores of a row's windows become one; None where there are no windows."""
