"""Which other specs a spec names, because it needs their trained models."""

from collections.abc import Mapping

from bertspec.spec.sections import Spec

BASE = ("model", "base", "name")
TEACHER = ("training", "distillation", "teacher", "name")


def needed_specs(spec: Spec) -> Mapping[tuple[str, ...], str]:
    """Names of specs by where `spec` has them: BASE, TEACHER, both or none."""
    found: dict[tuple[str, ...], str] = {}
    base = spec.model.base
    if base.type == "spec":
        from bertspec.catalog.bases.spec import SpecBase

        assert isinstance(base, SpecBase)  # noqa: S101 - for mypy
        found[BASE] = base.name
    if distillation := spec.training.distillation:
        found[TEACHER] = distillation.teacher.name
    return found
