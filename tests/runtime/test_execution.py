"""How a training runs changes nothing that it makes: gradient checkpointing, and who can
watch it, on a terminal and in TensorBoard.
"""

import csv
import json
import os
import pty
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from transformers import AlbertConfig, AlbertForSequenceClassification
from transformers.models.bert.modeling_bert import BertSelfOutput

from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.manifest import digest_files
from bertspec.core.yaml import load_plain
from bertspec.pipeline.params.train import Training
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.checkpoints import Checkpoints, Progress
from bertspec.runtime.training.gradients import recompute_activations
from bertspec.runtime.training.loop import train
from tests.model.models import TASK
from tests.projects import SPEC, Project, rows
from tests.stages import run_kinds
from tests.tasks.tiny import encoder_of, tiny_base, tokens_of

TENSORBOARD = {"tensorboard": "runs/curves", "checkpoint_seconds": 1e-9}
TABLE = pa.table(
    {"text": [text for text, _ in rows(30)], "label": [label for _, label in rows(30)]}
)

Curves = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Built up to what training reads, without settings."""
    project = Project.create(tmp_path_factory.mktemp("execution") / "project")
    project.run("git", "init", "--quiet")
    _compile(project, {})
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    return project


def _compile(project: Project, execution: dict[str, Any]) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["training"] |= {"epochs": 3, "metric_for_best_model": "f1", "execution": execution}
    project.write_spec(spec)
    project.compile()


@pytest.fixture
def attentions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the attention of a layer has been computed in training."""
    real, found = BertSelfOutput.forward, [0]

    def counted(self: BertSelfOutput, *args: Any, **kwargs: Any) -> Any:
        found[0] += self.training
        return real(self, *args, **kwargs)

    monkeypatch.setattr(BertSelfOutput, "forward", counted)
    return found


def test_it_changes_neither_what_dvc_sees_nor_what_is_made(
    project: Project, attentions: list[int]
) -> None:
    params, dvc = project.root / "params.yaml", project.root / "dvc.yaml"
    _compile(project, {})
    run_stage("tiny-train", project.root)
    made, plain = digest_files(project.root / "models/tiny"), attentions.pop()
    files = dvc.read_text(), load_plain(params.read_text())
    attentions.append(0)
    _compile(project, TENSORBOARD | {"gradient_checkpointing": True})
    changed = load_plain(params.read_text())
    settings = changed["bertspec"].pop("execution")
    assert settings == {"tiny-train": TENSORBOARD | {"gradient_checkpointing": True}}
    assert (dvc.read_text(), changed) == files
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny") == made
    assert attentions[0] == 2 * plain > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_computing_activations_again_gives_the_same_weights(
    tmp_path: Path, attentions: list[int], precision: str
) -> None:
    """With dropout everywhere; and in parts, with an average of the weights beside them."""
    dropout = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3}
    base = tiny_base(tmp_path, TABLE["text"].to_pylist(), **dropout)
    tokens = tokens_of(TASK, TABLE, encoder_of(base))
    options = {"learning_rate": 0.003, "batch": {"examples": 8, "accumulate": 2}, "ema": 0.5}
    training = Training.model_validate(options | {"precision": precision})

    def trained(name: str, *, again: bool) -> tuple[dict[str, torch.Tensor], str, int]:
        torch.manual_seed(0)
        model = TASK.build_model(base, 0.3)
        config = model.config.to_json_string()
        if again:
            recompute_activations(model)
        before = attentions[0]
        train(model, TASK, training, tokens, tokens, None, 0, Checkpoints(tmp_path / name, "", 60))
        assert model.config.to_json_string() == config
        return model.state_dict(), config, attentions[0] - before

    plain, _, once = trained("plain", again=False)
    other, _, twice = trained("again", again=True)
    assert twice == 2 * once > 0
    assert all(torch.equal(plain[name], other[name]) for name in plain)


def test_a_family_without_it_is_told_before_training() -> None:
    """What `validate` cannot know, as the base is not there yet."""
    config = AlbertConfig(vocab_size=9, embedding_size=8, hidden_size=8, num_attention_heads=2)
    model = AlbertForSequenceClassification(config)
    with pytest.raises(InputError, match="for `albert`") as caught:
        recompute_activations(model)
    assert caught.value.diagnostics[0].code == "E403"


