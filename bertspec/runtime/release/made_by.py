"""What each stage of a build was locked to, and the lock that this comes to."""

from collections.abc import Sequence

from pydantic import Field

from bertspec.core.model import Model
from bertspec.pipeline.lock import Lock


class MadeBy(Model):
    """One stage of a build."""

    stage: str
    version: int
    """STAGE_VERSION of its kind, which stands for the code of its runner."""
    packages: dict[str, str]
    """Locked version of each package that it uses."""
    threads: int | None = Field(default=None, ge=1)
    device: str | None = None
    """Where it was computed, if not on the processor."""


def lock_of(made: Sequence[MadeBy]) -> Lock:
    """The part of a project's lock that a build depends on; `made` is in its order, and not empty.

    Stages that are frozen may be of another lock; then what is later in a build counts.
    """
    packages: dict[str, str] = {}
    for each in made:
        packages |= each.packages
    training = next((each for each in made if each.stage.endswith("-train")), made[-1])
    return Lock(
        threads=made[-1].threads or training.threads or 1,
        device="cuda" if training.device == "cuda" else "cpu",
        packages=dict(sorted(packages.items())),
    )
