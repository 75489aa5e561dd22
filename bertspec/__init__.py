"""bertspec: compile a dataset-and-model spec into reproducible DVC stages."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from bertspec.runtime.predict import Predictor

__version__ = "0.1.0"


def load(folder: "str | PathLike[str]", export: str | None = None) -> "Predictor":
    """The exported model in a folder such as models/NAME/export, ready to predict.

    `export` is one of its ONNX exports, such as `onnx-int8`; by default the first of the spec. It
    needs onnxruntime and tokenizers, and no torch. Raises InputError: E451 for a folder that is no
    exported model, or has no such export, or is damaged; E457 for one with a file that is not as it
    was exported, or is of another model. Raises EnvironmentFault (E504) for too little memory.
    """
    from pathlib import Path

    from bertspec.runtime.predict import Predictor

    return Predictor(Path(folder), export)
