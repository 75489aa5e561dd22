"""Every family of encoders: a training step, and exports that give the same at any size."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec.catalog.batch import Batch
from bertspec.catalog.export import INPUTS
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.task import LossOptions
from bertspec.pipeline.params.train import AdamW
from bertspec.runtime.export import exported_module
from bertspec.runtime.torch_setup import quiet
from bertspec.runtime.training.optimization import make_optimizer, set_rate
from tests.model.models import TASK, build, prepare, scratch
from tests.model.models import inputs as made_inputs

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "roberta": {},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 16,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": "p2c|c2p",
    },
    "mpnet": {},
    "modernbert": {},
}


@pytest.fixture(scope="module", params=FAMILIES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of the family with the task's head, after one step of training."""
    quiet()
    family: str = request.param
    root = tmp_path_factory.mktemp(family)
    config = {"model_type": family, "max_position_embeddings": 128} | FAMILIES[family]
    if family != "distilbert":
        config = SIZES | {"intermediate_size": 64} | config
    base = scratch().model_copy(update={"config": config})
    torch.manual_seed(0)
    found = TASK.build_model(build(base, root / "base", root, prepare()), None)
    before = {name: value.clone() for name, value in found.state_dict().items()}
    _step(found)
    changed = [n for n, v in found.state_dict().items() if not torch.equal(v, before[n])]
    assert any("attention" in name or "attn" in name for name in changed)
    return found.eval()


def _step(model: Any) -> None:
    model.train()
    inputs = {name: torch.from_numpy(value) for name, value in made_inputs(4, 12).items()}
    batch = Batch(np.arange(4), inputs, torch.tensor([0, 1, 1, 0]))
    total, weight = TASK.loss(TASK.forward(model, inputs), batch, LossOptions())
    (total / weight).backward()
    torch.optim.AdamW(model.parameters(), lr=0.01).step()


LAYER = re.compile(r"\.(?:layers?|albert_layer_groups)\.(\d+)\.")
BELOW = re.compile(
    r"embedding|rel_embeddings|relative_attention_bias|encoder\.LayerNorm"  # of the positions
)


def test_each_layer_has_a_share_of_the_rate_of_the_one_above_it(model: Any) -> None:
    optimizer = make_optimizer(model, AdamW(), 1.0, 0.5)
    set_rate(optimizer, 8.0)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    layers = 1 if model.config.model_type == "albert" else 2  # of which all share their weights
    found = set()
    for name, parameter in model.named_parameters():
        if layer := LAYER.search(name):
            place = layer[1]
            expected = 8.0 * 0.5 ** (layers - int(place))
        elif BELOW.search(name):
            place, expected = "below", 8.0 * 0.5 ** (layers + 1)
        else:
            place, expected = "head", 8.0
            assert re.match(r"(pre_)?classifier|head|(\w+\.)?(pooler|final_norm)", name), name
        found.add(place)
        assert rates[parameter] == expected, name
    assert found == {"below", "head", *map(str, range(layers))}
    assert len(rates) == len(list(model.parameters()))


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_gives_what_pytorch_gives_at_any_size(
    model: Any, kind: str, tmp_path: Path
) -> None:
    export = EXPORTS[kind].model_validate({"type": kind})
    export.write(exported_module(model, TASK).eval(), tmp_path / "model")
    run = export.runner(tmp_path / "model", 1)
    for rows, length in ((1, 1), (1, 100), (9, 1), (9, 33), (2, 126)):
        inputs = made_inputs(rows, length)
        with torch.inference_mode():
            expected = TASK.forward(model, {n: torch.from_numpy(inputs[n]) for n in INPUTS})
        np.testing.assert_allclose(run(inputs), expected.numpy(), atol=1e-4)
