"""The table of bases."""

from typing import TYPE_CHECKING, Any

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
    OneBase = Base
else:
    OneBase = BASES.one

    def __getattr__(name: str) -> Any:
        """`AnyBase`, for which all of them are imported."""
        if name == "AnyBase":
            return BASES.annotation
        raise AttributeError(name)
