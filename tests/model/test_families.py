"""Every family of encoders: a training step, and exports that give the same at any size."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertspec.catalog.batch import Batch, Tokens
from bertspec.catalog.export import INPUTS, Runner, Shared, Trained, example_inputs
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.exports.onnx import Onnx
from bertspec.catalog.task import LossOptions
from bertspec.core.digest import file_digest
from bertspec.pipeline.params.train import AdamW, Lora
from bertspec.runtime.export import exported_module
from bertspec.runtime.torch_setup import quiet
from bertspec.runtime.training import first_tokens
from bertspec.runtime.training.batches import collate
from bertspec.runtime.training.frozen_outputs import FAMILIES as KEPT
from bertspec.runtime.training.frozen_outputs import FrozenOutputs
from bertspec.runtime.training.layers import layer_lists
from bertspec.runtime.training.lora import adapted
from bertspec.runtime.training.optimization import make_optimizer, set_rate
from tests.model.models import TASK, build, operators, prepare, python, scratch
from tests.model.models import inputs as made_inputs
from tests.tasks.tiny import DRAW

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


ALWAYS = ("bert", "deberta-v2", "mpnet", "modernbert")
"""One of each way to tell positions: learned, relative in two ways, and rotary."""


_THOROUGH = pytest.mark.thorough


@pytest.fixture(scope="module", params=[
    pytest.param(family, marks=() if family in ALWAYS else _THOROUGH)
    for family in FAMILIES
])  # fmt: skip
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


@pytest.fixture(scope="module")
def shared(model: Any) -> Shared:
    """So that the ONNX graph is made once."""
    return Shared(trained=Trained(TASK, Path(model.name_or_path), 128))


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_gives_what_pytorch_gives_at_any_size(
    model: Any, shared: Shared, kind: str, tmp_path: Path
) -> None:
    export = EXPORTS[kind].model_validate({"type": kind})
    path, module = tmp_path / export.filename, exported_module(model, TASK).eval()
    export.write(module, path, shared)
    given: list[int] = []
    last = layer_lists(model)[0][-1]
    hook = last.register_forward_hook(lambda *args: given.append(len(args[-1][0])))
    module(*example_inputs())
    hook.remove()
    if model.config.model_type in first_tokens.FAMILIES:
        assert given == [1], "the head reads no other tokens"
    _compare(model, export.runner(path, 1, TASK))


def _compare(model: Any, run: Runner) -> None:
    for rows, length in ((1, 1), (1, 100), (9, 1), (9, 33), (2, 126)):
        inputs = made_inputs(rows, length)
        with torch.inference_mode():
            expected = TASK.forward(model, {n: torch.from_numpy(inputs[n]) for n in INPUTS})
        np.testing.assert_allclose(run(inputs), expected.numpy(), atol=1e-4)


FUSED_KINDS = (
    "Attention", "MultiHeadAttention", "EmbedLayerNormalization", "LayerNormalization", "Gelu",
)  # fmt: skip
FUSED = {
    "bert": (1, 1, 1, 4, 2),
    "distilbert": (1, 1, 1, 4, 2),
    "roberta": (1, 1, 1, 4, 2),
    "electra": (1, 1, 1, 4, 3),
    "albert": (2, 0, 1, 4, 0),
    "modernbert": (0, 2, 0, 6, 3),
}
"""How many of these each has. Of first tokens, attention is without its projections."""


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(family, marks=() if family in ("distilbert", "modernbert") else _THOROUGH)
        for family in FUSED
    ],
    indirect=True,
)
def test_a_fused_export_gives_what_pytorch_gives(model: Any, tmp_path: Path) -> None:
    export = Onnx(type="onnx", optimize=True)
    export.write(exported_module(model, TASK).eval(), tmp_path / "model", Shared())
    found = operators(tmp_path / "model")
    assert tuple(found[kind] for kind in FUSED_KINDS) == FUSED[model.config.model_type]
    _compare(model, export.runner(tmp_path / "model", 1))


@pytest.mark.parametrize("model", ["modernbert"], indirect=True)
def test_the_newest_operator_set_gives_what_pytorch_gives(model: Any, tmp_path: Path) -> None:
    """Its operator for rotary positions wants angles for each row, and there are those of one."""
    export = Onnx(type="onnx", opset=23)
    export.write(exported_module(model, TASK).eval(), tmp_path / "model", Shared())
    _compare(model, export.runner(tmp_path / "model", 1))


@pytest.mark.parametrize(
    "family", ["xmod", *(pytest.param(name, marks=_THOROUGH) for name in ("deberta", "xlm"))]
)
def test_a_second_graph_of_one_model_is_exported(family: str, tmp_path: Path) -> None:
    """Their graphs have sizes that depend on numbers, which torch.onnx.export finds only once."""
    own: dict[str, dict[str, Any]] = {
        "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
        "xlm": {"emb_dim": 32, "n_layers": 1, "n_heads": 2, "n_words": 100},
        "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    }
    small = {"num_hidden_layers": 1, "intermediate_size": 64}
    sizes: dict[str, Any] = {} if family == "xlm" else SIZES | small
    config = AutoConfig.for_model(
        family, vocab_size=100, max_position_embeddings=160, **sizes, **own[family]
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    module, shared = exported_module(model, TASK).eval(), Shared()
    for optimize in (False, True):
        export = Onnx(type="onnx", optimize=optimize)
        export.write(module, tmp_path / "model", shared)
        _compare(model, export.runner(tmp_path / "model", 1))


TWO_KINDS_OF_LAYERS = """
import sys
from pathlib import Path
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification
from bertspec.catalog.export import Shared
from bertspec.catalog.exports.onnx import Onnx
from bertspec.runtime.export import exported_module
from tests.model.test_families import SIZES, TASK

