"""report: one self-contained HTML page of a model."""

from bertspec.pipeline.params.report import ReportParams
from bertspec.runtime.context import Context
from bertspec.runtime.reporting.content import content
from bertspec.runtime.reporting.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH


def run(context: Context[ReportParams]) -> None:
    """Write report.html, which needs no other file and no network."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bertspec.runtime", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    size = {
        "width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP,
        "bottom": BOTTOM,
    }  # fmt: skip
    page = environment.get_template("report.html").render(**content(context.inputs), size=size)
    context.outputs["report"].write_text(page, encoding="utf-8")
