"""`bertspec predict` of files, as tests run it."""

import json
from pathlib import Path
from typing import Any

from tests.projects import Project


def predict(built: Project, source: str, output: str, *more: str, code: int = 0) -> str:
    arguments = ("predict", "tiny", "--input", source, "--output", output, *more)
    return built.bertspec(*arguments, code=code)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
