"""The kinds of stage: their order, their version, and the packages that can change their result."""

from collections.abc import Mapping
from dataclasses import dataclass

from bertspec.core.model import Model
from bertspec.pipeline.params.base import BaseParams
from bertspec.pipeline.params.evaluate import EvaluateParams
from bertspec.pipeline.params.export import ExportParams
from bertspec.pipeline.params.fetch import FetchParams
from bertspec.pipeline.params.prepare import PrepareParams
from bertspec.pipeline.params.report import ReportParams
from bertspec.pipeline.params.tokenize import TokenizeParams
from bertspec.pipeline.params.train import TrainParams


@dataclass(frozen=True)
class StageKind:
    """One kind of stage."""

    version: int
    """STAGE_VERSION: raise it when the runner's result changes for the same params."""
    params: type[Model]
    packages: tuple[str, ...] = ()
    """Distributions whose version is part of the stage, beside those of the kinds it names."""
    threaded: bool = False
    """Whether the result depends on the number of threads, as floating-point sums do."""


STAGE_KINDS: Mapping[str, StageKind] = {
    "fetch": StageKind(1, FetchParams),
    "prepare": StageKind(1, PrepareParams, ("pyarrow",)),
    "base": StageKind(1, BaseParams),
    "tokenize": StageKind(2, TokenizeParams, ("pyarrow", "tokenizers")),
    "train": StageKind(
        1,
        TrainParams,
        # numpy shuffles the rows, and may do so in another way in another version (NEP 19).
        ("numpy", "safetensors", "scikit-learn", "torch", "transformers"),
        threaded=True,
    ),
    "evaluate": StageKind(
        1,
        EvaluateParams,
        ("numpy", "pyarrow", "scikit-learn", "torch", "transformers"),
        threaded=True,
    ),
    "export": StageKind(2, ExportParams, ("torch", "transformers"), threaded=True),
    "report": StageKind(1, ReportParams, ("jinja2",)),
}
"""In the order of a build."""
