"""How far two builds of an artifact are from each other, by what the files hold."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.core.digest import file_digest
from bertspec.core.manifest import digest_files
from bertspec.core.values import ABSENT, dotted, leaves, shown
from bertspec.runtime.contents import TABLES, TENSORS, content_digest, table_of

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

FILE = "."
"""The path of an artifact that is a file."""

GRAPH = ".onnx"
"""A file of ONNX: a graph with its weights."""

TELLING = (TENSORS, *TABLES)
"""Files that say more of a difference than the indexes and configs beside them."""


@dataclass(frozen=True)
class Difference:
    """A file that is not the same in both builds."""

    path: str
    """Relative to the project."""
    what: str
    """What differs in it."""
    same_content: bool = False
    """Whether it holds the same tensors or the same table, in other bytes."""


def differences(path: str, here: Path, there: Path) -> Iterator[Difference]:
    """Each file of the artifact at `path` that is not the same in both projects."""
    mine, theirs = _files(here / path), _files(there / path)
    for name in sorted({*mine, *theirs}, key=_telling):
        full = path if name == FILE else f"{path}/{name}"
        if name not in theirs:
            yield Difference(full, "the rebuild does not have it")
        elif name not in mine:
            yield Difference(full, "only the rebuild has it")
        elif mine[name] != theirs[name]:
            yield _difference(full, here / full, there / full)


def _telling(name: str) -> tuple[bool, bool, str]:
    """By how much a file says of a difference; JSON may hold digests of the others."""
    return not name.endswith((*TELLING, GRAPH)), name.endswith(".json"), name


def _files(path: Path) -> dict[str, str]:
    if path.is_dir():
        return digest_files(path)
    return {FILE: file_digest(path)} if path.is_file() else {}


def _difference(path: str, here: Path, there: Path) -> Difference:
    try:
        what = _of_content(here, there)
    except Exception:  # noqa: BLE001 - each format has errors of its own for a file that is damaged
        what = None
    if what is None:
        return Difference(path, _of_bytes(here.read_bytes(), there.read_bytes()))
    return Difference(path, what or "the same content in other bytes", same_content=not what)


def _of_content(here: Path, there: Path) -> str | None:
    """What differs, empty for nothing; None for files of which only bytes can be compared."""
    if here.suffix in TELLING and content_digest(here) == content_digest(there):
        return ""
    if here.suffix == TENSORS:
        return _of_tensors(here, there)
    if here.suffix == GRAPH:
        return _of_graphs(here, there)
    if here.suffix in TABLES:
        return _of_tables(table_of(here), table_of(there))
    if here.suffix == ".json":
        return _of_json(json.loads(here.read_bytes()), json.loads(there.read_bytes()))
    return None


def _of_tensors(here: Path, there: Path) -> str:
    from safetensors.torch import load_file

    return _of_weights(load_file(here), load_file(there))


def _of_weights(mine: "Mapping[str, torch.Tensor]", theirs: "Mapping[str, torch.Tensor]") -> str:
    """Which tensors differ, and by how much; empty for none, to the bit."""
    if alone := sorted(mine.keys() ^ theirs.keys()):
        return f"only one build has the tensor {alone[0]}"
    apart: dict[str, float] = {}
    zeros = True
    for name, tensor in mine.items():
        other = theirs[name]
        if tensor.dtype != other.dtype or tensor.shape != other.shape:
            return (
                f"tensor {name} is {tensor.dtype} {list(tensor.shape)}, and "
                f"{other.dtype} {list(other.shape)} in the rebuild"
            )
        if not _bits(tensor).equal(_bits(other)):
            # Not those that are equal, such as infinities, nor what is no number in both.
            none = tensor.isnan() & other.isnan()
            gap = (tensor.double() - other.double()).abs()
            gap[(tensor == other) | none] = 0
            apart[name] = float(gap.max())
            zeros = zeros and _bits(tensor[none]).equal(_bits(other[none]))
    if not any(apart.values()):
        also = "" if zeros else ", or values that are no number"
        return f"zeros of another sign{also}" if apart else ""
    worst = max(apart, key=lambda name: apart[name])
    return (
        f"{len(apart)} of {len(mine)} tensors differ, most of all {worst}: by up to "
        f"{apart[worst]:.3g}"
    )


def _bits(tensor: "torch.Tensor") -> "torch.Tensor":
    import torch

    return tensor.reshape(-1).view(torch.uint8)


def _of_graphs(here: Path, there: Path) -> str:
    """Which weights of ONNX models differ, or else which node; who wrote them does not count."""
    import onnx
    import torch

    models = [onnx.load(path) for path in (here, there)]
    weights = [
        {
            t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy())
            for t in m.graph.initializer
        }
        for m in models
    ]
    if found := _of_weights(*weights):
        return found
    for model in models:
        for name in ("producer_name", "producer_version", "doc_string", "metadata_props"):
            model.ClearField(name)
    mine, theirs = (model.graph.node for model in models)
    for one, other in zip_longest(mine, theirs):
        if one != other:
            return f"node {(one or other).name or (one or other).op_type} of the graph is another"
    same = models[0].SerializeToString(deterministic=True)
    return "" if same == models[1].SerializeToString(deterministic=True) else "the graph is another"


def _of_tables(mine: "pa.Table", theirs: "pa.Table") -> str:
    if mine.schema != theirs.schema:
        return "the columns are others, or of other types"
    if len(mine) != len(theirs):
        return f"{len(mine):,} rows, and {len(theirs):,} in the rebuild"
    for name in mine.column_names:
        if not mine[name].equals(theirs[name]):
            rows = zip(mine[name].to_pylist(), theirs[name].to_pylist(), strict=True)
            # NaN is not equal to itself.
            for row, (one, other) in enumerate(rows, 1):
                if repr(one) != repr(other):
                    place = f"`{name}` of row {row:,}"
                    return f"{place} is {shown(one)}, and {shown(other)} in the rebuild"
    return "zeros of another sign, or values that are no number"


def _of_json(mine: Any, theirs: Any) -> str:
    """The first place at which they differ; empty for none."""
    for path, one, other in leaves(mine, theirs):
        where = f"`{dotted(path)}`" if path else "the value"
        if one is ABSENT or other is ABSENT:
            return f"only one build has {where}"
        return f"{where} is {shown(one)}, and {shown(other)} in the rebuild"
    return ""


def _of_bytes(mine: bytes, theirs: bytes) -> str:
    at = next(i for i, (a, b) in enumerate(zip_longest(mine, theirs)) if a != b)
    return f"bytes differ from {at:,} on ({len(mine):,} bytes, and {len(theirs):,} in the rebuild)"
