"""What export reads."""

from typing import Annotated

from pydantic import Field

from bertspec.catalog.exports import AnyExport
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import Model

Exports = Annotated[tuple[AnyExport, ...], Field(strict=False)]


class ExportParams(Model):
    """Params of an export stage."""

    task: AnyTask
    export: Exports
