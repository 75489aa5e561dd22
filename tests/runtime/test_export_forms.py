"""Forms of the ONNX export: fused, in 16 and in 8 bits, each with its bound, file and name."""

import json
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from onnx.numpy_helper import from_array, to_array
from onnxruntime import InferenceSession
from transformers import MPNetConfig, MPNetForSequenceClassification

from bertspec.catalog.batch import Tokens
from bertspec.catalog.export import INPUTS, Shared
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.onnx_graphs.canonical import canonical
from bertspec.catalog.onnx_graphs.editing import Editor
from bertspec.catalog.onnx_graphs.session import open_session
from bertspec.core.digest import file_digest
from bertspec.core.errors import CheckFailed
from bertspec.runtime.calibration import training_batches
from bertspec.runtime.examples import Examples
from bertspec.runtime.export import exported_module
from bertspec.runtime.parity import SHOWN, Compared, Metric, failures
from bertspec.runtime.stage import run_stage
from bertspec.runtime.tables import read_parquet
from bertspec.runtime.trained import load_trained
from tests.model.models import TASK, fused_operators, operators, python, usual_session
from tests.model.models import inputs as made_inputs
from tests.projects import SPEC, Project
from tests.stages import tokenized_folder
from tests.tasks.export_forms import ONNX_FORMS

AGAIN = """
import json, sys
from pathlib import Path
import numpy as np
from bertspec.catalog.export import Shared
from bertspec.catalog.exports.onnx import Onnx
graph, rows, target = map(Path, sys.argv[1:])
batches = [{n: np.array(v) for n, v in batch.items()} for batch in json.loads(rows.read_text())]
for name in ("int8", "int8-static", "fp16"):
    shared = Shared({("onnx", 18, False): graph.read_bytes()}, lambda count: batches)
    Onnx(type="onnx", quantize=name).write(None, target / f"onnx-{name}", shared)
"""
"""Of a graph and of batches that are there already, so that it needs no torch."""


