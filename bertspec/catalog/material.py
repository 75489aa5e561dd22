"""What a model is made from that lies elsewhere, as its provenance names it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Material:
    """A repository or a file on the web, fixed by a commit or a digest."""

    uri: str
    digest: Mapping[str, str] = field(default_factory=dict)
    """in-toto's name of an algorithm, `gitCommit` or `sha256` -> hexadecimal digits."""


def of_hub(path: str, commit: str) -> Material:
    """A repository of the hub at a commit; `path` begins with `datasets/` for a data set.

    The address is that of huggingface_hub's HfFileSystem, which is the same on every hub.
    """
    return Material(f"hf://{path}@{commit}", {"gitCommit": commit})