def _plots(project: Project) -> Curves:
    """Each curve as the stage's outputs have it: steps or epochs, and values."""
    found: Curves = {}
    for plot, axis in (("loss", "step"), ("learning_rate", "step"), ("validation", "epoch")):
        with (project.root / f"models/tiny/curves/{plot}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                number = int(row.pop(axis))
                for name, value in row.items():
                    found.setdefault(name, []).append((number, float(value)))
    return found


def _events(folder: Path) -> Curves:
    """Each curve as TensorBoard shows it."""
    found: Curves = {}
    for axis in ("steps", "epochs"):
        events = EventAccumulator(str(folder / axis)).Reload()
        for name in events.Tags()["scalars"]:
            found[name] = [(event.step, event.value) for event in events.Scalars(name)]
    return found


def _train_until(
    project: Project, stops: Callable[[Progress], bool], patch: pytest.MonkeyPatch
) -> None:
    """Train until a checkpoint is due that `stops` it: what it has told since the last one was
    told in vain.
    """
    real = Checkpoints.save_if_due

    def save(self: Checkpoints, *args: Any) -> None:
        if stops(args[2]):
            raise SystemExit
        real(self, *args)

    with patch.context() as inner:
        inner.setattr(Checkpoints, "save_if_due", save)
        with pytest.raises(SystemExit):
            run_stage("tiny-train", project.root)


def test_tensorboard_shows_each_step_and_epoch_of_an_interrupted_training_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Files of one second are read in the order of their names, as texts: 9 comes behind 10.
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))
    _compile(project, TENSORBOARD)
    _train_until(project, lambda progress: progress.step == 4, monkeypatch)
    _train_until(project, lambda progress: progress.epoch == 1, monkeypatch)
    _train_until(project, lambda progress: progress.step == 12, monkeypatch)
    run_stage("tiny-train", project.root)
    (folder,) = (project.root / "runs/curves/tiny-train").glob("*/")
    shown, expected = _events(folder), _plots(project)
    norms = shown.pop("gradient_norm")
    assert shown.keys() == expected.keys() >= {"train_loss", "validation_loss", "f1"}
    for name, curve in expected.items():
        steps, values = zip(*curve, strict=True)
        assert [step for step, _ in shown[name]] == [*steps]
        assert [value for _, value in shown[name]] == pytest.approx(values)  # they are 32-bit
    assert [step for step, _ in norms] == [step for step, _ in expected["loss"]]
    assert all(norm > 0 for _, norm in norms)
    assert "runs" not in project.run("git", "status", "--porcelain", "-uall").stdout


def test_without_tensorboard_nothing_is_trained(
    project: Project, attentions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _compile(project, TENSORBOARD)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(EnvironmentFault, match="tensorboard") as caught:
        run_stage("tiny-train", project.root)
    assert caught.value.diagnostics[0].code == "E502"
    assert "pip install tensorboard" in caught.value.diagnostics[0].help
    assert attentions == [0]


@contextmanager
def _terminal(patch: pytest.MonkeyPatch) -> Iterator[bytearray]:
    """Standard error is a terminal of 80 columns; gives what it was sent."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        patch.delenv(name, raising=False)
    patch.setenv("TERM", "xterm")
    patch.setenv("COLUMNS", "80")
    ours, theirs = pty.openpty()
    sent = bytearray()

    def read() -> None:
        with suppress(OSError):  # Linux says so of the end
            while found := os.read(ours, 2**16):
                sent.extend(found)

    reader = Thread(target=read)
    reader.start()
    with patch.context() as inner, os.fdopen(theirs, "w", encoding="utf-8") as screen:
        inner.setattr(sys, "stderr", screen)
        yield sent
    reader.join()
    os.close(ours)


def _slow(patch: pytest.MonkeyPatch) -> None:
    """Let a training take so long that a bar is drawn a few times."""
    real = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.03)
        return real(self, *args, **kwargs)

    patch.setattr(torch.optim.AdamW, "step", step)


FRAME = re.compile(r"train \S+ +(\d+)/(\d+) (\d:\d\d:\d\d) loss (\d\.\d{3}), [1-9][\d,]* tokens/s")


def test_a_terminal_shows_loss_speed_and_the_time_that_is_left(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of each step that it shows, the loss is the one in the curve. What is no terminal is shown
    nothing, and with --quiet neither is a terminal.
    """
    _compile(project, {})
    with monkeypatch.context() as patch, _terminal(patch) as sent:
        _slow(patch)
        run_stage("tiny-train", project.root)
    frames = FRAME.findall(re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", sent.decode()))
    losses = [loss for _, loss in _plots(project)["loss"]]
    assert {int(steps) for _, steps, _, _ in frames} == {len(losses)}
    shown = {int(step): (left, loss) for step, _, left, loss in frames}
    assert len(shown) > 1
    for step, (left, loss) in shown.items():
        assert loss == f"{losses[step - 1]:.3f}"
        assert (left == "0:00:00") is (step == len(losses))
    run_stage("tiny-train", project.root)
    monkeypatch.setenv("BERTSPEC_QUIET", "1")
    with _terminal(monkeypatch) as sent:
        run_stage("tiny-train", project.root)
    assert not sent
    assert capfd.readouterr() == ("", "")


def test_settings_of_an_experiment_are_checked_as_those_of_a_spec(project: Project) -> None:
    _compile(project, {"checkpoint_seconds": 5})
    params = project.root / "params.yaml"
    text = params.read_text()
    assert text.count("checkpoint_seconds: 5.0") == 1
    params.write_text(text.replace("checkpoint_seconds: 5.0", "checkpoint_seconds: 0"))
    with pytest.raises(InputError, match="checkpoint_seconds") as caught:
        run_stage("tiny-train", project.root)
    assert caught.value.diagnostics[0].code == "E203"
