"""An outcome for each of several inputs that are predicted together."""

import logging
from collections.abc import Sequence

from bertspec.core.errors import BertspecError, InternalError
from bertspec.runtime.predict import Input, Predictor
from bertspec.runtime.serving.batching import Outcome

LOG = logging.getLogger("uvicorn.error")


def answer_each(predictor: Predictor, inputs: Sequence[Input]) -> list[Outcome]:
    """The answer to each input, or what is wrong with it.

    A fault of the server at one input ends the prediction of all. Halves are then tried, and so on,
    so that nobody's input spoils the request of another.
    """
    try:
        return list(predictor.outcomes(inputs))
    except BaseException:  # a panic of a library in Rust is no Exception
        if len(inputs) > 1:
            half = len(inputs) // 2
            return answer_each(predictor, inputs[:half]) + answer_each(predictor, inputs[half:])
        LOG.exception("an input could not be predicted")
        return [failed()]


def failed() -> BertspecError:
    """What is not the client's fault, of which it is told no more."""
    return InternalError.of("E901", "the server failed", "its log says how")
