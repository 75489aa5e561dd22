"""Training equals a plain PyTorch loop; schedules are transformers', metrics scikit-learn's."""

import csv
import json
import math
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn import metrics
from transformers import AutoModelForSequenceClassification, get_scheduler

from bertspec.core.errors import CheckFailed, InputError
from bertspec.core.manifest import digest_files
from bertspec.pipeline.params.train import Constant, Cosine, Linear, Polynomial
from bertspec.runtime.training.optimization import rate_factor
from tests.model.models import edit_weights
from tests.projects import SPEC, Project
from tests.stages import as_made, examples_of, run_kinds


def _spec(**training: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["training"] |= training
    return spec


def _tokenized(project: Project, spec: dict[str, Any]) -> Project:
    project.write_spec(spec)
    project.compile()
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


def _curve(project: Project, name: str, column: str) -> list[float]:
    path = project.root / "models/tiny/curves" / f"{name}.csv"
    with path.open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("schedule", [Linear, Cosine, Constant])
@pytest.mark.parametrize("steps", [1, 7, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_schedules_are_those_of_transformers(schedule: Any, steps: int, warmup: float) -> None:
    options = schedule(type=schedule.__name__.lower(), warmup_ratio=warmup)
    name = "constant_with_warmup" if schedule is Constant else options.type
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = get_scheduler(name, optimizer, math.ceil(warmup * steps), steps)
    for step in range(steps):
        assert rate_factor(options, step, steps) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("final", [0.0, 0.2])
@pytest.mark.parametrize("warmup", [0, 3, 7, 200])
def test_polynomial_schedules_are_those_of_transformers(
    power: float, final: float, warmup: int
) -> None:
    options = Polynomial(type="polynomial", power=power, final_ratio=final, warmup_steps=warmup)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    extra = {"power": power, "lr_end": final * 0.1}
    reference = get_scheduler("polynomial", optimizer, warmup, 100, extra)
    for step in range(100):
        expected = reference.get_last_lr()[0]
        assert 0.1 * rate_factor(options, step, 100) == pytest.approx(expected)
        optimizer.step()
        reference.step()


@pytest.mark.parametrize("schedule", [Linear, Cosine, Constant])
@pytest.mark.parametrize("warmup", [0, 3, 200])
def test_a_warmup_may_be_a_number_of_steps(schedule: Any, warmup: int) -> None:
    options = schedule(type=schedule.__name__.lower(), warmup_steps=warmup)
    name = "constant_with_warmup" if schedule is Constant else options.type
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = get_scheduler(name, optimizer, warmup, 100)
    for step in range(100):
        assert rate_factor(options, step, 100) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_the_losses_are_those_of_a_plain_pytorch_loop(project: Project) -> None:
    """The same rows in the same order, through torch and transformers alone."""
    spec = _spec(epochs=2, label_smoothing=0.1, class_weights={"bad": 1.0, "good": 2.0})
    spec["model"]["base"]["config"] |= {
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip
    _tokenized(project, spec)
    run_kinds(project, "train")

    from bertspec.runtime.training.batches import training_order

    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    examples = examples_of(project, "train")
    tokens = examples.tokens
    targets = np.array([["bad", "good"].index(n) for n in examples.rows["label"].to_pylist()])
    torch.manual_seed(13)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    decay = [p for n, p in model.named_parameters() if "bias" not in n and "LayerNorm" not in n]
    rest = [p for n, p in model.named_parameters() if "bias" in n or "LayerNorm" in n]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=0.003
    )
    steps = 2 * math.ceil(len(tokens) / 8)
    scheduler = get_scheduler("linear", optimizer, math.ceil(0.1 * steps), steps)
    criterion = torch.nn.CrossEntropyLoss(torch.tensor([1.0, 2.0]), label_smoothing=0.1)
    losses = []
    for epoch in range(2):
        for order in training_order(len(tokens), 13, epoch, 8):
            texts = [tokens.ids[tokens.offsets[r] : tokens.offsets[r + 1]].tolist() for r in order]
            longest = max(map(len, texts))
            ids = torch.tensor([t + [0] * (longest - len(t)) for t in texts])
            mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in texts])
            loss = criterion(
                model(input_ids=ids, attention_mask=mask).logits,
                torch.tensor(targets[order]),
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    assert _curve(project, "loss", "loss") == pytest.approx(losses, rel=1e-4)


def test_the_trained_folder_is_one_that_transformers_loads(built: Project) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(built.root / "models/tiny/trained")
    assert model.config.id2label == {0: "bad", 1: "good"}
    config = (built.root / "models/tiny/trained/config.json").read_text()
    assert str(built.root) not in config


def test_the_model_learns(built: Project) -> None:
    assert built.metrics()["test"]["accuracy"] > 0.9
    assert built.metrics()["fit"]["verdict"] == "good fit"


def test_the_written_metrics_are_those_of_scikit_learn(built: Project) -> None:
    table = pq.read_table(built.root / "models/tiny/evaluation/predictions.parquet").to_pylist()
    for split in ("train", "validation", "test"):
        mine = [r for r in table if r["split"] == split]
        gold, predicted = [r["gold"] for r in mine], [r["prediction"] for r in mine]
        share = [r["scores"][1] for r in mine]
        written = built.metrics()[split]
        assert written["accuracy"] == metrics.accuracy_score(gold, predicted)
        assert written["f1"] == metrics.f1_score(gold, predicted, pos_label="good")
        area = metrics.roc_auc_score([g == "good" for g in gold], share)
        assert written["roc_auc"] == pytest.approx(area)
        chosen = [r["scores"][["bad", "good"].index(r["gold"])] for r in mine]
        assert written["loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-4)


def test_every_averaged_metric_is_that_of_scikit_learn() -> None:
    import pyarrow as pa

    from bertspec.catalog.tasks import TASKS

    labels = ["a", "b", "c"]
    random = np.random.default_rng(0)
    scores = random.dirichlet([1, 1, 1], 200)
    gold = random.choice(labels, 200)
    predicted = np.array(labels)[scores.argmax(axis=1)]
    table = pa.table({"gold": gold, "prediction": predicted, "scores": list(scores)})
    task = TASKS["text-classification"].model_validate(
        {"type": "text-classification", "labels": labels}
    )
    names = [n for n in task.metrics if task.unfit_metric(n) is None]
    result = task.measure(names, table)
    for average in ("macro", "micro", "weighted"):
        for kind in ("f1", "precision", "recall"):
            expected = getattr(metrics, f"{kind}_score")(gold, predicted, average=average)
            assert result[f"{kind}_{average}"] == pytest.approx(expected)
    assert result["matthews"] == pytest.approx(metrics.matthews_corrcoef(gold, predicted))
    area = metrics.roc_auc_score(gold, scores, multi_class="ovr", average="macro")
    assert result["roc_auc"] == pytest.approx(area)
    assert set(result) == set(names)


def test_a_second_build_in_another_folder_is_the_same_to_the_bit(
    built: Project, tmp_path: Path
) -> None:
    """And a second training in bf16, by the same process: on what it does not change."""
    other = Project.create(tmp_path / "elsewhere")
    other.compile()
    first, second = (Project(tmp_path / name) for name in ("first", "second"))
    for in_bf16 in (first, second):
        shutil.copytree(built.root, in_bf16.root)
        in_bf16.write_spec(_spec(precision="bf16"))
        in_bf16.compile()
    run_kinds(first, "train")
    code = (
        "import sys; from pathlib import Path; from bertspec.runtime.stage import run_stage\n"
        "for name in sys.argv[2:]: run_stage(name, Path())\n"
        "run_stage('tiny-train', Path(sys.argv[1]))"
    )
    # What must not matter: permissions, cores in sight, locale, zone, the order of hashes.
    other.run(
        "bash", "-c", 'umask 077; exec taskset --cpu-list 0 python -c "$@"', "bash", code,
        str(second.root), *other.stages(),
        LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="7", HOME=str(other.root),
    )  # fmt: skip
    for folder in ("data", "models"):
        assert digest_files(built.root / folder) == digest_files(other.root / folder)
    for folder in ("trained", "curves"):
        made, before = (digest_files(p.root / "models/tiny" / folder) for p in (first, built))
        assert digest_files(second.root / "models/tiny" / folder) == made != before


def test_a_bound_that_does_not_hold_fails_after_writing(project: Project) -> None:
    spec = _spec(epochs=1)
    require = {"loss": "< 0.0001", "accuracy": ">= 0.0", "classes.good.f1": ">= 0.0"}
    spec["evaluation"]["require"] = require
    _tokenized(project, spec)
    run_kinds(project, "train")
    with pytest.raises(CheckFailed) as caught:
        run_kinds(project, "evaluate")
    assert [d.code for d in caught.value.diagnostics] == ["E410"]
    assert "loss is" in caught.value.diagnostics[0].message
    assert project.metrics()["test"]["loss"] > 0.0001


def test_a_loss_that_is_no_number_stops_with_advice(project: Project) -> None:
    _tokenized(project, _spec(learning_rate=1e30, max_grad_norm=None))
    with pytest.raises(InputError) as caught:
        run_kinds(project, "train")
    assert caught.value.diagnostics[0].code == "E404"
    assert "learning_rate" in caught.value.diagnostics[0].help
    assert not (project.root / "models/tiny/trained").exists()


@pytest.mark.parametrize(("size", "windows"), [(4, False), (8, False), (40, True)])
def test_a_loss_that_is_no_number_is_told_with_its_step_and_rows(
    project: Project, size: int, windows: bool
) -> None:
    """A token that only one text has is no number. That row is named first, by its file."""
    spec = _spec(batch={"examples": size})
    if windows:
        cut = {"type": "windows", "stride": 1}
        spec["tokenization"] |= {"max_length": 7, "long_documents": cut}
    _tokenized(project, spec)
    examples = examples_of(project, "train")
    tokens = examples.tokens
    texts = [{*tokens.ids[a:b]} for a, b in pairwise(tokens.offsets)]
    order = np.random.default_rng([13, 0]).permutation(len(texts))
    counts = Counter(token for text in texts for token in text)
    once = ((n, t) for n, text in enumerate(order) for t in texts[text] if counts[t] == 1)
    place, token = next(found for found in once if found[0] >= size)
    _spoil(project, token)
    step = place // size
    with (project.root / "data/reviews.csv").open() as file:
        lines = [row["review"] for row in csv.DictReader(file)]

    def rows(sequences: Any) -> list[int]:
        """In the file, each once: several windows may be of one row."""
        texts = {examples.rows["text"][int(tokens.examples[n])].as_py() for n in sequences}
        return [number for number, line in enumerate(lines, 1) if line in texts]

    (wrong,) = rows([order[place]])
    rest = [row for row in rows(order[step * size :][:size]) if row != wrong]
    with pytest.raises(InputError) as caught:
        run_kinds(project, "train")
    (found,) = caught.value.diagnostics
    assert found.code == "E404"
    assert found.message == (
        f"the loss is nan in step {step} because of data/reviews.csv row {wrong}; "
        f"the batch also has data/reviews.csv rows {', '.join(map(str, rest))}"
    )
    assert not (project.root / "models/tiny/trained").exists()


def _spoil(project: Project, token: int) -> None:
    """Have a token that is no number."""

    def no_number(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        weights["embeddings.word_embeddings.weight"][token] = math.nan
        return weights

    (base,) = [p for p in (project.root / "models/bases").iterdir() if p.is_dir()]
    edit_weights(base, no_number)


def test_where_no_row_alone_is_at_fault_all_of_the_batch_are_named(project: Project) -> None:
    """Of prepared rows that are gone, by which files are known, the numbers in the split."""
    _tokenized(project, _spec(batch={"examples": 8}))
    tokens = examples_of(project, "train").tokens
    (start,) = {int(tokens.ids[offset]) for offset in tokens.offsets[:-1]}
    _spoil(project, start)
    shutil.rmtree(project.root / "data/reviews/prepared")
    with pytest.raises(InputError) as caught:
        run_kinds(project, "train")
    chosen = np.random.default_rng([13, 0]).permutation(len(tokens))[:8]
    named = ", ".join(str(1 + row) for row in sorted(chosen))
    expected = f"the loss is nan in step 0; the batch has rows {named} of train"
    assert caught.value.diagnostics[0].message == expected


def test_a_label_without_a_training_row_is_an_error(project: Project) -> None:
    spec = _spec()
    spec["task"]["labels"] = ["bad", "good", "fair"]
    spec["evaluation"]["metrics"] = ["accuracy"]
    _tokenized(project, spec)
    with pytest.raises(InputError, match="`fair`"):
        run_kinds(project, "train")


def test_a_truncated_weight_file_is_an_error_that_names_it(project: Project) -> None:
    _tokenized(project, _spec())
    (weights,) = (project.root / "models/bases").rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    as_made(weights.parent)
    with pytest.raises(InputError) as caught:
        run_kinds(project, "train")
    assert caught.value.diagnostics[0].code == "E402"


def test_early_stopping_keeps_the_best_epoch(project: Project) -> None:
    spec = _spec(epochs=30, learning_rate=0.01, early_stopping={"patience": 2})
    _tokenized(project, spec)
    run_kinds(project, "train", "evaluate")
    losses = _curve(project, "validation", "validation_loss")
    best = losses.index(min(losses))
    assert len(losses) == min(30, best + 3)
    assert project.metrics()["validation"]["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_bf16_trains_and_its_weights_stay_32_bit(project: Project) -> None:
    from safetensors.torch import load_file

    _tokenized(project, _spec(precision="bf16"))
    run_kinds(project, "train")
    weights = load_file(project.root / "models/tiny/trained/model.safetensors")
    assert {t.dtype for t in weights.values()} == {torch.float32}
    assert _curve(project, "loss", "loss")[-1] < _curve(project, "loss", "loss")[0]
