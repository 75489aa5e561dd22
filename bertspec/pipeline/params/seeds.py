"""What seeds reads, beside the metrics of the models of all seeds."""

from bertspec.core.model import Model


class SeedsParams(Model):
    """Params of a seeds stage."""

    seed: int
    """That of the spec's own model."""
