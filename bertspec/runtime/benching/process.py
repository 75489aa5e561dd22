"""The process of one format, as the one that started it sees it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from bertspec.core.errors import EnvironmentFault
from bertspec.runtime.benching.formats import Format
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.child import Child, told

_WORKER = "bertspec.runtime.benching.worker"


class Process:
    """It ends with the block, and with this process, whatever it is doing."""

    def __init__(
        self, format: Format, task: Mapping[str, Any], vocabulary: Vocabulary, threads: int,
        log: Path,
    ) -> None:  # fmt: skip
        self._name = format.name
        about = {"name": format.name, "kind": format.kind, "path": str(format.path)}
        job = {**about, "task": task, "threads": threads, "vocabulary": asdict(vocabulary)}
        self._child = Child(_WORKER, log, job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    def loaded(self) -> dict[str, Any]:
        """`load`, the seconds that it took; or `missing`, the package that it needs.

        Raises the error that it had.
        """
        return self._hear()

    def take(self, batch: int, tokens: int, seconds: float) -> dict[str, Any]:
        """A turn: `times` of runs, in seconds, and `peak`, of memory in bytes."""
        self._child.tell({"batch": batch, "tokens": tokens, "seconds": seconds})
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        line = self._child.hear()
        if not line:
            raise EnvironmentFault.of(
                "E479",
                f"the process of {self._name} has ended with {self._child.how()}",
                "if memory was short, lower --batch or --tokens, and run it again",
            )
        found: dict[str, Any] = json.loads(line)
        if "diagnostics" in found:
            raise told(line)
        return found
