"""Whatever is in a spec, it is read or refused: with messages, and never with a traceback.

`make test` tries EXAMPLES of each kind of broken specs, `make fuzz` ten thousand.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bertspec.compiler.checks import load_checked
from bertspec.compiler.emit import emit_dvc, emit_params
from bertspec.compiler.lower import lower, packages_used
from bertspec.core.diagnostics import Severity, render
from bertspec.core.digest import digest
from bertspec.core.errors import InputError
from bertspec.core.explanations import known_codes
from bertspec.core.yaml import dump, load_plain
from bertspec.pipeline.lock import Lock
from bertspec.spec.load import load
from bertspec.spec.sections import Spec
from tests.projects import Project
from tests.spec.mutations import CHANGES, SEEDS, changed, mangled, mutated

EXAMPLES = 200
"""Of each kind, where the profile of hypothesis asks for no more."""

broken = settings(
    max_examples=max(EXAMPLES, settings().max_examples),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
CODES = frozenset(known_codes())
SUFFIX = st.sampled_from([".yaml", ".json"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Project.create(tmp_path_factory.mktemp("fuzz") / "project").root


def _write(root: Path, content: bytes, suffix: str) -> None:
    for file in (root / "specs").iterdir():
        file.unlink()
    (root / "specs" / f"tiny{suffix}").write_bytes(content)


def _text(value: Any, suffix: str) -> bytes:
    text = dump(value) if suffix == ".yaml" else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _is_read_or_refused(root: Path) -> None:
    loaded = load_checked([Path("specs")], root)
    for fmt in ("text", "json", "github"):
        assert "Traceback" not in render(loaded.diagnostics, fmt)
    for told in loaded.diagnostics:
        assert told.code in CODES
        assert told.message
        assert told.position is None or told.position.file.startswith("specs")
    if any(d.severity is Severity.ERROR for d in loaded.diagnostics):
        return
    versions = dict.fromkeys(packages_used(loaded.specs), "1.0")
    try:
        pipeline = lower(loaded.specs, Lock(threads=2, packages=versions))
    except InputError as error:
        found = {d.code for d in error.diagnostics}
    else:
        found = set()
        for text in (emit_dvc(pipeline, None), emit_params(pipeline, None)):
            assert isinstance(load_plain(text), dict)
    assert found <= {"E215"}, "all that this lock has not"


@broken
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), SUFFIX)
def test_a_spec_with_other_values_is_read_or_refused(
    root: Path, spec: dict[str, Any], seed: int, suffix: str
) -> None:
    _write(root, _text(mutated(spec, Random(seed)), suffix), suffix)  # noqa: S311
    _is_read_or_refused(root)


@broken
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), SUFFIX)
def test_a_file_with_other_bytes_is_read_or_refused(
    root: Path, spec: dict[str, Any], seed: int, suffix: str
) -> None:
    _write(root, mangled(_text(spec, suffix), Random(seed)), suffix)  # noqa: S311
    _is_read_or_refused(root)


@broken
@given(st.lists(st.sampled_from(CHANGES), max_size=4), SUFFIX)
def test_a_valid_spec_that_is_written_and_read_again_is_the_same(
    root: Path, changes: list[tuple[str, Any]], suffix: str
) -> None:
    try:
        spec = Spec.model_validate(changed(*changes))
    except ValidationError:
        assume(condition=False)
        return
    values = spec.model_dump(mode="json")
    _write(root, _text(values, suffix), suffix)
    (again,) = load([Path("specs")], root).specs
    assert again.spec == spec
    assert digest(again.spec.model_dump(mode="json")) == digest(values)