torch.manual_seed(0)
sizes = SIZES | {"intermediate_size": 64, "global_attn_every_n_layers": 2}
config = AutoConfig.for_model("modernbert", vocab_size=100, pad_token_id=0, **sizes)
model = AutoModelForSequenceClassification.from_config(config).eval()
Onnx(type="onnx").write(exported_module(model, TASK).eval(), Path(sys.argv[1]), Shared())
"""


@_THOROUGH
def test_a_graph_has_the_order_of_no_set_of_names(tmp_path: Path) -> None:
    """ModernBERT goes over one, whose order is that of hashes: another one with these two seeds."""
    for seed in "01":
        python(TWO_KINDS_OF_LAYERS, str(tmp_path / seed), PYTHONHASHSEED=seed)
    assert file_digest(tmp_path / "0") == file_digest(tmp_path / "1")


def _sequences() -> Tokens:
    """Four of different lengths."""
    lengths = np.array([12, 7, 9, 3])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    labels = pa.table({"label": [0, 1, 1, 0]})
    return Tokens(np.arange(4), ids, np.zeros_like(ids), offsets, labels)


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_kept_of_frozen_layers_is_what_they_give(
    model: Any, number: int, tmp_path: Path
) -> None:
    """In batches of other sizes; and the layers do not run, for they have no weights any more."""
    if model.config.model_type == "albert":
        assert set(FAMILIES) - {"albert"} == set(KEPT) - {"camembert", "xlm-roberta"}
        return
    changed, tokens = copy.deepcopy(model), _sequences()
    layers = layer_lists(changed)[0][:number]
    kept = FrozenOutputs(changed, list(layers), tokens, 0, 3, tmp_path, lambda *_, **__: None)
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data.fill_(torch.nan)
    for rows in ([2, 0, 3], [1], [3, 1]):
        batch = collate(TASK, tokens, np.array(rows), 0, DRAW)
        with kept.standing_in(batch), torch.inference_mode():
            found = TASK.forward(changed, batch.inputs)
        torch.testing.assert_close(found, TASK.forward(model, batch.inputs).detach())
    assert TASK.forward(changed, batch.inputs).isnan().any()


def test_changes_of_low_rank_compute_the_same_within_the_weights(model: Any) -> None:
    changed = copy.deepcopy(model)
    inputs = {name: torch.from_numpy(value) for name, value in made_inputs(4, 12).items()}
    before = TASK.forward(changed, inputs)
    with adapted(changed, Lora(rank=4)):
        for name, parameter in changed.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        beside = TASK.forward(changed, inputs)
    assert not torch.allclose(beside, before, atol=1e-3)
    torch.testing.assert_close(TASK.forward(changed, inputs), beside, rtol=1e-4, atol=1e-5)
    assert list(changed.state_dict()) == list(model.state_dict())
