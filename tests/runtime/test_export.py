"""Exports: the same as PyTorch at any size, the same bytes in any process, refused when not."""

import io
import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from bertspec.catalog.export import Shared
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.exports.torchscript import without_paths
from bertspec.core.errors import CheckFailed
from bertspec.core.manifest import digest_files
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.runtime.export import exported_module
from bertspec.runtime.parity import SHOWN
from bertspec.runtime.stage import run_stage
from bertspec.runtime.tables import read_parquet
from bertspec.runtime.trained import load_trained
from tests.model.models import TASK
from tests.model.models import inputs as made_inputs
from tests.projects import SPEC, Project, rows
from tests.stages import as_made

BUILT = [export["type"] for export in SPEC["export"]]
"""The others are in test_export_kinds.py."""


@pytest.mark.parametrize("kind", BUILT)
@pytest.mark.parametrize(("rows", "length"), [(1, 1), (64, 1), (1, 64), (64, 33)])
def test_every_export_gives_what_pytorch_gives_at_any_size(
    built: Project, kind: str, rows: int, length: int
) -> None:
    export = EXPORTS[kind].model_validate({"type": kind})
    run = export.runner(built.root / "models/tiny/export" / export.filename, 1)
    inputs = made_inputs(rows, length)
    model = AutoModelForSequenceClassification.from_pretrained(built.root / "models/tiny/trained")
    with torch.no_grad():
        expected = model.eval()(**{k: torch.from_numpy(v) for k, v in inputs.items()}).logits
    np.testing.assert_allclose(run(inputs), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", BUILT)
def test_an_export_has_no_dropout(built: Project, kind: str) -> None:
    export = EXPORTS[kind].model_validate({"type": kind})
    run = export.runner(built.root / "models/tiny/export" / export.filename, 1)
    np.testing.assert_array_equal(run(made_inputs(4, 8)), run(made_inputs(4, 8)))


def test_onnx_has_the_same_bytes_after_another_export(built: Project, tmp_path: Path) -> None:
    export = EXPORTS["onnx"].model_validate({"type": "onnx"})
    model = load_trained(built.root / "models/tiny/trained")
    for name in ("first", "second"):
        export.write(exported_module(model, TASK).eval(), tmp_path / name, Shared())
    original = (built.root / "models/tiny/export/model.onnx").read_bytes()
    assert (tmp_path / "first").read_bytes() == original
    assert (tmp_path / "second").read_bytes() == original


def test_no_export_tells_of_the_machine(built: Project) -> None:
    folder = built.root / "models/tiny/export"
    for name in digest_files(folder):
        content = (folder / name).read_bytes()
        assert b"site-packages" not in content
        assert str(built.root).encode() not in content
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim} == {
        "batch",
        "sequence",
    }


def test_what_changes_a_metric_makes_an_export_anew() -> None:
    """Parity and the card have the metric of each."""
    assert {*STAGE_KINDS["evaluate"].packages} <= {*STAGE_KINDS["export"].packages}


def test_parity_is_measured_on_every_test_row(built: Project) -> None:
    parity = json.loads((built.root / "models/tiny/parity.json").read_text())
    assert set(parity) == set(BUILT)
    for result in parity.values():
        assert result["rows"] == _test_rows(built)
        assert result["flips"] == 0
        assert 0 <= result["max_difference"] <= result["tolerance"]
        assert result["pytorch"] == result["exported"] == built.metrics()["test"][result["metric"]]


def _test_rows(project: Project) -> int:
    text = (project.root / "models/tiny/evaluation/confusion.json").read_text()
    matrix: list[list[int]] = json.loads(text)["matrix"]
    return sum(map(sum, matrix))


def test_an_export_that_differs_is_refused_with_its_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is made to write other weights than were measured."""
    project.compile()
    for name in project.stages():
        if not name.endswith(("-export", "-report")):
            run_stage(name, project.root)
    write = EXPORTS["onnx"].write

    def with_another_bias(self: Any, module: torch.nn.Module, path: Path, shared: Shared) -> None:
        with torch.no_grad():
            module.model.classifier.bias[0] += 0.5  # type: ignore[index, operator, union-attr]
            write(self, module, path, shared)
            module.model.classifier.bias[0] -= 0.5  # type: ignore[index, operator, union-attr]

    monkeypatch.setattr(EXPORTS["onnx"], "write", with_another_bias)
    with pytest.raises(CheckFailed) as caught:
        run_stage("tiny-export", project.root)
    (found,) = caught.value.diagnostics
    assert found.code == "E450"
    predictions = project.root / "models/tiny/evaluation/predictions.parquet"
    rows = [r for r in read_parquet(predictions).to_pylist() if r["split"] == "test"]
    start = f"the onnx export differs from PyTorch in {len(rows)} of {len(rows)} test rows"
    assert found.message.startswith(start)
    others = found.message.partition("it gives other numbers in ")[2].partition(": ")[2]
    named = re.findall(r"(\S+) \(0\.5\)", others)
    assert len(named) == SHOWN
    assert set(named) <= {row["id"] for row in rows}
    assert not (project.root / "models/tiny/export").exists()


def test_a_model_of_pairs_takes_pairs_whatever_its_tokenizer_calls_them(project: Project) -> None:
    """RoBERTa's tokenizer, among others, gives the second text the type ids of the first."""
    lines = [f"{text},about {i % 7},{label}" for i, (text, label) in enumerate(rows())]
    (project.root / "data/reviews.csv").write_text("\n".join(["review,topic,verdict", *lines]))
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"]["columns"]["text_pair"] = "topic"
    spec["training"]["epochs"] = 1
    project.write_spec(spec)
    project.compile()
    for name in project.stages():
        run_stage(name, project.root)
        if name.endswith("-base"):
            (path,) = (project.root / "models/bases").rglob("tokenizer.json")
            tokenizer = json.loads(path.read_text())
            for piece in tokenizer["post_processor"]["pair"]:
                next(iter(piece.values()))["type_id"] = 0
            path.write_text(json.dumps(tokenizer))
            as_made(path.parent)
    bundle = json.loads((project.root / "models/tiny/export/bundle.json").read_text())
    assert bundle["fields"] == ["text", "text_pair"]
    assert "E453" in project.bertspec("predict", "tiny", "one text", code=2)
    assert "one text | another" in project.bertspec("predict", "tiny", "one text", "another")


def test_where_packages_are_installed_does_not_reach_a_torchscript_file(tmp_path: Path) -> None:
    """PyTorch hashes the paths of sources, which it also stores, into an id of the archive."""
    found = []
    for place in ("one", "another place"):
        path = tmp_path / place / "doubling.py"
        path.parent.mkdir()
        path.write_text("def double(x):\n    return x * 2\n")
        about = spec_from_file_location("doubling", path)
        assert about is not None
        assert about.loader is not None
        module = module_from_spec(about)
        about.loader.exec_module(module)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.trace(module.double, torch.ones(3)), buffer)
        found.append(buffer.getvalue())
    assert found[0] != found[1]
    first, second = map(without_paths, found)
    assert first == second
    loaded = torch.jit.load(io.BytesIO(first))
    assert loaded(torch.ones(3)).tolist() == [2, 2, 2]
