"""The HTTP API: /predict, /health, /metrics, the page at /, and OpenAPI at /docs."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, create_model
from starlette.exceptions import HTTPException

from bertspec import __version__
from bertspec.core.errors import BertspecError, reason
from bertspec.runtime.predict import Predictor
from bertspec.runtime.serving.answering import failed
from bertspec.runtime.serving.batching import Batcher, EndedError, Outcome, QueueFullError
from bertspec.runtime.serving.guard import MEASURED, Guard
from bertspec.runtime.serving.limits import Limits
from bertspec.runtime.serving.metrics import Metrics
from bertspec.runtime.serving.page import read_page
from bertspec.runtime.serving.problems import (
    Problem,
    Problems,
    Wanted,
    problems_of,
    refusal,
    unreadable,
)

_RETRY_SECONDS = 1
"""After how long a client that was refused is to try again."""

_STATUS_CODES = {400: "E453", 413: "E454"}
"""Codes of what FastAPI and the guard refuse."""


def make_app(
    name: str, predictor: Predictor, batcher: Batcher, metrics: Metrics, limits: Limits
) -> FastAPI:
    """The application; `batcher` is to run while it is used."""
    app = FastAPIOffline(
        title=name, summary=f"A model for {predictor.task.type}.", version=__version__,
        redoc_url=None,
    )  # fmt: skip
    app.add_middleware(Guard, batcher=batcher, metrics=metrics, limits=limits)
    kinds = {field: predictor.task.column_kind(field) for field in predictor.fields}
    _handle_errors(app, metrics, Wanted(kinds, limits.max_queue))
    page, policy = read_page()

    async def predict(request: Request, body: Any) -> Response:
        """Answer one input with an object, or a list of inputs with a list, in their order.

        What is wrong with any input is told, and none is answered then.
        """
        inputs: list[BaseModel] = body if isinstance(body, list) else [body]
        try:
            futures = batcher.submit([value.model_dump() for value in inputs])
            outcomes = await _outcomes(request, batcher, futures)
        except QueueFullError:
            full = Problem(
                code="E455",
                message=f"{limits.max_queue} inputs wait at most",
                help=f"try again in {_RETRY_SECONDS} s, or with fewer inputs",
            )
            return refusal(metrics, request, 503, [full], {"Retry-After": str(_RETRY_SECONDS)})
        except EndedError:
            return refusal(metrics, request, 500, [Problem.of(failed())])
        if outcomes is None:
            return Response()  # to nobody
        problems = [
            Problem.of(outcome, number if isinstance(body, list) else None)
            for number, outcome in enumerate(outcomes)
            if isinstance(outcome, BertspecError)
        ]
        if problems:
            is_input = all(problem.code == "E453" for problem in problems)
            return refusal(metrics, request, 422 if is_input else 500, problems)
        return JSONResponse(outcomes if isinstance(body, list) else outcomes[0])

    # The type is made at run time, which an annotation in the source cannot say.
    predict.__annotations__["body"] = _body(kinds, limits.max_queue)
    told: dict[int | str, dict[str, Any]] = {
        status: {"model": Problems} for status in (400, 408, 413, 422, 500, 503)
    }
    answers = dict[str, Any] | list[dict[str, Any]]
    app.post(MEASURED, response_model=answers, responses=told)(predict)

    @app.head("/health", include_in_schema=False)
    @app.get("/health")
    async def health() -> dict[str, Any]:
        """What is served. It answers while the server takes requests."""
        return {"status": "ok", "model": name, "task": predictor.task.type, "fields": kinds}

    @app.get("/metrics", response_class=Response)
    async def numbers() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def root() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    return app


async def _outcomes(
    request: Request, batcher: Batcher, futures: "Sequence[Future[Outcome]]"
) -> list[Outcome] | None:
    """What becomes of inputs. None where the client has gone, for whom no more are predicted."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        batcher.cancel(futures)

    watching = asyncio.create_task(watch())
    try:
        return await asyncio.gather(*map(asyncio.wrap_future, futures))
    except asyncio.CancelledError:
        if watching.done() and not watching.cancelled():
            return None
        raise
    finally:
        watching.cancel()


def _body(kinds: Mapping[str, str], most: int) -> Any:
    """What /predict takes: an input with the fields of the bundle, or a list of such."""
    columns: dict[str, Any] = {
        name: (list[str] if kind == "list" else str, ...) for name, kind in kinds.items()
    }
    config = ConfigDict(extra="forbid", strict=True)
    one = create_model("Input", __config__=config, **columns)
    several = Annotated[list[one], Field(max_length=most)]
    tag = Discriminator(lambda value: "list" if isinstance(value, list) else "one")
    return Annotated[Annotated[one, Tag("one")] | Annotated[several, Tag("list")], tag]


def _handle_errors(app: FastAPI, metrics: Metrics, wanted: Wanted) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return refusal(metrics, request, 422, problems_of(error, wanted))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        problem = Problem(code=_STATUS_CODES.get(status), message=str(error.detail))
        if error.__cause__ is not None:  # FastAPI tells of it that there is an error
            problem = unreadable(reason(error.__cause__), wanted)
        return refusal(metrics, request, status, [problem], error.headers)

    @app.exception_handler(Exception)
    async def defect(request: Request, _: Exception) -> JSONResponse:
        return refusal(metrics, request, 500, [Problem.of(failed())])
