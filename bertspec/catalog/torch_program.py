"""A module as the graph of torch.export, which several exports begin with."""

from typing import TYPE_CHECKING

from bertspec.catalog.export import INPUTS, Shared, example_inputs

if TYPE_CHECKING:
    import torch

KEY = "program"


def program(module: "torch.nn.Module", shared: Shared) -> "torch.export.ExportedProgram":
    """The graph; batch and sequence are dynamic. One that `shared` has is not made again.

    It is made as torch.onnx.export makes it of a module.
    """
    import torch
    from torch.fx.experimental import _config as config

    if KEY not in shared.graphs:
        axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
        # Otherwise the graph is only said to be right for sizes from 2 on.
        with torch.no_grad(), config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
            shared.graphs[KEY] = torch.export.export(
                module,
                example_inputs(),
                dynamic_shapes=(axes,) * len(INPUTS),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    found: torch.export.ExportedProgram = shared.graphs[KEY]
    return found
