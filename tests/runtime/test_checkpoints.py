"""An interrupted training goes on from its checkpoint, and ends as if it had never stopped."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bertspec.core.manifest import digest_files
from bertspec.pipeline.kinds import STAGE_KINDS
from bertspec.pipeline.layout import CURVES
from bertspec.runtime import train
from bertspec.runtime.hardware import hardware_class
from bertspec.runtime.stage import run_stage
from bertspec.runtime.training.checkpoints import Checkpoints, Progress, Weights
from tests.projects import SPEC, Project, rows
from tests.stages import run_kinds

EPOCHS = 4
TRAINED = "models/tiny/trained"


def _project(root: Path, **training: Any) -> Project:
    """With dropout, a metric that chooses the epoch, batches of which the last is smaller, and a
    checkpoint after every step.
    """
    project = Project.create(root)
    spec = json.loads(json.dumps(SPEC))
    spec["training"] |= {"epochs": EPOCHS, "metric_for_best_model": "f1"} | training
    spec["training"]["execution"] = {"checkpoint_seconds": 1e-9}
    project.write_spec(spec)
    project.compile()
    return project


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str], int]:
    """A project that is built up to train, what train makes, and how many steps it takes."""
    project = _project(tmp_path_factory.mktemp("started") / "project")
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    curve = (project.root / "models/tiny/curves/loss.csv").read_text().splitlines()
    return project, digest_files(project.root / "models/tiny"), len(curve) - 1


def _train_until(project: Project, step: int, patch: pytest.MonkeyPatch) -> None:
    """Train, with Ctrl-C in this step, counted from 1 in this run."""
    real, taken = torch.optim.AdamW.step, 0

    def interrupted(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == step:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    with patch.context() as inner:
        inner.setattr(torch.optim.AdamW, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_stage("tiny-train", project.root)


PLACES = ("first", "second", "middle", "epoch", "after epoch", "last")


@pytest.mark.parametrize(
    ("place", "precision"), [*((place, "fp32") for place in PLACES), ("middle", "bf16")]
)
def test_it_ends_with_the_same_bits(
    started: tuple[Project, dict[str, str], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    precision: str,
) -> None:
    project, expected, steps = started
    if precision == "bf16":
        project, in_fp32 = Project(tmp_path / "bf16"), expected
        shutil.copytree(started[0].root, project.root)
        spec = json.loads((project.root / "specs/tiny.json").read_text())
        spec["training"]["precision"] = "bf16"
        project.write_spec(spec)
        project.compile()
        run_stage("tiny-train", project.root)
        expected = digest_files(project.root / "models/tiny")
        assert expected != in_fp32
    epoch = steps // EPOCHS
    step = {
        "first": 1, "second": 2, "middle": epoch + epoch // 2, "epoch": epoch,
        "after epoch": epoch + 1, "last": steps,
    }[place]  # fmt: skip
    _train_until(project, step, monkeypatch)
    assert digest_files(project.root / "models/tiny") == expected, "the old model is still there"
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny") == expected
    assert not (project.root / ".bertspec/checkpoints/tiny-train").exists()


def test_only_what_is_left_is_done_and_it_may_stop_again(
    started: tuple[Project, dict[str, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, expected, steps = started
    _train_until(project, steps - 5, monkeypatch)
    _train_until(project, 3, monkeypatch)
    taken: list[int] = []
    real = torch.optim.AdamW.step

    def counted(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        taken.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", counted)
    run_stage("tiny-train", project.root)
    assert len(taken) == 4
    assert digest_files(project.root / "models/tiny") == expected


def test_whoever_waits_sees_all_curves_as_far_as_the_last_measurement(
    started: tuple[Project, dict[str, str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, expected, steps = started
    work, epoch = project.root / ".bertspec/work/tiny-train", steps // EPOCHS
    seen: list[dict[str, str]] = []
    real = torch.optim.AdamW.step

    def looking(self: torch.optim.AdamW, *args: Any, **kwargs: Any) -> Any:
        files = (work / name / f"{name}.csv" for name in CURVES)
        seen.append({file.stem: file.read_text() for file in files if file.exists()})
        return real(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", looking)
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny") == expected
    for name in CURVES:
        whole = (project.root / f"models/tiny/curves/{name}.csv").read_text()
        rows = 1 if name == "validation" else epoch
        for step, texts in enumerate(seen):
            measured = step // epoch
            text = texts.get(name, "")
            assert whole.startswith(text)
            assert len(text.splitlines()) == (1 + rows * measured if measured else 0)


def test_early_stopping_goes_on_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path / "p", early_stopping={"patience": 2, "threshold": 0.5}, epochs=9)
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    expected = digest_files(project.root / "models/tiny")
    validation = (project.root / "models/tiny/curves/validation.csv").read_text().splitlines()
    assert len(validation) - 1 < 9, "it stops early"
    steps = len((project.root / "models/tiny/curves/loss.csv").read_text().splitlines()) - 1
    _train_until(project, steps, monkeypatch)
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny") == expected


@pytest.mark.parametrize(
    "options", [{}, {"freeze": 1}, {"lora": {"rank": 2, "dropout": 0.1}}], ids=str
)
def test_averaged_weights_in_steps_of_several_parts_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Stopped in the first epoch, and before the last step, which is in the middle of an epoch."""
    project = _project(
        tmp_path / "p", ema=0.9, layer_decay=0.8, max_steps=20,
        batch={"examples": 8, "accumulate": 3}, schedule={"type": "cosine", "warmup_steps": 3},
        **options,
    )  # fmt: skip
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize", "train")
    expected = digest_files(project.root / "models/tiny")
    curve = (project.root / "models/tiny/curves/loss.csv").read_text().splitlines()
    assert len(curve) - 1 == 20
    _train_until(project, 3, monkeypatch)
    _train_until(project, 18, monkeypatch)
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / "models/tiny") == expected


