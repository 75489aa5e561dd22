"""An ONNX graph of 8-bit whole numbers, in ranges that example rows have shown."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec.catalog.onnx_graphs.int8 import int8_embeddings
from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.catalog.onnx_graphs.silence import silence

if TYPE_CHECKING:
    import numpy as np
    import onnx

BINS = 2048
"""Of the histogram of a value's numbers."""

LEVELS = 255
"""Steps of a range."""

SHARES = tuple(i / 50 for i in range(15, 51))
"""How much of the way from 0 to its largest and smallest number the range of a value may have."""


def static_int8(
    model: "onnx.ModelProto",
    batches: "Iterable[Mapping[str, np.ndarray]]",
    threads: int,
) -> "onnx.ModelProto":
    """Weights as in `dynamic_int8`; what they are multiplied with has the range of `batches`.

    All else stays in 32-bit floats: the products of attention, sums, normalisations, softmax, and
    what a matrix gives, which onnxruntime takes out of the 8-bit product without rounding again.
    """
    from onnxruntime.quantization import QDQQuantizer, QuantType

    model = int8_embeddings(model)
    weights = {weight.name for weight in model.graph.initializer}
    nodes = [n for n in model.graph.node if n.op_type == "MatMul" and n.input[1] in weights]
    names = list(dict.fromkeys(node.input[0] for node in nodes))
    found = ranges(model, names, batches, threads)
    # What onnxruntime's own operators make its tool does not know.
    model.graph.value_info.extend(_floats(names))
    chosen = {node.name for node in nodes}
    with silence():
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=found,
            nodes_to_quantize=sorted(chosen),
            nodes_to_exclude=[],
            op_types_to_quantize=["MatMul"],
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
        )
        quantized: onnx.ModelProto = quantizer.quantize_model()
        _undo_for_others(quantized, chosen)
        quantizer.model.topological_sort()
    return quantized


def _undo_for_others(model: "onnx.ModelProto", chosen: Collection[str]) -> None:
    """All but the matrices read a value as it was: the tool rounds it for the sums beside, too."""
    quantized = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    rounded = {
        n.output[0]: quantized[n.input[0]]
        for n in model.graph.node
        if n.op_type == "DequantizeLinear" and n.input[0] in quantized
    }
    for node in model.graph.node:
        if node.name not in chosen:
            node.input[:] = [rounded.get(name, name) for name in node.input]


def ranges(
    model: "onnx.ModelProto",
    names: Sequence[str],
    batches: "Iterable[Mapping[str, np.ndarray]]",
    threads: int,
) -> Any:
    """The range of each of these values, as the tools of onnxruntime take it."""
    from onnxruntime.quantization.calibrate import (
        CalibrationMethod,
        HistogramCollector,
        TensorsData,
    )

    session = _session(model, names, threads)
    collector = HistogramCollector(
        "entropy", symmetric=False, num_bins=BINS, num_quantized_bins=BINS, percentile=None,
        scenario="same",
    )  # fmt: skip
    with silence():
        for batch in batches:
            values = session.run(names, dict(batch))
            collector.collect(dict(zip(names, values, strict=True)))
    histograms = collector.get_histogram_dict()
    found = {name: best_range(*histograms[name][:4]) for name in names}
    return TensorsData(CalibrationMethod.MinMax, found)


def best_range(
    counts: "np.ndarray", edges: "np.ndarray", lowest: "np.floating", highest: "np.floating"
) -> "tuple[np.floating, np.floating]":
    """The range in which rounding loses the least, as a sum of squares, of a histogram's numbers.

    It cuts a few that are far out, so that all others have smaller steps.
    """
    import numpy as np

    if lowest == highest == 0:
        return lowest, highest
    numbers = (edges[:-1] + edges[1:]).astype(np.float64) / 2
    highs = np.unique(np.array(SHARES) * max(highest, 0))[:, None]
    found = []
    for low in np.unique(np.array(SHARES) * min(lowest, 0)):
        steps = (highs - low) / LEVELS
        zeros = np.round(-low / steps)
        rounded = (np.clip(np.round(numbers / steps) + zeros, 0, LEVELS) - zeros) * steps
        lost = ((rounded - numbers) ** 2 * counts).sum(axis=1)
        best = lost.argmin()
        found.append((lost[best], low, highs[best, 0]))
    _, low, high = min(found)
    return np.float32(low), np.float32(high)


def _session(model: "onnx.ModelProto", names: Sequence[str], threads: int) -> Any:
    """Of the model, with these values among its outputs."""
    import onnx

    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(_floats(names))
    return open_session(shown.SerializeToString(), threads)


def _floats(names: Sequence[str]) -> "list[onnx.ValueInfoProto]":
    from onnx import TensorProto
    from onnx.helper import make_tensor_value_info

    return [make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
