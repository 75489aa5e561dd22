"""Learning from a teacher: the loss is Hinton's, and the teacher leaves no trace but that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open
from torch.distributions import Bernoulli, Categorical, kl_divergence
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM

from bertspec.catalog.batch import IGNORED, Batch
from bertspec.catalog.task import LossOptions, Task
from bertspec.catalog.tasks.causal_lm import CausalLm
from bertspec.catalog.tasks.masked_lm import MaskedLm
from bertspec.catalog.tasks.multi_label_classification import MultiLabelClassification
from bertspec.catalog.tasks.text_regression import TextRegression
from bertspec.catalog.tasks.token_classification import TokenClassification
from bertspec.core.errors import InputError
from bertspec.core.manifest import digest_files
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.params.distillation import Distillation, SpecTeacher
from bertspec.pipeline.params.train import Head, Training, TrainParams
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.checkpoints import Checkpoints
from bertspec.runtime.training.gradients import backward
from bertspec.runtime.training.loop import train
from bertspec.runtime.training.objective import Objective, Teacher
from bertspec.runtime.training.teachers import _require_same_outputs
from tests.model.models import TASK
from tests.projects import SPEC, Project, rows
from tests.stages import as_made
from tests.tasks.tiny import batch_of, encoder_of, tiny_base, tokens_of

TABLE = pa.table({"text": [t for t, _ in rows(30)], "label": [label for _, label in rows(30)]})
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
OPTIONS = LossOptions(label_smoothing=0.1, class_weights=[1.0, 3.0])
TEMPERATURE, ALPHA = 3.0, 0.7


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of a teacher with dropout, and of a smaller student of another family; one vocabulary."""
    folder, texts = tmp_path_factory.mktemp("distillation"), TABLE["text"].to_pylist()
    small = {"model_type": "electra", "embedding_size": 16, "hidden_size": 16}
    return (
        tiny_base(folder / "teacher", texts),
        tiny_base(folder / "student", texts, **small, **NO_DROPOUT),
    )


def _models(bases: tuple[Path, Path], task: Task = TASK) -> tuple[Any, Any]:
    """The teacher in eval mode, and the student."""
    torch.manual_seed(0)
    models: list[Any] = [task.build_model(base, None) for base in bases]
    teacher, student = models
    if task is TASK:  # it is to be sure of either label, as a trained one is
        batch = batch_of(task, tokens_of(task, TABLE, encoder_of(bases[0])))
        with torch.no_grad():
            logits = teacher.eval()(**batch.inputs).logits
            teacher.classifier.bias -= logits.mean(dim=0)
            for parameter in teacher.classifier.parameters():
                parameter.mul_(3 / logits.std(dim=0).max())
    return teacher.eval(), student.train()


def _taught(teacher: Any, alpha: float = ALPHA) -> Teacher:
    of_spec = SpecTeacher(type="spec", name="large")
    return Teacher(teacher, Distillation(teacher=of_spec, temperature=TEMPERATURE, alpha=alpha))


