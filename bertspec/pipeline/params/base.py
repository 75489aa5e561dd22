"""What base reads."""

from bertspec.catalog.bases import AnyBase
from bertspec.core.model import Model


class BaseParams(Model):
    """Params of a base stage."""

    base: AnyBase