@pytest.fixture(scope="module")
def written(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each form."""
    folder = tmp_path_factory.mktemp("forms")
    module = exported_module(load_trained(built.root / "models/tiny/trained"), TASK).eval()
    plain = (built.root / "models/tiny/export/model.onnx").read_bytes()
    batches = partial(training_batches, tokenized_folder(built), TASK, 0)
    shared = Shared({("onnx", 18, False): plain}, batches)
    for name, form in ONNX_FORMS.items():
        form.write(module, folder / name, shared)
    assert len(shared.graphs) == 2, "the slow exporter of torch ran once for all fused forms"
    return folder


@pytest.mark.parametrize("name", ONNX_FORMS)
def test_every_form_is_about_the_same_at_any_size(built: Project, written: Path, name: str) -> None:
    run, model = (
        ONNX_FORMS[name].runner(written / name, 1),
        load_trained(built.root / "models/tiny/trained"),
    )
    # Ranges of the training rows cut some random ones far.
    bounds = {"none": 1e-5, "int8-static": 1.0}
    quantize = ONNX_FORMS[name].quantize
    exact = quantize == "none"
    for rows, length in ((1, 1), (64, 1), (1, 64), (64, 33)):
        inputs = made_inputs(rows, length)
        with torch.no_grad():
            expected = TASK.forward(model, {n: torch.from_numpy(inputs[n]) for n in INPUTS})
        found = run(inputs)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected.numpy(), atol=bounds.get(quantize, 0.1))
        assert np.abs(found - expected.numpy()).mean() < 0.05 * expected.abs().mean()
        assert exact == np.allclose(found, expected.numpy(), atol=1e-5), "it has fewer bits"


def test_forms_have_the_same_bytes_in_another_process(
    built: Project, written: Path, tmp_path: Path
) -> None:
    """The fused ones are compared below, with what a stage writes."""
    graph, rows = built.root / "models/tiny/export/model.onnx", tmp_path / "rows.json"
    count = ONNX_FORMS["onnx-int8-static"].calibration_rows
    batches = training_batches(tokenized_folder(built), TASK, 0, count)
    rows.write_text(json.dumps([{n: v.tolist() for n, v in each.items()} for each in batches]))
    python(AGAIN, str(graph), str(rows), str(tmp_path), PYTHONHASHSEED="7")
    for name in ("onnx-int8", "onnx-int8-static", "onnx-fp16"):
        assert file_digest(tmp_path / name) == file_digest(written / name)


def test_weights_of_8_bits_have_7(written: Path) -> None:
    """Elsewhere sums of two products overflow 16 bits; with VNNI no number would tell."""
    for name, form in ONNX_FORMS.items():
        model = onnx.load(written / name)
        small = [w for w in model.graph.initializer if w.data_type == onnx.TensorProto.INT8]
        matrices = [to_array(weight) for weight in small if len(weight.dims) == 2]
        assert bool(matrices) is form.quantize.startswith("int8")
        for matrix in matrices:
            assert {abs(matrix.min()), matrix.max()} & {63, 64}, "they take all of them"
            assert matrix.min() >= -64
            assert matrix.max() <= 64


def test_no_form_tells_of_the_tools_and_the_machine(written: Path) -> None:
    for name in ONNX_FORMS:
        content = (written / name).read_bytes()
        assert b"site-packages" not in content
        assert b"torch" not in content
        model = onnx.load(written / name)
        onnx.checker.check_model(model)
        about = (model.producer_name, model.producer_version, model.ir_version)
        assert about == ("bertspec", "", 8)
        assert not model.metadata_props
        versions = [(o.domain, o.version) for o in model.opset_import]
        assert versions == [("", 18), ("com.microsoft", 1)][: 2 if "fused" in name else 1]


def test_in_16_bits_each_distance_is_in_the_same_bucket(tmp_path: Path) -> None:
    """MPNet's are logarithms of distances, cut to whole numbers."""
    config = MPNetConfig(
        vocab_size=120, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    module, shared = exported_module(MPNetForSequenceClassification(config), TASK).eval(), Shared()
    found = []
    for name in ("onnx", "onnx-fp16"):
        ONNX_FORMS[name].write(module, tmp_path / name, shared)
        model = onnx.load(tmp_path / name)
        table = "model.mpnet.encoder.relative_attention_bias.weight"
        (buckets,) = (n.input[1] for n in model.graph.node if n.input[:1] == [table])
        model.graph.output.append(onnx.ValueInfoProto(name=buckets))
        session = open_session(model.SerializeToString(), 1)
        found.append(session.run([buckets], made_inputs(1, 130))[0])
    assert len(np.unique(found[0])) > 25
    np.testing.assert_array_equal(found[1], found[0])


def test_what_a_branch_reads_stays() -> None:
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    branches = {
        name: onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", [read], ["y"])], name, [], [value]
        )
        for name, read in {"then_branch": "made", "else_branch": "weight"}.items()
    }
    nodes = [
        onnx.helper.make_node("Neg", ["weight"], ["made"]),
        onnx.helper.make_node("Abs", ["unread"], ["for_nothing"]),
        onnx.helper.make_node("If", ["is_so"], ["y"], **branches),
    ]
    given = onnx.helper.make_tensor_value_info("is_so", onnx.TensorProto.BOOL, [])
    weights = [from_array(np.ones(1, np.float32), name) for name in ("weight", "unread")]
    graph = onnx.helper.make_graph(nodes, "graph", [given], [value], weights)
    model = onnx.helper.make_model(graph, ir_version=10)
    Editor(model).finish()
    assert [n.op_type for n in model.graph.node] == ["Neg", "If"]
    assert [w.name for w in model.graph.initializer] == ["weight"]
    assert len(Editor(model).part("y").graph.node) == 2


@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_newer_operators_are_in_the_format_that_came_with_them(
    built: Project, tmp_path: Path, quantize: Any
) -> None:
    """See onnx's docs/Versioning.md; the other forms here have those of opset 18."""
    model = load_trained(built.root / "models/tiny/trained")
    form = Onnx(type="onnx", opset=23, quantize=quantize)
    form.write(exported_module(model, TASK).eval(), tmp_path / "model.onnx", Shared())
    written = onnx.load(tmp_path / "model.onnx")
    assert written.ir_version == 11
    assert operators(tmp_path / "model.onnx")["Attention"] == 2, "the standard's, of 23"
    if quantize == "none":
        onnx.checker.check_model(written, full_check=True)
        assert [(o.domain, o.version) for o in written.opset_import] == [("", 23)]
    inputs = made_inputs(4, 8)
    with torch.no_grad():
        expected = TASK.forward(model, {n: torch.from_numpy(inputs[n]) for n in INPUTS})
    found = form.runner(tmp_path / "model.onnx", 1)(inputs)
    bound = 1e-5 if quantize == "none" else 0.1
    np.testing.assert_allclose(found, expected.numpy(), atol=bound)


def test_sets_of_operators_are_in_order_and_used() -> None:
    """Those of a branch, too; tools add others, in any order."""
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    taken = onnx.helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    branch = onnx.helper.make_graph([taken], "branch", [], [value])
    node = onnx.helper.make_node("If", ["is_so"], ["y"], then_branch=branch, else_branch=branch)
    sides = [
        onnx.helper.make_tensor_value_info("is_so", onnx.TensorProto.BOOL, []),
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1]),
    ]
    opsets = [("com.microsoft", 1), ("ai.onnx.ml", 3), ("", 18)]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "graph", sides, [value]),
        opset_imports=[onnx.helper.make_opsetid(*opset) for opset in opsets],
        ir_version=13,
    )
    canonical(model)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18), ("com.microsoft", 1)]
    assert model.ir_version == 8
    InferenceSession(model.SerializeToString())


