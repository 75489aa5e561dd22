"""The pages, by their paths. Each is made by the server, whole: there is no script."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from bertspec.core.diagnostics import Diagnostic
from bertspec.core.errors import BertspecError
from bertspec.core.names import did_you_mean
from bertspec.planning.memory import nothing_written
from bertspec.ui.comparing import Comparing, changes_of
from bertspec.ui.guard import METHODS, Guard
from bertspec.ui.history import History
from bertspec.ui.measures import Table, charts_of, metrics_in, splits_in, table_of
from bertspec.ui.pages import ICON, STYLE, Pages
from bertspec.ui.pipeline import picture
from bertspec.ui.project import ProjectHere, SpecHere, read_project_here
from bertspec.ui.usable import usable_specs

_LAST = 30
"""Commits of a history that are shown, unless more are asked for."""

_MOST = 500


def make_app(root: Path, folder: Path | None = None) -> Guard:
    """The pages over the project at `root`; what they need for a while lies in `folder`."""
    app = FastAPI(openapi_url=None)  # and so without pages that load scripts of others
    _Routes(root, folder).add_to(app)
    return Guard(app)


class _Routes:
    def __init__(self, root: Path, folder: Path | None) -> None:
        self._root = root
        self._history = History(root)
        self._comparing = Comparing(root, folder)
        self._pages = Pages(root, self._history)
        self._memory: dict[str, Any] = {}
        self._one_at_a_time = Lock()
        """Two that plan at once would read every file twice."""

    def add_to(self, app: FastAPI) -> None:
        """Functions that are not `async` run in threads, so that a slow page holds no other up."""
        page = partial(app.api_route, methods=list(METHODS), response_class=HTMLResponse)
        page("/")(self.specs)
        page("/pipeline")(self.pipeline)
        page("/specs/{name}")(self.spec)
        page("/specs/{name}/history")(self.history)
        page("/compare")(self.compare)
        page("/style.css")(lambda: Response(STYLE, media_type="text/css"))
        page("/icon.svg")(lambda: Response(ICON, media_type="image/svg+xml"))
        app.exception_handler(HTTPException)(self.refused)
        app.exception_handler(RequestValidationError)(self.invalid)
        app.exception_handler(BertspecError)(self.failed)
        app.exception_handler(OSError)(self.failed)
        app.exception_handler(Exception)(self.failed)

    def specs(self) -> HTMLResponse:
        """All specs."""
        project = self._project()
        tables = {spec.name: self._metrics(spec) for spec in project.specs}
        return self._pages.page("specs", project=project, tables=tables)

    def pipeline(self) -> HTMLResponse:
        """The stages of all specs as one picture; each leads to the page of a spec."""
        project = self._project()
        pages = {stage: f"/specs/{quote(spec)}" for stage, spec in project.specs_of().items()}
        return self._pages.page(
            "pipeline", project=project, picture=picture(project.stages), pages=pages
        )

    def spec(self, name: str) -> HTMLResponse:
        """One spec: its metrics, its pipeline as a picture, and each stage of it."""
        project = self._project()
        spec = project.spec(name)
        if spec is None:
            return self._unknown(name, project)
        return self._pages.page(
            "spec",
            spec=spec,
            project=project,
            table=self._metrics(spec),
            picture=picture(spec.stages),
            origins={stage.entry.name: project.origin(stage) for stage in spec.stages},
        )

    def history(
        self,
        name: str,
        last: Annotated[int, Query(ge=1, le=_MOST)] = _LAST,
        split: str | None = None,
    ) -> HTMLResponse:
        """Metrics of one spec over the commits of git."""
        loaded = {each.spec.name: each for each in usable_specs(self._root).specs}
        if name not in loaded:
            return self._unknown(name, self._project())
        headline = loaded[name].spec.task.headline
        measured = self._history.of(name, last)
        known = [each.numbers for each in measured if each.numbers]
        splits = splits_in(known)
        return self._pages.page(
            "history",
            name=name,
            measured=measured,
            charts=charts_of(measured, headline),
            metrics=metrics_in(known, headline),
            splits=splits,
            split=split if split in splits else next(iter(splits), None),
            last=last,
        )

    def compare(self, a: str = "HEAD", b: str = "", spec: str = "") -> HTMLResponse:
        """Two revisions, of which an empty one is what is here; of all specs, or of one."""
        found = None
        problems: Sequence[Diagnostic] = ()
        try:
            with nullcontext() if a and b else self._planning():
                found = self._comparing.of(a, b, spec or None)
        except BertspecError as error:
            problems = error.diagnostics
        return self._pages.page(
            "compare",
            400 if problems else 200,
            found=found,
            changes={each.names: changes_of(each, found.titles) for each in found.specs}
            if found
            else {},
            problems=problems,
            refs=self._history.refs(),
            names=[each.spec.name for each in usable_specs(self._root).specs],
            a=a,
            b=b,
            spec=spec,
        )

    def refused(self, request: Request, error: HTTPException) -> HTMLResponse:
        """Such as a path that is none of these."""
        found = Diagnostic("E466", f"there is no page {request.url.path}", "begin at /")
        return self._pages.problems(error.status_code, str(error.detail), [found])

    def invalid(self, request: Request, error: RequestValidationError) -> HTMLResponse:
        """A parameter of an address that is not what it can be."""
        found = [
            Diagnostic("E466", f"`{each['loc'][-1]}`: {each['msg']}") for each in error.errors()
        ]
        return self._pages.problems(400, "This address is wrong", found)

    def failed(self, request: Request, error: Exception) -> HTMLResponse:
        """What no page expects; the server tells the terminal more of it."""
        if isinstance(error, BertspecError):
            return self._pages.problems(400, "This cannot be shown", error.diagnostics)
        if isinstance(error, OSError):
            found = Diagnostic("E503", f"{error.strerror or error} ({error.filename})")
        else:
            said = f"{type(error).__name__}: {error}"
            found = Diagnostic("E901", said, "this is a defect; the terminal shows where")
        return self._pages.problems(500, "This page cannot be made", [found])

    def _unknown(self, name: str, project: ProjectHere) -> HTMLResponse:
        known = [spec.name for spec in project.specs]
        found = Diagnostic(
            "E204", f"there is no valid spec `{name}`", did_you_mean(name, known) if known else ""
        )
        return self._pages.problems(404, "No such spec", [found])

    def _metrics(self, spec: SpecHere) -> Table | None:
        numbers = self._history.here(spec.name)
        return table_of(numbers, spec.loaded.spec.task.headline) if numbers else None

    def _project(self) -> ProjectHere:
        with self._planning():
            return read_project_here(self._root)

    @contextmanager
    def _planning(self) -> Iterator[None]:
        """Digests of files are remembered here, and not in the project."""
        with self._one_at_a_time, nothing_written(self._root, self._memory):
            yield
