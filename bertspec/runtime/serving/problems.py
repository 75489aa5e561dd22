"""Errors as clients get them: JSON with the code, what is wrong, and what to do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from bertspec.core.errors import BertspecError
from bertspec.core.terminal import printable
from bertspec.runtime.serving.guard import LEFT, MEASURED
from bertspec.runtime.serving.metrics import Metrics

_SHOWN = 20
"""Errors of a request that are told; a body can hold a hundred thousand."""

_INSIDE = 2
"""Where pydantic's path goes on behind `body` and the tag: a list's item, or a field."""


class Problem(BaseModel):
    """One thing that is wrong."""

    code: str | None = Field(description="As `bertspec explain-code` takes it.")
    message: str
    help: str = ""
    input: int | None = Field(default=None, description="Which of the inputs, from 0.")

    @classmethod
    def of(cls, error: BertspecError, number: int | None = None) -> "Problem":
        first = error.diagnostics[0]
        return cls(code=first.code, message=first.message, help=first.help, input=number)


class Problems(BaseModel):
    """The body of every response that is no answer."""

    errors: list[Problem]


def refusal(
    metrics: Metrics,
    request: Request,
    status: int,
    problems: Sequence[Problem],
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response that tells of them; they are counted where there is somebody to be told."""
    if request.scope["path"] == MEASURED and LEFT not in request.scope["state"]:
        for problem in problems:
            metrics.errors.labels(problem.code or str(status)).inc()
    body = Problems(errors=list(problems[:_SHOWN])).model_dump()
    return JSONResponse(body, status, dict(headers or {}))


@dataclass(frozen=True)
class Wanted:
    """What a body is to be, as clients are told."""

    kinds: Mapping[str, str]
    """Field of the model -> `text` or `list`."""
    most: int
    """Inputs of one list."""

    def fields(self) -> str:
        return f"the model takes {' and '.join(f'`{name}`' for name in self.kinds)}"

    def body(self) -> str:
        one = {name: ["..."] if kind == "list" else "..." for name, kind in self.kinds.items()}
        return (
            f"{self.fields()}: send an object such as {json.dumps(one)}, or a list of them, "
            "with `Content-Type: application/json`"
        )


def unreadable(why: str, wanted: Wanted) -> Problem:
    """Of a body that cannot be parsed."""
    return Problem(code="E453", message=f"the body is not JSON: {why}", help=wanted.body())


def problems_of(error: RequestValidationError, wanted: Wanted) -> list[Problem]:
    """What pydantic found in a body."""
    return [_problem(found, wanted) for found in error.errors()[:_SHOWN]]


def _problem(found: Mapping[str, Any], wanted: Wanted) -> Problem:
    if found["type"] == "json_invalid":
        return unreadable(found["ctx"]["error"], wanted)
    path = found["loc"][_INSIDE:]
    number = path[0] if path and isinstance(path[0], int) else None
    names = path if number is None else path[1:]
    message = found["msg"][:1].lower() + found["msg"][1:]
    advice = wanted.body()
    if names:
        # A name may have half a surrogate pair, which no response can hold.
        message = f"`{printable('.'.join(map(str, names)))}`: {message}"
        advice = wanted.fields()
    elif found["type"] == "too_long":
        advice = f"send {wanted.most} at once, which is --max-queue of the server"
    return Problem(code="E453", message=message, help=advice, input=number)
