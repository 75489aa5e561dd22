"""A tiny project on disk, and the commands a user runs in it."""

import json
import os
import subprocess
import sys
from contextlib import chdir
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from bertspec.cli import main
from bertspec.core.yaml import load_plain
from tests.preloaded import PROGRAMS

GOOD = ("a warm and funny film", "we loved every minute", "great cast and a sharp script")
BAD = ("a dull and clumsy film", "we hated every minute", "poor cast and a limp script")

SPEC: dict[str, Any] = {
    "bertspec": 1,
    "name": "tiny",
    "task": {"type": "text-classification", "labels": ["bad", "good"]},
    "data": {
        "name": "reviews",
        "source": {"type": "csv", "files": {"train": "data/reviews.csv"}},
        "columns": {"text": "review", "label": "verdict"},
        "split": {"type": "hash", "validation": 0.2, "test": 0.3},
    },
    "tokenization": {"max_length": 32},
    "model": {
        "base": {
            "type": "scratch",
            "config": {
                "model_type": "bert",
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
                "max_position_embeddings": 64,
            },
            "tokenizer": {"type": "wordpiece", "vocab_size": 200},
        }
    },
    "training": {"epochs": 10, "learning_rate": 0.003, "batch": {"examples": 8}},
    "evaluation": {"metrics": ["accuracy", "f1", "roc_auc"]},
    "export": [{"type": "onnx"}, {"type": "torchscript"}],
}


PRELOADED: ContextVar[Path | None] = ContextVar("preloaded", default=None)
"""Programs that `Project.run` finds first: see the fixture `preloaded`."""

_OF_THE_START = {"LC_ALL", "TZ", "PYTHONHASHSEED", "PYTHONPATH", "PYTHONIOENCODING"}
"""Variables that a process reads when it starts."""


def with_onnx(**changes: Any) -> dict[str, Any]:
    """The tiny spec with one export, which takes less time to build, and changed sections."""
    return {**json.loads(json.dumps(SPEC)), "export": [{"type": "onnx"}], **changes}


def rows(count: int = 120) -> list[tuple[str, str]]:
    """Reviews with a verdict, each text its own."""
    return [
        (f"{(GOOD if i % 2 else BAD)[i % 3]} number {i}", "good" if i % 2 else "bad")
        for i in range(count)
    ]


@dataclass(frozen=True)
class Project:
    """A project's folder. Commands run there as a user would run them."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Project":
        project = cls(root)
        (root / "specs").mkdir(parents=True)
        project.write_rows(rows())
        project.write_spec(SPEC)
        return project

    def write_rows(self, values: list[tuple[str, str]]) -> None:
        lines = ["review,verdict", *(f'"{text}",{label}' for text, label in values)]
        path = self.root / "data" / "reviews.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write_spec(self, spec: dict[str, Any], name: str = "tiny.json") -> None:
        text = json.dumps(spec, indent=2)
        (self.root / "specs" / name).write_text(text, encoding="utf-8")

    def run(
        self, *command: str, code: int | None = 0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment; `code` is the exit code it must end with."""
        quick = command[0] in PROGRAMS and not env.keys() & _OF_THE_START
        result = subprocess.run(
            command, cwd=self.root, env=os.environ | environment(quick) | env, capture_output=True,
            text=True, check=False, timeout=300,
        )  # fmt: skip
        return _expected(result, code)

    def start(self, *command: str, **env: str) -> "subprocess.Popen[str]":
        """Begin a program in a group of its own, so that signals reach all that it starts."""
        return subprocess.Popen(
            command, cwd=self.root, env=os.environ | environment() | env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def call(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run `bertspec` in this process, which saves the time that a new one takes to start."""
        with chdir(self.root), CliRunner().isolation(env=environment()) as (out, err, _):
            try:
                main([*arguments])
            except SystemExit as end:
                ended = int(end.code or 0)
            sys.stdout.flush()
            sys.stderr.flush()
        said = (out.getvalue().decode("utf-8"), err.getvalue().decode("utf-8"))
        result = subprocess.CompletedProcess(("bertspec", *arguments), ended, *said)
        return _expected(result, code)

    def bertspec(self, *arguments: str, code: int | None = 0, **env: str) -> str:
        """What `bertspec` says: in this process, or with `env` in one of its own."""
        if env:
            result = self.run("bertspec", *arguments, code=code, **env)
        else:
            result = self.call(*arguments, code=code)
        return result.stdout + result.stderr

    def compile(self) -> None:
        self.bertspec("lock", "--threads", "1")
        self.bertspec("compile")

    def stages(self) -> list[str]:
        """Names of the compiled stages, in the order of a build."""
        return list(load_plain((self.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"])

    def init_dvc(self) -> None:
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("dvc", "init", "--quiet")

    def commit(self, message: str = "change") -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)

    def metrics(self, name: str = "tiny") -> Any:
        return json.loads((self.root / "models" / name / "metrics.json").read_text())


def environment(quick: bool = False) -> dict[str, str]:
    """What programs find: those of this environment, and no settings of the user's git."""
    folders = [str(f) for f in (quick and PRELOADED.get(), Path(sys.executable).parent) if f]
    return {
        "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
    }  # fmt: skip


def _expected(
    result: subprocess.CompletedProcess[str], code: int | None
) -> subprocess.CompletedProcess[str]:
    """The result, when it ended with this code and no traceback."""
    shown = f"{' '.join(map(str, result.args))}\n{result.stdout}\n{result.stderr}"
    assert code is None or result.returncode == code, shown
    assert "Traceback" not in result.stderr, shown
    return result
