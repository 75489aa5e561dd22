"""The graph of torch.export, a .pt2 file; run by torch.export.load."""

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.export import (
    INPUTS,
    Export,
    Runner,
    Shared,
    dynamic_axes,
    example_inputs,
    exporting,
    torch_runner,
)
from bertspec.catalog.onnx_graphs.silence import silence
from bertspec.catalog.torch_archive import rewritten
from bertspec.catalog.torch_graph import GRAPH, SAMPLES, load_program

if TYPE_CHECKING:
    import torch

    from bertspec.catalog.task import Task

OF_THE_MACHINE = ("stack_trace", "from_node")
"""What is said of a node that names files of this installation, or nodes that are no more."""


ASSERTION = "torch.ops.aten._assert_scalar.default"
NOT_ONE = re.compile(r"expression Ne\(s\d+, 1\)")


class TorchExport(Export):
    """One model.pt2 with its weights inside; batch and sequence are dynamic.

    PyTorch runs it without our code, and compiles it (AOTInductor, ExecuTorch).
    """

    type: Literal["torch-export"] = Field(description="torch.export's model.pt2, 32-bit floats.")

    @property
    def filename(self) -> str:
        return "model.pt2"

    def packages(self) -> tuple[str, ...]:
        return ()

    def write(self, module: "torch.nn.Module", path: Path, shared: Shared) -> None:
        import torch

        buffer = io.BytesIO()
        with silence(), exporting():
            torch.export.save(_program(module), buffer)
        path.write_bytes(rewritten(buffer.getvalue(), _of_the_model))

    def runner(self, path: Path, threads: int, task: "Task | None" = None) -> Runner:
        """Raises InputError (E451) for an archive with more than its model."""
        import torch

        torch.set_num_threads(threads)
        with silence():
            module = load_program(path).module()
        return torch_runner(lambda tensors: module(*tensors.values()))


def _program(module: "torch.nn.Module") -> "torch.export.ExportedProgram":
    """The graph, made as torch.onnx.export makes it of a module; batch and sequence are dynamic."""
    import torch
    from torch.fx.experimental import _config as config

    # Otherwise the graph is only said to be right for sizes from 2 on.
    with torch.no_grad(), config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return torch.export.export(
            module,
            example_inputs(),
            dynamic_shapes=(dynamic_axes(),) * len(INPUTS),
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def _of_the_model(name: str, content: bytes) -> bytes:
    """An entry of the archive without what tells of the machine.

    The example inputs, which nothing needs, are a pickle: without them loading reads none.
    """
    if name.endswith(SAMPLES):
        return b""
    if not name.endswith(GRAPH):
        return content
    graph: dict[str, Any] = json.loads(content, object_hook=_without_places)
    inner = graph["graph_module"]["graph"]
    inner["nodes"] = [node for node in inner["nodes"] if not _refuses_one(node)]
    # A build for another device has another local part, and the lock has none.
    graph["torch_version"] = graph["torch_version"].partition("+")[0]
    return json.dumps(graph).encode()


def _refuses_one(node: dict[str, Any]) -> bool:
    """Whether it stops at a batch or length of 1, for which PyTorch did not see that the graph is
    right: what is spread over one place is the same.
    """
    if node["target"] != ASSERTION:
        return False
    return any(NOT_ONE.search(part["arg"].get("as_string") or "") for part in node["inputs"])


def _without_places(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in OF_THE_MACHINE}
