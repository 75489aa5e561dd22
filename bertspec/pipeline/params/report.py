"""What report reads: nothing but the artifacts, whose manifests say what they were made with."""

from bertspec.core.model import Model


class ReportParams(Model):
    """Params of a report stage."""