@pytest.mark.parametrize("parts", [1, 4])
def test_gradients_are_those_of_a_few_lines_of_pytorch(
    bases: tuple[Path, Path], parts: int
) -> None:
    """Each row has the weight of its label; in parts, too."""
    teacher, student = _models(bases)
    _, plain = _models(bases)
    tokens = tokens_of(TASK, TABLE, encoder_of(bases[1]))
    inputs = batch_of(TASK, tokens).inputs
    targets = torch.tensor([["bad", "good"].index(label) for label in TABLE["label"].to_pylist()])
    logits = plain(**inputs).logits
    with torch.no_grad():
        wanted = teacher(**inputs).logits
    weights = torch.tensor([1.0, 3.0])
    of_task = cross_entropy(logits, targets, weights, label_smoothing=0.1)
    shares = (wanted / TEMPERATURE).softmax(dim=1)
    far = (shares * (shares.log() - (logits / TEMPERATURE).log_softmax(dim=1))).sum(dim=1)
    of_teacher = (far * weights[targets]).sum() / weights[targets].sum()
    expected = (1 - ALPHA) * of_task + ALPHA * TEMPERATURE**2 * of_teacher
    expected.backward()
    assert of_teacher > 0.01
    batches = [batch_of(TASK, tokens, list(p)) for p in np.array_split(np.arange(30), parts)]
    loss = backward(student, Objective(TASK, OPTIONS, teacher=_taught(teacher)), batches)
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    for mine, theirs in zip(student.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def _outputs(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    student, teacher = (torch.randn(*shape, generator=generator) for _ in range(2))
    return student * 2, teacher * 2


def _far(task: Task, outputs: Any, teacher: Any, targets: torch.Tensor) -> torch.Tensor:
    batch = Batch(np.arange(len(outputs)), {}, targets)
    return task.distillation_loss(outputs, teacher, batch, TEMPERATURE, LossOptions())


def test_labels_of_which_there_may_be_several_are_each_by_itself() -> None:
    task = MultiLabelClassification(type="multi-label-classification", labels=("a", "b", "c"))
    student, teacher = _outputs(5, 3)
    found = _far(task, student, teacher, torch.zeros(5, 3))
    said, wanted = (Bernoulli(logits=x / TEMPERATURE) for x in (student, teacher))
    torch.testing.assert_close(found, TEMPERATURE**2 * kl_divergence(wanted, said).sum())


def test_tokens_with_a_tag_count_alone() -> None:
    task = TokenClassification(type="token-classification", labels=("PER",))
    student, teacher = _outputs(4, 6, 3)
    targets = torch.zeros(4, 6, dtype=torch.int64)
    targets[:, 3:] = IGNORED
    said, wanted = (Categorical(logits=x[:, :3] / TEMPERATURE) for x in (student, teacher))
    expected = TEMPERATURE**2 * kl_divergence(wanted, said).sum()
    torch.testing.assert_close(_far(task, student, teacher, targets), expected)


def test_numbers_are_those_of_the_teacher() -> None:
    student, teacher = _outputs(5, 2)
    task = TextRegression(type="text-regression", targets=("a", "b"))
    found = _far(task, student, teacher, torch.zeros(5, 2))
    torch.testing.assert_close(found, ((student - teacher) ** 2).sum())


@pytest.mark.parametrize("task", [MaskedLm(type="masked-lm"), CausalLm(type="causal-lm")])
def test_of_a_text_the_tokens_that_are_to_be_said_count(
    bases: tuple[Path, Path], task: Task
) -> None:
    teacher, student = _models(bases, task)
    batch = batch_of(task, tokens_of(task, TABLE, encoder_of(bases[1])))
    total, weight = Objective(task, teacher=_taught(teacher, 1.0)).loss(student, batch)
    said = batch.targets != IGNORED
    with torch.no_grad():
        logits, wanted = (task.forward(model, batch.inputs)[said] for model in (student, teacher))
    far = kl_divergence(
        Categorical(logits=wanted / TEMPERATURE), Categorical(logits=logits / TEMPERATURE)
    ).sum()
    torch.testing.assert_close(total.detach(), TEMPERATURE**2 * far, rtol=1e-3, atol=0)
    assert float(weight) == said.sum()


def test_both_run_in_the_same_precision(bases: tuple[Path, Path]) -> None:
    teacher, student = _models(bases)
    batch = batch_of(TASK, tokens_of(TASK, TABLE, encoder_of(bases[1])))
    total, _ = Objective(TASK, bf16=True, teacher=_taught(teacher, 1.0)).loss(student, batch)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, wanted = (m(**batch.inputs).logits.float() for m in (student, teacher))
    said, taught = (Categorical(logits=x / TEMPERATURE) for x in (logits, wanted))
    torch.testing.assert_close(total.detach(), TEMPERATURE**2 * kl_divergence(taught, said).sum())


def test_a_student_comes_to_say_what_its_teacher_says(
    bases: tuple[Path, Path], tmp_path: Path
) -> None:
    """All of the loss is the teacher's, and the data has the labels that it does not say."""
    teacher, student = _models(bases)
    tokens = tokens_of(TASK, TABLE, encoder_of(bases[1]))
    batch = batch_of(TASK, tokens)
    with torch.no_grad():
        wanted = teacher(**batch.inputs).logits.softmax(dim=1)
        before = student(**batch.inputs).logits.softmax(dim=1)
    assert len(wanted.argmax(dim=1).unique()) == 2, "the teacher says both labels"
    wrong = [TASK.labels[int(i)] for i in wanted.argmin(dim=1)]
    tokens = tokens_of(TASK, TABLE.set_column(1, "label", pa.array(wrong)), encoder_of(bases[1]))
    taught = _taught(teacher, 1.0)
    options = {"learning_rate": 0.01, "epochs": 30, "batch": {"examples": 8}}
    training = Training.model_validate(options | {"distillation": taught.options})
    none = tokens_of(TASK, TABLE.slice(0, 0), encoder_of(bases[1]))
    checkpoints = Checkpoints(tmp_path, "key", 60)
    train(student, TASK, training, tokens, none, None, 0, checkpoints, teacher=taught)
    with torch.no_grad():
        after = student.eval()(**batch.inputs).logits.softmax(dim=1)
    assert (after - wanted).abs().mean() < 0.2 * (before - wanted).abs().mean()


def test_a_vocabulary_of_another_size_is_refused() -> None:
    small: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    teacher, model = (BertForMaskedLM(BertConfig(vocab_size=n, **small)) for n in (20, 24))
    params = TrainParams(task=MaskedLm(type="masked-lm"), head=Head(), training=Training())
    _require_same_outputs(params, "large", model, model)
    with pytest.raises(InputError, match="20 entries, and that of this model 24") as caught:
        _require_same_outputs(params, "large", teacher, model)
    assert caught.value.diagnostics[0].code == "E413"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """Spec tiny has learned from spec large, and what its training made."""
    project = Project.create(tmp_path_factory.mktemp("distilled") / "project")
    large: dict[str, Any] = json.loads(json.dumps(SPEC)) | {"name": "large", "export": []}
    large["training"]["epochs"] = 4
    project.write_spec(large, "large.json")
    tiny: dict[str, Any] = json.loads(json.dumps(SPEC)) | {"export": []}
    tiny["model"]["base"]["config"] |= {"hidden_size": 16, "num_hidden_layers": 1}
    teacher = {"type": "spec", "name": "large"}
    tiny["training"] |= {
        "epochs": 2, "distillation": {"teacher": teacher},
        "batch": {"examples": 8, "accumulate": 2}, "execution": {"checkpoint_seconds": 1e-9},
    }  # fmt: skip
    project.write_spec(tiny)
    project.compile()
    for name in project.stages():
        run_stage(name, project.root)
    return project, digest_files(project.root / "models/tiny/trained")


def test_a_model_of_two_specs_is_as_any_other(built: tuple[Project, dict[str, str]]) -> None:
    project, _ = built
    assert project.metrics()["test"]["accuracy"] > 0.5
    inputs = json.loads((project.root / "models/tiny/trained.manifest.json").read_text())["inputs"]
    assert "models/large/trained" in inputs
    config = json.loads((project.root / "models/tiny/trained/config.json").read_text())
    assert config["hidden_size"] == 16


def test_it_goes_on_after_an_interruption_to_the_same_bits(
    built: tuple[Project, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the checkpoint has no tensor of the teacher."""
    project, expected = built
    real, taken = torch.optim.AdamW.step, 0

    def interrupted(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 10:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    with monkeypatch.context() as inner:
        inner.setattr(torch.optim.AdamW, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_stage("tiny-train", project.root)
    (file,) = (project.root / ".bertspec/checkpoints/tiny-train").glob("*.safetensors")
    with safe_open(project.root / "models/tiny/trained/model.safetensors", "pt") as trained:
        names = set(trained.keys())
    with safe_open(file, "pt") as checkpoint:
        kept = [name.partition(".") for name in checkpoint.keys()]  # noqa: SIM118
    assert {part for part, _, _ in kept} <= {"model", "best", "optimizer", "curves"}
    weights = {name for part, _, name in kept if part == "model"}
    assert {name for name in weights if "position_ids" not in name} - names == {
        "bert.embeddings.token_type_ids"
    }
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny/trained") == expected


@pytest.fixture
def teacher(built: tuple[Project, dict[str, str]]) -> Iterator[Path]:
    """The folder of the teacher, whose small files are put back."""
    folder = built[0].root / "models/large/trained"
    before = {path: path.read_bytes() for path in folder.glob("*.json")}
    yield folder
    for path, content in before.items():
        path.write_bytes(content)
    as_made(folder)


def _edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    as_made(path.parent)


def test_another_tokenizer_is_refused(built: tuple[Project, dict[str, str]], teacher: Path) -> None:
    normalizer = {"type": "Lowercase"}
    _edit(teacher / "tokenizer.json", normalizer=normalizer)
    with pytest.raises(InputError, match="another tokenizer") as caught:
        run_stage("tiny-train", built[0].root)
    assert caught.value.diagnostics[0].code == "E413"


def test_other_outputs_are_refused(built: tuple[Project, dict[str, str]], teacher: Path) -> None:
    _edit(teacher / "config.json", id2label={"0": "good", "1": "bad"})
    with pytest.raises(InputError, match="are not those of this model"):
        run_stage("tiny-train", built[0].root)


def test_how_a_tokenizer_cuts_and_pads_is_no_difference(
    built: tuple[Project, dict[str, str]], teacher: Path
) -> None:
    cut = {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
    _edit(teacher / "tokenizer.json", truncation=cut)
    run_stage("tiny-train", built[0].root)
    assert digest_files(built[0].root / "models/tiny/trained") == built[1]


def test_a_teacher_in_params_yaml_alone_is_refused(built: tuple[Project, dict[str, str]]) -> None:
    path = built[0].root / "params.yaml"
    before = path.read_text(encoding="utf-8")
    params = load_plain(before)
    params["tiny"]["training"]["distillation"]["teacher"]["name"] = "another"
    path.write_text(dump(params), encoding="utf-8")
    try:
        with pytest.raises(InputError, match="another teacher than `another`") as caught:
            run_stage("tiny-train", built[0].root)
    finally:
        path.write_text(before, encoding="utf-8")
    assert caught.value.diagnostics[0].code == "E203"
