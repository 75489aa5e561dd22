"""A hub data set is the pinned one or an error: never another revision, a script, or a guess."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.server import HubServer, Trouble
from tests.projects import SPEC, Project
from tests.stages import raw_rows

CARD = """---
configs:
- config_name: default
  data_files: [{split: train, path: train.jsonl}, {split: dev, path: dev.jsonl}]
- config_name: other
  data_files: [{split: train, path: dev.jsonl}]
dataset_info:
- config_name: default
  features:
  - {name: review, dtype: string}
  - name: verdict
    dtype: {class_label: {names: {'0': bad, '1': good}}}
---
"""


def _lines(*labels: int) -> str:
    rows = ({"review": f"review {n}", "verdict": label} for n, label in enumerate(labels))
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HubServer]:
    files = {
        "films": {"README.md": CARD, "train.jsonl": _lines(0, 1, 1), "dev.jsonl": _lines(1, -1)},
        "script": {"script.py": "raise SystemExit('never to be run')"},
        "damaged": {"train.jsonl": '{"review": \n'},
        "empty": {"train.jsonl": ""},
        "nothing": {"README.md": "# no data"},
    }
    for name, content in files.items():
        folder = tmp_path / "hub/datasets/acme" / name
        folder.mkdir(parents=True)
        for file, text in content.items():
            (folder / file).write_text(text)
    with HubServer(tmp_path / "hub") as running:
        yield running


def _fetch(project: Project, server: HubServer, code: int = 0, **options: Any) -> str:
    """Compile and fetch a hub source; what the command prints. Upper-case options are variables."""
    variables = {name: value for name, value in options.items() if name.isupper()}
    spec: dict[str, Any] = json.loads(json.dumps(SPEC))
    spec["data"]["source"] = {"type": "hub", "id": "acme/films", "revision": server.commit} | {
        name: value for name, value in options.items() if not name.isupper()
    }
    if "test" in spec["data"]["source"].get("splits", {}):
        spec["data"]["split"] = {"type": "given"}
    project.write_spec(spec)
    if not (project.root / "bertspec.lock").exists():
        project.bertspec("lock", "--threads", "1")
    project.bertspec("compile")
    home = str(project.root / "hub-home")
    environment = {"HF_ENDPOINT": server.url, "HF_HOME": home} | variables
    return project.bertspec("stage", "reviews-fetch", code=code, **environment)


def test_class_indices_become_names_and_the_hubs_splits_ours(
    project: Project, server: HubServer
) -> None:
    assert _fetch(project, server, splits={"train": "train", "test": "dev"}) == ""
    assert [row["verdict"] for row in raw_rows(project, "train")] == ["bad", "good", "good"]
    # -1 is how the hub marks a row without a label.
    assert [row["verdict"] for row in raw_rows(project, "test")] == ["good", None]
    assert [(row["file"], row["row"]) for row in raw_rows(project, "test")] == [
        ("hub:acme/films/dev", 1),
        ("hub:acme/films/dev", 2),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"id": "acme/flims"}, ["E306", "acme/flims"]),
        ({"revision": "0" * 40}, ["E306", "0" * 40]),
        ({"config": "othr"}, ["E306", "othr", "default", "other"]),
        ({"splits": {"train": "trian"}}, ["E307", "trian", "did you mean `train`?"]),
        ({"id": "acme/script"}, ["E306", "script.py"]),
        ({"id": "acme/damaged"}, ["E306", "JSON parse error"]),
        ({"id": "acme/empty"}, ["E306", "is empty"]),
        ({"id": "acme/nothing"}, ["E306", "data files"]),
    ],
)
def test_what_cannot_be_had_is_told_and_leaves_nothing(
    project: Project, server: HubServer, options: dict[str, Any], words: list[str]
) -> None:
    said = _fetch(project, server, code=2, **options)
    assert [word for word in words if word not in said] == []
    assert not (project.root / "data/reviews/raw").exists()


def test_a_hub_that_leads_to_another_host_is_not_followed(
    project: Project, server: HubServer
) -> None:
    elsewhere = server.url.replace("127.0.0.1", "localhost") + "/elsewhere"
    server.troubles.append(Trouble("GET /api/datasets", 307, headers={"Location": elsewhere}))
    assert "E477" in _fetch(project, server, code=3)
    assert not any("elsewhere" in request for request in server.requests)
    assert not (project.root / "data/reviews/raw").exists()


def test_without_the_hub_the_cache_gives_the_pinned_revision_and_no_other(
    project: Project, server: HubServer
) -> None:
    _fetch(project, server)
    online = raw_rows(project, "train")
    _fetch(project, server, HF_HUB_OFFLINE="1")
    assert raw_rows(project, "train") == online
    said = _fetch(project, server, code=3, revision="0" * 40, HF_HUB_OFFLINE="1")
    assert "E505" in said
    assert server.commit in said


def test_without_the_hub_another_configuration_is_not_taken_for_the_default(
    project: Project, server: HubServer
) -> None:
    _fetch(project, server, config="other")
    assert "E505" in _fetch(project, server, code=3, HF_HUB_OFFLINE="1")
