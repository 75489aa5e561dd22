"""What base reads."""

from bertspec.catalog.bases import OneBase
from bertspec.core.model import Model


class BaseParams(Model):
    """Params of a base stage."""

    base: OneBase
