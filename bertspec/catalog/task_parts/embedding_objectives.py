"""What sentence embeddings are trained for: options of `task.objective`."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bertspec.catalog.task_parts.choosing import cross_entropy_among
from bertspec.core.model import Model

if TYPE_CHECKING:
    import torch

TEXT, PAIR, NEGATIVE = range(3)
"""What a sequence is of its example: `text`, `text_pair` or `negative`."""


class CosineSimilarity(Model):
    """The cosine similarity of a pair is its label, as in CosineSimilarityLoss."""

    type: Literal["cosine"] = Field(
        description="Each pair has a label, how alike its texts are. The loss is the squared "
        "difference of it from the cosine similarity of their vectors."
    )
    scale: Annotated[tuple[float, float], Field(strict=False)] = Field(
        default=(0.0, 1.0),
        description="The labels that mean a similarity of 0 and of 1, such as `[0, 5]`.",
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.scale[0] >= self.scale[1]:
            raise PydanticCustomError("scale", "the first of `scale` is below the second")
        return self

    def loss(
        self, vectors: "torch.Tensor", labels: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of the losses, and number of pairs.

        `vectors` is (sequences, size), a text and its pair in turns; each has the pair's label.
        """
        from torch.nn.functional import cosine_similarity, mse_loss

        low, high = self.scale
        similarity = cosine_similarity(vectors[::2], vectors[1::2])
        wanted = (labels[::2] - low) / (high - low)
        total = mse_loss(similarity, wanted, reduction="sum")
        return total, total.new_full((), len(wanted))


class InBatchNegatives(Model):
    """A text is nearest to its own pair, as in MultipleNegativesRankingLoss."""

    type: Literal["in-batch-negatives"] = Field(
        description="The texts of each pair belong together. The loss is the cross entropy of "
        "finding a text's pair among those of the batch, and the `negative` texts where the data "
        "has such; texts equal to the pair do not count. More `training.batch.examples` make it "
        "harder."
    )
    temperature: float = Field(
        default=0.05, gt=0, description="What cosine similarities are divided by."
    )

    def loss(
        self, vectors: "torch.Tensor", targets: "torch.Tensor"
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Sum of the losses, and number of pairs.

        `vectors` is (sequences, size); `targets` (sequences, 2) says what each is of its example,
        and gives a number for its text, the same for equal ones.
        """
        import torch
        from torch.nn.functional import normalize

        units = normalize(vectors, dim=1)
        parts, contents = targets.unbind(dim=1)
        is_pair, is_negative = parts == PAIR, parts == NEGATIVE
        candidates = torch.cat([units[is_pair], units[is_negative]])
        scores = units[parts == TEXT] @ candidates.T / self.temperature
        right = torch.arange(len(scores), device=scores.device)
        others = torch.cat([contents[is_pair], contents[is_negative]])
        is_same = contents[is_pair].unsqueeze(1) == others.unsqueeze(0)
        is_same[right, right] = False
        scores = scores.masked_fill(is_same, -float("inf"))
        return cross_entropy_among(scores, right, label_smoothing=0.0)


if TYPE_CHECKING:
    Objective = CosineSimilarity | InBatchNegatives
else:
    Objective = Annotated[CosineSimilarity | InBatchNegatives, Field(discriminator="type")]