def test_fewer_bits_are_fewer_bytes(built: Project, written: Path) -> None:
    """Of a model so small, constants and names are a good part."""
    whole = (built.root / "models/tiny/export/model.onnx").stat().st_size
    assert (written / "onnx-fp16").stat().st_size < 0.65 * whole
    assert (written / "onnx-int8").stat().st_size < 0.55 * whole


def _forms_project(built: Project, tmp_path: Path, *exports: dict[str, Any]) -> Project:
    """A copy of the built project whose spec has these exports in the place of its own."""
    project = Project(Path(shutil.copytree(built.root, tmp_path / "project", symlinks=True)))
    project.write_spec(json.loads(json.dumps(SPEC)) | {"export": list(exports)})
    project.compile()
    return project


def test_forms_stand_side_by_side_and_predict_runs_the_one_that_is_named(
    built: Project, written: Path, tmp_path: Path
) -> None:
    project = _forms_project(
        built,
        tmp_path,
        {"type": "onnx", "optimize": True, "quantize": "int8"},
        {"type": "onnx", "optimize": True},
        {"type": "onnx", "optimize": True, "quantize": "fp16", "max_metric_delta": 0.1},
        {"type": "onnx", "optimize": True, "quantize": "int8-static"},
    )
    project.run("bertspec", "stage", "tiny-export", PYTHONHASHSEED="7")
    parity = json.loads((project.root / "models/tiny/parity.json").read_text())
    of_all = {"rows", "flips", "max_difference", "metric", "pytorch", "exported", "worse"}
    assert set(parity["onnx"]) == {*of_all, "tolerance"}
    for name, bound in (("onnx-int8", 0.005), ("onnx-fp16", 0.1), ("onnx-int8-static", 0.005)):
        found = parity[name]
        assert set(found) == {*of_all, "max_metric_delta"}
        assert found["metric"] == "accuracy"
        assert found["worse"] == found["pytorch"] - found["exported"] <= bound
        assert found["max_metric_delta"] == bound
    folder = project.root / "models/tiny/export"
    bundle = json.loads((folder / "bundle.json").read_text())
    assert bundle["default"] == "onnx-int8"
    files = {"onnx": "model.onnx", "onnx-fp16": "model_fp16.onnx"}
    files |= {"onnx-int8": "model_quantized.onnx", "onnx-int8-static": "model_int8.onnx"}
    assert bundle["models"] == files
    for name, file in bundle["models"].items():
        here = written / name.replace("onnx", "fused")
        assert file_digest(folder / file) == file_digest(here), "another process wrote other bytes"
    text = ("a warm and clumsy film", "--format", "json")
    said = {n: project.bertspec("predict", "tiny", *text, "--export", n) for n in bundle["models"]}
    assert project.bertspec("predict", "tiny", *text) == said["onnx-int8"]
    assert len(set(said.values())) == len(files), "each has numbers of its own"
    wrong = project.bertspec("predict", "tiny", *text, "--export", "onnx-int4", code=2)
    assert "E451" in wrong
    assert "did you mean `onnx-int8`?" in wrong
    run_stage("tiny-report", project.root)
    page = (project.root / "models/tiny/report.html").read_text()
    assert "onnx-int8" in page
    assert "accuracy worse by at most 0.005" in page


