"""The kinds of stage: their order, their version, and the packages that can change their result."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from bertspec.core.model import Model


@dataclass(frozen=True)
class StageKind:
    """One kind of stage."""

    version: int
    """STAGE_VERSION: raise it when the runner's result changes for the same params."""
    packages: tuple[str, ...] = ()
    """Distributions whose version is part of the stage, beside those of the kinds it names."""
    threaded: bool = False
    """Whether the result depends on the number of threads, as floating-point sums do."""
    on_device: bool = False
    """Whether it computes on the locked device; others use the processor alone."""
    verdict: tuple[str, ...] = ()
    """Params that decide whether the stage fails, and not what it makes."""


_OF_REPORTS = ("jinja2", "networkx", "vl-convert-python")
"""Packages that write the page of a report, and draw its charts."""

STAGE_KINDS: Mapping[str, StageKind] = {
    "fetch": StageKind(3),
    "prepare": StageKind(2, ("pyarrow",)),
    "contract": StageKind(3, ("numpy", "pyarrow")),
    "base": StageKind(3),
    "tokenize": StageKind(5, ("numpy", "pyarrow", "tokenizers"), verdict=("budgets",)),
    "train": StageKind(
        9,
        # numpy shuffles the rows, and may do so in another way in another version (NEP 19).
        ("numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "torch", "transformers"),
        threaded=True,
        on_device=True,
    ),
    "evaluate": StageKind(
        5,
        ("numpy", "pyarrow", "scikit-learn", "scipy", "torch", "transformers"),
        threaded=True,
        on_device=True,
    ),
    "seeds": StageKind(1),
    "export": StageKind(
        13,
        (
            *("huggingface_hub", "pyyaml"),  # write the model card
            *("cyclonedx-python-lib", "packageurl-python"),  # write the bill of materials
            "bertspec",  # the provenance has its version
            *("numpy", "pyarrow", "scikit-learn", "scipy", "torch", "transformers"),
            *_OF_REPORTS,  # the lock in the exported folder is one that its spec compiles with
        ),
        threaded=True,
    ),
    "report": StageKind(5, (*_OF_REPORTS, "numpy", "pyarrow", "scikit-learn", "scipy")),
}
"""In the order of a build."""


def params_model(kind: str) -> type[Model]:
    """What a stage of this kind reads: `FetchParams` of `params/fetch.py`, and so on.

    It is imported here, so that a stage need not import those of all others.
    """
    module = import_module(f"bertspec.pipeline.params.{kind}")
    model: type[Model] = getattr(module, f"{kind.capitalize()}Params")
    return model
