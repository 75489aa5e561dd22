"""Learning from the outputs of another model."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from bertspec.core.model import Model
from bertspec.core.names import NAME_PATTERN


class SpecTeacher(Model):
    """The trained model of another spec of the project."""

    type: Literal["spec"] = Field(description="The trained model of another spec of the project.")
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(
        description="The name of the spec."
    )


class Distillation(Model):
    """Knowledge distillation (Hinton et al., 2015): the model learns what a larger one says."""

    teacher: SpecTeacher = Field(
        description="The model to learn from: of the same task, labels and tokenizer. It has no "
        "dropout, and does not learn."
    )
    temperature: float = Field(
        default=2.0,
        gt=0,
        description="By what the logits of both models are divided; above 1, the labels that the "
        "teacher finds unlikely count for more.",
    )
    alpha: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the loss that is how far the model is from its teacher; the rest is "
        "the loss of the task. With 1 the labels of the data count for nothing.",
    )
