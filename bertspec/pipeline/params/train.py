"""What train reads: the head and the training."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from bertspec.catalog.long_documents import Aggregate
from bertspec.catalog.tasks import AnyTask
from bertspec.core.model import (
    Model,
    either_text_or_list,
    either_text_or_mapping,
    either_text_or_number,
)
from bertspec.pipeline.params.distillation import Distillation
from bertspec.pipeline.params.powers import PowerOfTwo

Ratio = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Head(Model):
    """The head that the task puts on the base."""

    dropout: Ratio | None = Field(
        default=None, description="Dropout before the head; null keeps the base's own."
    )


class Batch(Model):
    """What one optimizer step sees."""

    examples: int = Field(
        default=32, ge=1, description="Examples in a step, all its parts together."
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="Parts that the examples of a step are divided into, to save memory: each runs "
        "by itself, and the step is taken with the gradients of all of them together.",
        json_schema_extra={"since": 2},
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens of a part at most, to bound memory whatever texts are drawn: a step "
        "with more has more parts. An example is never divided. Null for no bound.",
        json_schema_extra={"since": 2},
    )
    shards: PowerOfTwo = Field(
        default=1,
        description="Shares of the examples of a step, a power of two, each with gradients and "
        "dropout of its own. So many processes can train at most, see `execution.processes`; the "
        "result depends on the shards, and not on who computed them. `accumulate` and `tokens` "
        "divide each shard further.",
        json_schema_extra={"since": 2},
    )


class AdamW(Model):
    """AdamW (Loshchilov and Hutter, 2019), as torch.optim has it."""

    type: Literal["adamw"] = Field(default="adamw", description="AdamW.")
    beta1: Ratio = Field(default=0.9, description="Decay of the first moment.")
    beta2: Ratio = Field(default=0.999, description="Decay of the second moment.")
    epsilon: float = Field(default=1e-8, gt=0, description="Added to the denominator.")
    weight_decay: float = Field(
        default=0.01, ge=0, description="Decay of weights; biases and normalisation have none."
    )


class _Schedule(Model):
    warmup_ratio: Ratio = Field(
        default=0.1, description="Share of all steps over which the rate rises from 0."
    )
    warmup_steps: int | None = Field(
        default=None,
        ge=0,
        description="Steps over which the rate rises from 0, in place of `warmup_ratio`.",
        json_schema_extra={"since": 2},
    )


class Linear(_Schedule):
    """Falls in a straight line to 0."""

    type: Literal["linear"] = Field(description="Linear to 0, after the warmup.")


class Cosine(_Schedule):
    """Falls along half a cosine to 0."""

    type: Literal["cosine"] = Field(description="Half a cosine to 0, after the warmup.")


class Constant(_Schedule):
    """Stays."""

    type: Literal["constant"] = Field(description="Constant, after the warmup.")


class Polynomial(_Schedule):
    """Falls as a power of the steps that are left."""

    type: Literal["polynomial"] = Field(
        description="As a power of the share of steps that are left, after the warmup."
    )
    power: float = Field(default=1.0, gt=0, description="The power; 1 is a straight line.")
    final_ratio: Ratio = Field(
        default=0.0, description="Share of the peak learning rate that it falls to."
    )


if TYPE_CHECKING:
    Schedule = Linear | Cosine | Constant | Polynomial
else:
    Schedule = Annotated[Linear | Cosine | Constant | Polynomial, Field(discriminator="type")]


if TYPE_CHECKING:
    ClassWeights = Literal["balanced"] | dict[str, float]
else:
    ClassWeights = Annotated[
        Annotated[Literal["balanced"], Tag("text")]
        | Annotated[dict[str, Annotated[float, Field(gt=0)]], Tag("mapping")],
        either_text_or_mapping(),
    ]


if TYPE_CHECKING:
    Freeze = Literal["embeddings", "all"] | int
    Targets = Literal["all-linear"] | tuple[str, ...]
else:
    Freeze = Annotated[
        Annotated[Literal["embeddings", "all"], Tag("text")]
        | Annotated[Annotated[int, Field(ge=1)], Tag("number")],
        either_text_or_number(),
    ]
    Targets = Annotated[
        Annotated[Literal["all-linear"], Tag("text")]
        | Annotated[tuple[str, ...], Field(strict=False, min_length=1), Tag("list")],
        either_text_or_list(),
    ]


class Lora(Model):
    """Low-rank adaptation (Hu et al., 2021), as peft has it."""

    rank: int = Field(default=8, ge=1, description="Rank of the change of each matrix.")
    alpha: float = Field(
        default=16.0, gt=0, description="The change is multiplied by this, divided by the rank."
    )
    dropout: Ratio = Field(default=0.0, description="Dropout before each change.")
    target_modules: Targets = Field(
        default="all-linear",
        description="Linear layers that are changed: all of the base's layers, or those of these "
        "names, such as `[query, value]`.",
    )


class EarlyStopping(Model):
    """Stop when `metric_for_best_model` no longer gets better on validation."""

    patience: int = Field(
        default=2,
        ge=1,
        description="Epochs without a better result; measurements, with `validate_every`.",
    )
    threshold: float = Field(default=0.0, ge=0, description="By how much a result must be better.")


class AllRows(Model):
    """Every row once."""

    type: Literal["all"] = Field(description="Every row once.")


class Balanced(Model):
    """As many rows as there are, and each label equally often."""

    type: Literal["balanced"] = Field(
        description="As many rows as there are, each label equally often: of common labels some "
        "rows, drawn anew in each epoch, and those of rare labels several times."
    )


class Cap(Model):
    """A few rows of each label."""

    type: Literal["cap"] = Field(description="A number of rows of each label at most.")
    per_label: int = Field(ge=1, description="Rows of a label, drawn anew in each epoch.")


if TYPE_CHECKING:
    Sampling = AllRows | Balanced | Cap
else:
    Sampling = Annotated[AllRows | Balanced | Cap, Field(discriminator="type")]


class Training(Model):
    """How the model is trained."""

    seed: Seed = Field(default=13, description="Seed of the head's weights, order and dropout.")
    epochs: int = Field(default=3, ge=1, le=10_000, description="Passes over the training split.")
    max_steps: int | None = Field(
        default=None,
        ge=1,
        description="Steps of the optimizer at most, if `epochs` are not over before; the learning "
        "rate changes over as many. Null for no bound but `epochs`.",
        json_schema_extra={"since": 2},
    )
    validate_every: int | None = Field(
        default=None,
        ge=1,
        description="Steps of the optimizer after which the model is measured on validation, in "
        "place of after each epoch. The last step is always measured, so a number above that of "
        "all steps measures there alone. Null for after each epoch.",
        json_schema_extra={"since": 2},
    )
    learning_rate: float = Field(default=5e-5, gt=0, description="Peak learning rate.")
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each layer to the one below it; the head has "
        "the full rate, and the embeddings the lowest. Layers that share weights are one.",
        json_schema_extra={"since": 2},
    )
    batch: Batch = Field(default=Batch(), description="What one optimizer step sees.")
    optimizer: AdamW = Field(default=AdamW(), description="The optimizer.")
    schedule: Schedule = Field(
        default=Linear(type="linear"), description="How the learning rate changes."
    )
    max_grad_norm: float | None = Field(
        default=1.0, gt=0, description="Gradients are scaled down to this norm; null for never."
    )
    ema: Ratio | None = Field(
        default=None,
        description="Decay of an exponential moving average of the weights, which is measured on "
        "validation and kept in place of the weights themselves; null for none. It looks back "
        "over about 1 / (1 - ema) steps, which should be far fewer than there are.",
        json_schema_extra={"since": 2},
    )
    freeze: Freeze | None = Field(
        default=None,
        description="What keeps the weights of the base: the embeddings and so many of the first "
        "layers, the `embeddings` alone, or `all` layers, so that only the head learns, with a "
        "pooler or last normalisation of the base. Frozen layers have no dropout, and where the "
        "training sees a text again they need not run again. Null for nothing.",
        json_schema_extra={"since": 2},
    )
    lora: Lora | None = Field(
        default=None,
        description="Train a change of low rank of each linear layer of the base, and the head in "
        "full; the changes are added to the weights at the end. Learning rates are some ten times "
        "those of whole weights. Null to train all weights.",
        json_schema_extra={"since": 2},
    )
    label_smoothing: Ratio = Field(
        default=0.0, description="Share of the target spread over all labels."
    )
    class_weights: ClassWeights | None = Field(
        default=None,
        description="Weight of each label in the loss; `balanced` is inverse to its frequency.",
    )
    focal_gamma: float | None = Field(
        default=None,
        ge=0,
        description="Exponent of the focal loss (Lin et al., 2017): what has the probability p "
        "and is right counts for `(1 - p) ** focal_gamma`, so that what the model is sure of "
        "counts for little. Often 2; null for none.",
        json_schema_extra={"since": 2},
    )
    distillation: Distillation | None = Field(
        default=None,
        description="Learn from what another model says of each row as well; null to learn from "
        "the data alone.",
        json_schema_extra={"since": 2},
    )
    sampling: Sampling = Field(
        default=AllRows(type="all"),
        description="Which rows an epoch sees.",
        json_schema_extra={"since": 2},
    )
    metric_for_best_model: str = Field(
        default="loss",
        description="Which epoch's model is kept: the best one on validation by this metric, "
        "or with `validate_every` the best of all that are measured. Without a validation split, "
        "the last.",
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, description="Stop before the last step; null for never."
    )
    precision: Literal["fp32", "bf16", "auto"] = Field(
        default="fp32",
        description="Arithmetic of the forward pass, in training and in its measurements on "
        "validation; weights stay 32-bit, and the stages after it compute in fp32. With `auto`, "
        "`bertspec lock` writes to the lock which one it is: bf16 where the device multiplies it.",
    )

    def packages(self) -> tuple[str, ...]:
        """Distributions whose version can change the result, beside those of every training."""
        return ("peft",) if self.lora else ()


class TrainParams(Model):
    """Params of a train stage."""

    task: AnyTask
    head: Head
    training: Training
    aggregate: Aggregate | None = None
    """How the scores of a row's windows become one; None where no metric but the loss is needed,
    or there are no windows.
    """

    @model_validator(mode="after")
    def _nothing_is_decided_here(self) -> Self:
        if self.training.precision == "auto":
            raise PydanticCustomError("floating", "`precision: auto` is decided by the lock")
        return self
