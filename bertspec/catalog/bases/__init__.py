"""The table of bases."""

from typing import TYPE_CHECKING

from bertspec.catalog.base import Base
from bertspec.core.kinds import Kinds

BASES: Kinds[Base] = Kinds(
    "bertspec.catalog.bases",
    {
        "hub": "hub:HubBase",
        "local": "local:LocalBase",
        "package": "package:PackageBase",
        "scratch": "scratch:ScratchBase",
        "spec": "spec:SpecBase",
    },
)

if TYPE_CHECKING:
    AnyBase = Base
else:
    AnyBase = BASES
