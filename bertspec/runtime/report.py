"""report: one self-contained HTML page of a model."""

from bertspec.pipeline.params.report import ReportParams
from bertspec.runtime.context import Context
from bertspec.runtime.reporting.content import content
from bertspec.runtime.reporting.page import render_page


def run(context: Context[ReportParams]) -> None:
    """Write report.html, which needs no other file and no network."""
    page = render_page("report.html", **content(context.inputs))
    context.outputs["report"].write_text(page, encoding="utf-8")
