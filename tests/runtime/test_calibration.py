"""int8-static: ranges that training rows alone have shown, as onnxruntime's own tool finds them."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx.helper import make_tensor_value_info
from onnx.numpy_helper import to_array
from onnxruntime import InferenceSession
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_static,
)

from bertspec.catalog.onnx_graphs.int8 import int8_embeddings
from bertspec.catalog.onnx_graphs.static_int8 import best_range, static_int8
from bertspec.core.errors import InputError
from bertspec.runtime.calibration import training_batches
from bertspec.runtime.training.batches import read_tokens
from tests.model.models import TASK
from tests.model.models import inputs as made_inputs
from tests.projects import Project
from tests.stages import tokenized_folder

Inputs = Mapping[str, np.ndarray]


@pytest.mark.parametrize("count", [1, 2, 7, 50, 10_000])
def test_rows_are_evenly_spaced_ones_of_the_training_split(built: Project, count: int) -> None:
    folder = tokenized_folder(built)
    tokens = read_tokens(folder, "train")
    training = [tokens.ids[start:end].tolist() for start, end in pairwise(tokens.offsets)]
    assert len({tuple(ids) for ids in training}) == len(training), "each can be told by its ids"
    found = []
    for batch in training_batches(folder, TASK, 0, count):
        lengths = batch["attention_mask"].sum(axis=1)
        assert batch["input_ids"].shape == (len(lengths), lengths.max()), "padded as in a run"
        found += [ids[:n].tolist() for ids, n in zip(batch["input_ids"], lengths, strict=True)]
    places = sorted(training.index(ids) for ids in found)
    assert len(places) == len(set(places)) == min(count, len(training))
    assert places[0] == 0
    assert count == 1 or places[-1] == len(training) - 1
    assert np.ptp(np.diff(places)) <= 1 if len(places) > 2 else True


def test_nothing_is_read_before_an_export_asks_for_rows() -> None:
    batches = training_batches(Path("nowhere"), TASK, 0, 8)
    with pytest.raises(InputError, match="nowhere"):
        next(iter(batches))


class _Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """The batches, one at a time: they are of different lengths."""

    def __init__(self, batches: list[Inputs]) -> None:
        self._batches = batches
        self._left = iter(batches)

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self._batches[start_index:end_index])

    def get_next(self) -> Inputs | None:
        return next(self._left, None)


def test_ranges_lose_less_than_those_of_onnxruntime(built: Project, tmp_path: Path) -> None:
    """Weights and names are those of its own tool; what goes into a matrix is nearer."""
    plain = int8_embeddings(onnx.load(built.root / "models/tiny/export/model.onnx"))
    batches: list[Inputs] = [made_inputs(8, 20), made_inputs(16, 5), made_inputs(1, 31)]
    ours = static_int8(onnx.load(built.root / "models/tiny/export/model.onnx"), batches, 1)
    found = _eighths(ours)
    read = [name.removesuffix("_scale") for name in found if name.endswith("_scale")]
    inputs = [name for name in read if f"{name}_quantized" not in found]
    assert len(inputs) == 11, "query, key and value read the same, but for the last queries"
    numbers = _numbers(plain, inputs, batches)
    matrices = _matrices(ours)
    assert len(matrices) == 14
    for method in ("MinMax", "Percentile", "Entropy"):
        quantize_static(
            onnx.ModelProto.FromString(plain.SerializeToString()),
            tmp_path / "theirs.onnx",
            _Reader(batches),
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=matrices,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[method],
            extra_options={
                "OpTypesToExcludeOutputQuantization": ["MatMul"],
                "CalibStridedMinMax": 1,
            },
        )
        theirs = _eighths(onnx.load(tmp_path / "theirs.onnx"))
        assert set(found) == set(theirs)
        for name in set(found) - {f"{n}{end}" for n in inputs for end in ("_scale", "_zero_point")}:
            np.testing.assert_array_equal(found[name], theirs[name])
        for name in inputs:
            lost, expected = (_lost(numbers[name], by, name) for by in (found, theirs))
            assert lost < 1.02 * expected, (method, name)


def _numbers(
    model: onnx.ModelProto, names: list[str], batches: list[Inputs]
) -> dict[str, np.ndarray]:
    """All of each value."""
    shown = onnx.ModelProto.FromString(model.SerializeToString())
    shown.graph.output.extend(make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    session = InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    values = [session.run(names, dict(batch)) for batch in batches]
    columns = zip(names, zip(*values, strict=True), strict=True)
    return {name: np.concatenate([v.ravel() for v in column]) for name, column in columns}


def _lost(numbers: np.ndarray, found: Mapping[str, np.ndarray], name: str) -> float:
    scale, zero = found[f"{name}_scale"], found[f"{name}_zero_point"]
    rounded = (np.clip(np.round(numbers / scale) + zero, 0, 255) - zero) * scale
    return float(((rounded - numbers) ** 2).sum())


@pytest.mark.parametrize("values", [[0.0] * 9, [3.0] * 9, [-3.0] * 9, [0.0, 0.1, 2.0], [-1.0, 8.0]])
def test_a_range_has_zero_and_all_of_a_few_numbers(values: list[float]) -> None:
    numbers = np.array(values, np.float32)
    bound = max(1e-9, abs(numbers).max())
    counts, edges = np.histogram(numbers, 2048, (-bound, bound))
    low, high = best_range(counts, edges.astype(np.float32), numbers.min(), numbers.max())
    assert low.dtype == high.dtype == np.float32
    step = max(1e-9, float(high - low) / 255)
    assert min(0, *values) - step <= low <= min(0, *values) + step
    assert max(0, *values) - step <= high <= max(0, *values) + step


def test_what_goes_round_a_matrix_is_whole(built: Project) -> None:
    """The tool of onnxruntime would round it for the sums and normalisations beside it as well."""
    plain = onnx.load(built.root / "models/tiny/export/model.onnx")
    found = static_int8(plain, [made_inputs(8, 20)], 1).graph
    made = {name: node for node in found.node for name in node.output}
    readers = {
        node.op_type
        for node in found.node
        for name in node.input
        if name in made and made[name].op_type == "DequantizeLinear"
        and made[name].input[0] in made and made[made[name].input[0]].op_type == "QuantizeLinear"
    }  # fmt: skip
    assert readers == {"MatMul"}


def _eighths(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Whole numbers, scales and zero points of what is in 8 bits, by name."""
    endings = ("_quantized", "_scale", "_zero_point")
    return {
        weight.name: to_array(weight).astype(np.float64)
        for weight in model.graph.initializer
        if weight.name.endswith(endings)
    }


def _matrices(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that multiply what is in 8 bits."""
    rounded = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    return [n.name for n in model.graph.node if n.op_type == "MatMul" and set(n.input) <= rounded]