def test_another_training_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path / "p")
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")
    _train_until(project, 6, monkeypatch)
    (old,) = (project.root / ".bertspec/checkpoints/tiny-train").iterdir()
    spec = json.loads((project.root / "specs/tiny.json").read_text())
    spec["training"]["learning_rate"] = 0.001
    project.write_spec(spec)
    project.compile()
    _train_until(project, 2, monkeypatch)
    (new,) = (project.root / ".bertspec/checkpoints/tiny-train").iterdir()
    assert new.name != old.name, "one file, however often the spec changes"
    run_stage("tiny-train", project.root)
    expected = digest_files(project.root / TRAINED)
    run_stage("tiny-train", project.root)
    assert digest_files(project.root / TRAINED) == expected


def _one_row_is_another(project: Project, _: pytest.MonkeyPatch) -> None:
    project.write_rows([*rows()[:-1], ("one more film, and a poor cast", "good")])
    run_kinds(project, "fetch", "prepare", "contract", "base", "tokenize")


def _train_has_another_version(project: Project, patch: pytest.MonkeyPatch) -> None:
    kind = STAGE_KINDS["train"]
    patch.setitem(STAGE_KINDS, "train", replace(kind, version=kind.version + 1))
    project.compile()


def _another_class_of_machine(_: Project, patch: pytest.MonkeyPatch) -> None:
    other = hardware_class("cpu").model_copy(update={"isa": "avx1024"})
    patch.setattr(train, "hardware_class", lambda _: other)


def _the_same(_: Project, __: pytest.MonkeyPatch) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "goes_on"),
    [(_the_same, True), (_one_row_is_another, False), (_train_has_another_version, False),
     (_another_class_of_machine, False)],
)  # fmt: skip
def test_what_the_result_depends_on_is_in_the_key(
    started: tuple[Project, dict[str, str], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Project, pytest.MonkeyPatch], None],
    goes_on: bool,
) -> None:
    project = Project(Path(shutil.copytree(started[0].root, tmp_path / "p")))
    _train_until(project, 6, monkeypatch)
    (old,) = (project.root / ".bertspec/checkpoints/tiny-train").iterdir()
    change(project, monkeypatch)
    _train_until(project, 2, monkeypatch)
    (new,) = (project.root / ".bertspec/checkpoints/tiny-train").iterdir()
    assert (new.name == old.name) is goes_on
    with safe_open(new, framework="pt") as file:
        (done,) = file.get_slice("curves.loss").get_shape()
    assert done == (6 if goes_on else 1)


@pytest.fixture(scope="module")
def checkpoint(started: tuple[Project, dict[str, str], int]) -> tuple[Path, bytes]:
    """That of step 5: its place, and what it holds."""
    with pytest.MonkeyPatch.context() as patch:
        _train_until(started[0], 6, patch)
    (file,) = (started[0].root / ".bertspec/checkpoints/tiny-train").iterdir()
    return file, file.read_bytes()


def _truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:500])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _foreign(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 20)


