"""The locked device: which stages it is for, and what a GPU computes beside a processor."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from bertspec.core.errors import EnvironmentFault
from bertspec.core.manifest import digest_files
from bertspec.core.yaml import load_plain
from bertspec.pipeline.lock import Lock
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training import packing as packing_module
from bertspec.runtime.training import varlen
from bertspec.runtime.training.packing import FAMILIES, packing
from bertspec.runtime.training.varlen import Row, attend, filled, room_of
from tests.projects import SPEC, Project
from tests.runtime.test_packing import gradients, inputs_of, tiny_model
from tests.stages import run_kinds

HAS_GPU = torch.cuda.is_available()
on_gpu = pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
without_gpu = pytest.mark.skipif(HAS_GPU, reason="is about a machine without a GPU")


def _records(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = load_plain((project.root / "params.yaml").read_text())
    records: dict[str, Any] = found["bertspec"]["stages"]
    return records


def test_the_lock_says_where_models_are_computed(project: Project) -> None:
    said = project.bertspec("lock", "--device", "cuda")
    assert "device: cuda" in said
    project.bertspec("compile")
    devices = {name: record.get("device") for name, record in _records(project).items()}
    assert {n for n, d in devices.items() if d == "cuda"} == {"tiny-train", "tiny-evaluate"}
    assert "device: cuda" in project.bertspec("lock"), "it stays what it was"
    project.bertspec("lock", "--device", "cpu")
    project.bertspec("compile")
    assert not any("device" in record for record in _records(project).values())


@without_gpu
def test_without_a_gpu_a_new_lock_has_the_processor(project: Project) -> None:
    assert "device: cpu" in project.bertspec("lock")


@without_gpu
def test_what_only_a_gpu_can_tell_is_not_guessed(project: Project) -> None:
    path = project.root / "bertspec.lock"
    said = project.bertspec("lock", "--device", "cuda")
    assert "hardware is left open" in said
    assert load_plain(path.read_text()).get("hardware") is None
    project.bertspec("lock", "--frozen")
    assert "E509" in project.bertspec("lock", "--upgrade", "hardware", code=3)
    project.write_spec(SPEC | {"training": {"epochs": 1, "precision": "auto"}})
    said = project.bertspec("lock", code=3)
    assert "E509" in said
    assert "`precision: bf16`" in said

    of_gpu = {"isa": "avx2", "blas": "mkl", "gpu": "H100"}
    values = load_plain(path.read_text()) | {"precision": "bf16", "hardware": of_gpu}
    path.write_text(Lock.model_validate(values).to_text())
    assert "up to date" in project.bertspec("lock"), "what a GPU has told stays"
    project.bertspec("lock", "--frozen")
    assert "E509" in project.bertspec("lock", "--upgrade", code=3)
    values["hardware"] = {"isa": "avx2", "blas": "mkl"}
    path.write_text(Lock.model_validate(values).to_text())
    project.bertspec("lock", "--frozen", code=1)
    assert "hardware: avx2, mkl -> none" in project.bertspec("lock"), "as a GPU was not asked"
    project.bertspec("lock", "--frozen")


@on_gpu
def test_a_gpu_is_in_the_lock(project: Project) -> None:
    project.bertspec("lock", "--device", "cuda")
    path = project.root / "bertspec.lock"
    now = load_plain(path.read_text())
    assert now["hardware"]["gpu"] == torch.cuda.get_device_name()
    path.write_text(Lock.model_validate(now | {"hardware": None}).to_text())
    project.bertspec("lock")
    assert load_plain(path.read_text()) == now


@without_gpu
@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_a_locked_gpu_that_is_not_there_is_told(project: Project, kind: str) -> None:
    project.compile()
    before = ["fetch", "prepare", "contract", "base", "tokenize", *(["train"] * (kind != "train"))]
    run_kinds(project, *before)
    project.bertspec("lock", "--device", "cuda")
    project.bertspec("compile")
    with pytest.raises(EnvironmentFault) as e:
        run_stage(f"tiny-{kind}", project.root)
    assert e.value.diagnostics[0].code == "E508"
    assert "bertspec lock --device cpu" in str(e.value.diagnostics[0].help)


def reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, row: Row, dropout: float,
    scaling: float, *, causal: bool,
) -> torch.Tensor:  # fmt: skip
    """What `attend` computes, sequence by sequence."""
    assert row.borders[-1] == row.room == len(query)
    lengths = row.borders.diff().tolist()
    assert max(lengths) <= row.longest
    each = [
        scaled_dot_product_attention(
            q, k, v, dropout_p=dropout, scale=scaling, is_causal=causal
        ).transpose(0, 1)
        for q, k, v in zip(
            *(t.transpose(0, 1).split(lengths, dim=1) for t in (query, key, value)), strict=True
        )
    ]
    return torch.cat(each)


@pytest.mark.parametrize("lengths", [[3, 9, 2, 21, 20, 9], [32, 32], [7]], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_are_filled_up_have_the_gradients_of_padded_rows(
    family: str, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is around a GPU's kernel, with another one in its place."""
    model, inputs = tiny_model(family), inputs_of(lengths)
    expected, theirs = gradients(model, inputs)
    monkeypatch.setattr(packing_module, "in_one_kernel", lambda _: True)
    monkeypatch.setattr(varlen, "attend", reference)
    with packing(model):
        found, mine = gradients(model, inputs)
    torch.testing.assert_close(found, expected)
    for gradient, wanted in zip(mine, theirs, strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


@given(st.integers(1, 2**20))
def test_a_row_has_at_most_an_eighth_more_room_or_that_of_few_tokens(tokens: int) -> None:
    room = room_of(tokens)
    assert tokens <= room <= max(tokens * 9 / 8, 256 * -(-tokens // 256))


@given(st.lists(st.integers(1, 512), min_size=1, max_size=200))
def test_a_row_is_filled_up_to_its_last_token_with_no_long_sequence(lengths: list[int]) -> None:
    row = filled(torch.tensor(lengths), sum(lengths), max(lengths))
    found = row.borders.diff().tolist()
    assert found[: len(lengths)] == lengths
    assert sum(found) == row.room == room_of(sum(lengths))
    assert max(found) <= row.longest <= -(-max(lengths) // 128) * 128
    assert min(found) >= 0


@on_gpu
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_attention_in_one_kernel_is_that_of_each_sequence(
    precision: torch.dtype, *, causal: bool
) -> None:
    torch.manual_seed(0)
    lengths = [3, 70, 1, 40]
    rows = torch.randn(3, sum(lengths), 2, 32, device="cuda", dtype=precision, requires_grad=True)
    borders = torch.tensor([0, 3, 73, 74, 114], device="cuda", dtype=torch.int32)
    wanted = torch.randn(sum(lengths), 2, 32, device="cuda", dtype=precision)
    found = attend(rows[0], rows[1], rows[2], Row(borders, 70, 114), 0.0, 0.2, causal=causal)
    (mine,) = torch.autograd.grad(found, rows, wanted)
    each = [
        scaled_dot_product_attention(q, k, v, scale=0.2, is_causal=causal).transpose(0, 1)
        for q, k, v in (part.transpose(1, 2) for part in rows.split(lengths, dim=1))
    ]
    (theirs,) = torch.autograd.grad(torch.cat(each), rows, wanted)
    near = 2e-2 if precision == torch.bfloat16 else 1e-5
    torch.testing.assert_close(found, torch.cat(each), rtol=near, atol=near)
    torch.testing.assert_close(mine, theirs, rtol=near, atol=near)


@on_gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_gradients_on_a_gpu_are_those_of_padded_rows_on_a_processor(family: str) -> None:
    model, inputs = tiny_model(family), inputs_of([3, 9, 2, 21, 20, 9])
    expected, theirs = gradients(model, inputs)
    model.to("cuda")
    with packing(model) as packed:
        found, mine = gradients(model, {n: t.to("cuda") for n, t in inputs.items()})
    assert packed
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)
    for gradient, reference in zip(mine, theirs, strict=True):
        torch.testing.assert_close(gradient.cpu(), reference, rtol=1e-3, atol=1e-4)


GRAPHS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bf16": {"precision": "bf16"},
    "parts": {"batch": {"examples": 8, "accumulate": 4}},
    "shards": {"batch": {"examples": 8, "shards": 2}},
    "freeze": {"freeze": 1},
    "lora": {"lora": {"rank": 2}},
    "ema": {"ema": 0.9},
}


@on_gpu
@pytest.mark.parametrize("changes", GRAPHS.values(), ids=GRAPHS)
def test_graphs_change_no_bit(project: Project, changes: dict[str, Any]) -> None:
    """Nor do recomputed activations, which have no graph."""
    found = []
    for execution in ({"cuda_graphs": False}, {}, {"gradient_checkpointing": True}):
        spec = json.loads(json.dumps(SPEC))
        spec["training"] |= {"epochs": 3, **changes, "execution": execution}
        project.write_spec(spec)
        project.bertspec("lock", "--device", "cuda")
        project.bertspec("compile")
        run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
        found.append(digest_files(project.root / "models/tiny/trained"))
    assert found[0] == found[1] == found[2]


@on_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_learns_as_a_processor_and_the_same_bits_each_time(
    project: Project, precision: str
) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["training"] |= {"epochs": 3, "precision": precision}
    project.write_spec(spec)
    found, losses = [], []
    for device in ("cuda", "cuda", "cpu"):
        project.bertspec("lock", "--device", device)
        project.bertspec("compile")
        run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train", "evaluate")
        found.append(digest_files(project.root / "models/tiny/trained"))
        losses.append(project.metrics()["test"]["loss"])
    assert found[0] == found[1]
    assert found[0] != found[2], "sums of another device"
    assert losses[0] == losses[1] == pytest.approx(losses[2], abs=0.05)
