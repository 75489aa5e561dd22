"""A lock of versions that need not be installed, for tests that run no stage."""

from pathlib import Path

from bertspec.compiler.lower import packages_used
from bertspec.pipeline.lock import Lock
from bertspec.spec.load import load
from tests.projects import Project


def made_up_lock(project: Project) -> Lock:
    """What all fields of the language may need, but for peft."""
    used = packages_used(load([Path("specs")], project.root).specs)
    return Lock(threads=1, packages=dict.fromkeys(sorted({*used, "tensorboard"}), "1.0"))


def compile_with_made_up_lock(project: Project) -> Project:
    (project.root / "bertspec.lock").write_text(made_up_lock(project).to_text())
    project.bertspec("compile")
    return project