def _rewritten(
    file: Path, change: Callable[[Weights], Weights] = lambda all_: all_, **metadata: str | None
) -> None:
    """With changed tensors; metadata that is None is gone."""
    with safe_open(file, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        told = opened.metadata() | metadata
    told = {name: text for name, text in told.items() if text is not None}
    save_file(change(tensors), file, told)


def _no_optimizer(file: Path) -> None:
    _rewritten(file, lambda all_: {n: all_[n] for n in all_ if not n.startswith("optimizer.")})


def _one_more_in_the_optimizer(file: Path) -> None:
    _rewritten(file, lambda all_: all_ | {"optimizer.1.more": torch.zeros(2)})


def _flipped_byte(file: Path) -> None:
    """The lowest bit of one weight: all that is read has the right shapes."""
    data = bytearray(file.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    place = json.loads(data[8:start])["model.classifier.weight"]["data_offsets"][0]
    data[start + place] ^= 1
    file.write_bytes(data)


def _other_key(file: Path) -> None:
    _rewritten(file, key="0" * 64)


def _no_metadata(file: Path) -> None:
    _rewritten(file, key=None, progress=None)


def _broken_progress(file: Path) -> None:
    _rewritten(file, progress='{"epoch": ')


def _other_progress(file: Path) -> None:
    _rewritten(file, progress='{"curves": {"found": []}}')


def _other_loss(file: Path) -> None:
    _rewritten(file, lambda all_: all_ | {"curves.loss": all_["curves.loss"] + 1})


def _other_score(file: Path) -> None:
    with safe_open(file, framework="pt") as opened:
        told = json.loads(opened.metadata()["progress"])
    _rewritten(file, progress=json.dumps(told | {"score": 0.5}))


def _no_curves(file: Path) -> None:
    _rewritten(file, lambda all_: {n: all_[n] for n in all_ if not n.startswith("curves.")})


def _other_weights(file: Path) -> None:
    _rewritten(file, lambda _: {"model.classifier.weight": torch.zeros(2, 2)})


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "damage",
    [_truncated, _half, _empty, _foreign, _other_key, _no_metadata, _broken_progress,
     _other_progress, _other_loss, _other_score, _no_curves, _other_weights, _flipped_byte,
     _no_optimizer, _one_more_in_the_optimizer],
)  # fmt: skip
def test_a_damaged_checkpoint_is_told_of_and_not_used(
    started: tuple[Project, dict[str, str], int],
    checkpoint: tuple[Path, bytes],
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
) -> None:
    project, expected, _ = started
    file, content = checkpoint
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    damage(file)
    run_stage("tiny-train", project.root)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("the checkpoint is damaged, training begins anew: ")
    assert digest_files(project.root / "models/tiny") == expected


def test_what_is_no_checkpoint_is_removed(
    started: tuple[Project, dict[str, str], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project, expected, _ = started
    _train_until(project, 6, monkeypatch)
    (file,) = (project.root / ".bertspec/checkpoints/tiny-train").iterdir()
    _folder(file)
    file.with_suffix(".new").write_bytes(b"half")
    run_stage("tiny-train", project.root)
    assert not capsys.readouterr().err
    assert digest_files(project.root / "models/tiny") == expected


def test_a_checkpoint_of_a_model_of_other_shapes_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another version of the code could have written, under the same key."""
    model, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)
    optimizer, progress = torch.optim.AdamW(other.parameters()), Progress(epoch=1)
    before = other.weight.clone()
    Checkpoints(tmp_path, "key", 0).save_if_due(model, optimizer, progress, None)  # type: ignore[arg-type]
    found = Checkpoints(tmp_path, "key", 0).resume(other, optimizer, None, 9)  # type: ignore[arg-type]
    assert found == (Progress(), None)
    assert "begins anew: its model weights are not of this model" in capsys.readouterr().err
    assert torch.equal(other.weight, before)


def test_of_a_million_steps_all_is_kept_and_the_header_stays_small(tmp_path: Path) -> None:
    """A library reads no header of more than 100 MB, and a step is written about here."""
    model = torch.nn.Linear(2, 2)
    optimizer, progress = torch.optim.AdamW(model.parameters()), Progress(epoch=2, score=0.1)
    for step in range(1_000_000):
        progress.add(1 / (step + 3), 1e-5 * step / 7)
        if step == 700_000:
            progress.end_epoch()
    progress.curves.validation.append({"epoch": 1, "train_loss": 1 / 3, "validation_loss": 0.7})
    started = time.monotonic()
    Checkpoints(tmp_path, "key", 0).save_if_due(model, optimizer, progress, None)  # type: ignore[arg-type]
    found, _ = Checkpoints(tmp_path, "key", 0).resume(model, optimizer, None, 2_000_000)  # type: ignore[arg-type]
    assert time.monotonic() - started < 3
    assert found == progress
    assert (found.epoch, found.step, len(found.losses)) == (3, 1_000_000, 299_999)
    with (tmp_path / "key.safetensors").open("rb") as file:
        assert int.from_bytes(file.read(8), "little") < 10_000


def test_a_checkpoint_that_cannot_be_written_stops_no_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    found = Checkpoints(tmp_path / "checkpoints", "key", 0)
    (tmp_path / "checkpoints/key.new").mkdir()
    found.save_if_due(model, optimizer, Progress(), None)  # type: ignore[arg-type]
    assert "no checkpoint, training goes on: " in capsys.readouterr().err
    found.save_if_due(model, optimizer, Progress(), None)  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["key.safetensors"]
