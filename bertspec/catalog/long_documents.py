"""What becomes of texts longer than a model takes: one policy for training and prediction."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from bertspec.core.model import Model, affecting

Aggregate = Literal["mean", "max", "first", "vote"]


class Truncate(Model):
    """A long text keeps its beginning."""

    type: Literal["truncate"] = Field(
        default="truncate", description="Keep the first `max_length` tokens."
    )


class HeadTail(Model):
    """A long text keeps its beginning and its end (Sun et al., 2019)."""

    type: Literal["head-tail"] = Field(description="Keep the first and the last tokens.")
    head: float = Field(
        default=0.25, gt=0, lt=1, description="Share of what is kept that is the beginning."
    )


class Windows(Model):
    """A long text is read in several windows."""

    type: Literal["windows"] = Field(
        description="Read all of it, in windows of `max_length` tokens. Of a pair, the windows go "
        "over the second text, and each has the first."
    )
    stride: int = Field(
        default=64, ge=0, description="Tokens that a window shares with the one before it."
    )
    aggregate: Aggregate = affecting(
        "train",
        "evaluate",
        "export",
        default="mean",
        description="How the scores of a text's windows become one: their `mean`, the `max` of "
        "each, those of the `first` window, or the share of the windows that `vote` for each. "
        "For tasks that give each token a score this has no meaning: the window in which a token "
        "has most context has its score.",
    )


if TYPE_CHECKING:
    LongDocuments = Truncate | HeadTail | Windows
else:
    LongDocuments = Annotated[Truncate | HeadTail | Windows, Field(discriminator="type")]
