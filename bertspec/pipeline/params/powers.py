"""Numbers that halve without a rest, down to 1."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

_EXPECTED = "1, 2, 4, 8, 16, 32 or 64"


def _no_boolean(value: Any) -> Any:
    """For Python `True` is 1, for JSON Schema it is not."""
    if isinstance(value, bool):
        raise PydanticKnownError("literal_error", {"expected": _EXPECTED})
    return value


PowerOfTwo = Annotated[Literal[1, 2, 4, 8, 16, 32, 64], BeforeValidator(_no_boolean)]
