"""Names on the Hugging Face hub, as sources and bases have them."""

from typing import Annotated

from pydantic import StringConstraints

HubId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")]
"""`name` or `owner/name`."""

Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
"""A commit. A branch or a tag may move, and would make the build depend on the day."""