def test_a_bundle_of_one_plain_export_says_no_default(built: Project) -> None:
    """It is the one of version 1 of the language, to the byte."""
    bundle = json.loads((built.root / "models/tiny/export/bundle.json").read_text())
    assert "default" not in bundle


def test_a_form_that_is_worse_than_its_bound_is_refused_with_the_rows(
    built: Project, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is a file with another bias than was measured: it says that all is good."""
    model = onnx.load(written / "onnx-int8")
    (bias,) = (w for w in model.graph.initializer if w.name == "model.classifier.bias")
    bias.CopyFrom(from_array(to_array(bias) + np.array([0, 50], np.float32), bias.name))
    monkeypatch.setattr(Onnx, "write", lambda _self, _module, path, _shared: onnx.save(model, path))
    options = {"type": "onnx", "quantize": "int8", "max_metric_delta": 0.3}
    project = _forms_project(built, tmp_path, options)
    with pytest.raises(CheckFailed) as caught:
        run_stage("tiny-export", project.root)
    (found,) = caught.value.diagnostics
    assert found.code == "E450"
    assert found.message.startswith("accuracy of the onnx-int8 export is 0.")
    assert "the bound is 0.3" in found.help
    predictions = project.root / "models/tiny/evaluation/predictions.parquet"
    rows = read_parquet(predictions).to_pylist()
    flipped = [r["id"] for r in rows if r["split"] == "test" and r["prediction"] == "bad"]
    assert f"predicts something else in {len(flipped)} of" in found.message
    assert sum(row in found.message for row in flipped) == min(len(flipped), SHOWN)
    assert f"and {len(flipped) - SHOWN} more" in found.message


def _compared(expected: float, got: float, differences: list[float]) -> Compared:
    flipped = np.zeros(len(differences), bool)
    return Compared(np.array(differences), flipped, Metric("f1", expected, got))


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        (_compared(0.8, 0.795, [0.1]), None),
        (_compared(0.8, 0.9, [0.1]), None),
        (_compared(0.8, 0.7949, [0.1]), "f1 of the onnx-int8 export is 0.7949"),
        (_compared(math.nan, math.nan, [0.1]), "`f1` is not defined on the test split"),
        (_compared(0.8, 0.8, [0.1, math.nan]), "no number in 1 of 2 test rows: b (nan)"),
    ],
)
def test_what_is_beyond_the_bound(compared: Compared, words: str | None) -> None:
    """Half a point less is not; a better metric is not; what cannot be compared is."""
    rows = pa.table({"id": ["a", "b"][: len(compared.differences)]})
    examples = Examples(rows, Tokens.__new__(Tokens))
    found = failures(Onnx(type="onnx", quantize="int8"), examples, compared)
    assert [d.code for d in found] == (["E450"] if words else [])
    assert words is None or words in found[0].message


def test_rows_that_flip_are_named_however_many_others_differ_more() -> None:
    """Thirty rows before it have other numbers, of which the worst are named."""
    differences = np.array([*np.linspace(0.1, 0.4, 30), math.nan, 1e-6, 0.0])
    flipped = np.arange(len(differences)) == 31
    compared = Compared(differences, flipped, Metric("f1", 0.8, 0.8))
    rows = [f"r{place}" for place in range(len(differences))]
    examples = Examples(pa.table({"id": rows}), Tokens.__new__(Tokens))
    (found,) = failures(Onnx(type="onnx"), examples, compared)
    assert found.code == "E450"
    first, second, third = found.message.split("; ")
    assert first == "the onnx export differs from PyTorch in 32 of 33 test rows"
    assert second == "it predicts something else in 1: r31 (1e-06)"
    assert third.startswith("it gives other numbers in 31: r30 (nan), r29 (0.4), r28 (0.39), ")
    assert third.endswith(f", and {31 - SHOWN} more")


def test_an_upgrade_loses_no_fused_operator(written: Path, tmp_path: Path) -> None:
    """Counted in the file, and in what onnxruntime makes of it."""
    # The last layer's attention is of first tokens, so it reads two values.
    attention = {"Attention": 1, "MultiHeadAttention": 1}
    of_values = {"EmbedLayerNormalization": 1, "LayerNormalization": 4}
    assert fused_operators(written / "fused", tmp_path) == (
        {**attention, **of_values, "Gelu": 2},
        {**attention, **of_values, "BiasGelu": 2},
    )
    normal = "LayerNormalization"
    for name, fused in {
        "onnx": {normal: 5, "BiasGelu": 2},
        "onnx-int8": {normal: 5, "Gelu": 2},
        "onnx-int8-static": {normal: 5, "BiasGelu": 2},
    }.items():
        shipped, run = fused_operators(written / name, tmp_path)
        assert (shipped, run) == ({normal: 5}, fused)
    # Nor does a file for processors gain one that is slow there, whoever opens it.
    for name in ("fused", "fused-int8", "onnx-int8", "fused-int8-static", "onnx-int8-static"):
        _, run = fused_operators(written / name, tmp_path, usual_session)
        assert "SkipLayerNormalization" not in run
    _, run = fused_operators(written / "onnx", tmp_path, usual_session)
    assert run == {normal: 1, "SkipLayerNormalization": 4, "BiasGelu": 2}
    shipped, run = fused_operators(written / "fused-int8", tmp_path)
    small = {"QAttention": 1, "MultiHeadAttention": 1}
    assert shipped == {**small, "LayerNormalization": 5, "Gelu": 2}
    assert {kind: run[kind] for kind in small} == small
    assert operators(written / "fused-int8")["MatMulInteger"] == 14 - 3
    assert operators(written / "onnx-int8")["MatMulInteger"] == 14
    shipped, _ = fused_operators(written / "fused-int8-static", tmp_path)
    assert shipped == {"MultiHeadAttention": 2, "LayerNormalization": 5, "Gelu": 2}
    # Not pooler and classifier, which it multiplies with their additions.
    assert operators(tmp_path / "optimized.onnx")["MatMulIntegerToFloat"] == 12
    of_gpus, _ = fused_operators(written / "fused-fp16", tmp_path)
    assert of_gpus == {"MultiHeadAttention": 2, **of_values, "Gelu": 2}
    assert operators(written / "fused-fp16")["Reshape"] == 0
    # What stands in the way of that one: for each of the sums that are normalised.
    apart = {name: operators(written / name) for name in ("onnx", "fused", "onnx-int8")}
    before = apart["onnx"]["Reshape"]
    assert (apart["fused"]["Reshape"], apart["onnx-int8"]["Reshape"]) == (4, before + 5)
