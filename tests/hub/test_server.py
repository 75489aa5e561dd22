"""The local hub speaks to the real clients; so tests through it show what the real hub would do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hub.server import HubServer, blob_id

README = """---
configs:
- config_name: default
  data_files: [{split: train, path: data/train.jsonl}, {split: dev, path: data/dev.jsonl}]
- config_name: small
  data_files: [{split: train, path: data/dev.jsonl}]
---
# Films
"""


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    model = tmp_path / "hub/models/acme/tiny"
    (model / "onnx").mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "bert"}')
    (model / "onnx/big.bin").write_bytes(bytes(range(256)) * 40)
    data = tmp_path / "hub/datasets/acme/films/data"
    data.mkdir(parents=True)
    (data.parent / "README.md").write_text(README)
    for name, count in (("train", 5), ("dev", 2)):
        lines = [json.dumps({"text": f"{name} {n}", "stars": n}) for n in range(count)]
        (data / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "hub"


def run_client(code: str, url: str, home: Path) -> Any:
    """Run `code` in a fresh Python whose hub is at `url`; give what it prints, as JSON.

    The clients read HF_ENDPOINT once, on import, so each test needs a process of its own.
    """
    environment = os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_snapshot_and_single_files_arrive_whole_and_at_the_commit(
    hub_folder: Path, tmp_path: Path
) -> None:
    with HubServer(hub_folder) as server:
        found = run_client(
            f"""
import json
from pathlib import Path
from huggingface_hub import snapshot_download, hf_hub_download, HfApi
commit = {server.commit!r}
folder = snapshot_download("acme/tiny", revision=commit)
files = sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())
one = Path(hf_hub_download("acme/tiny", "onnx/big.bin", revision="main"))
sha = HfApi().model_info("acme/tiny").sha
print(json.dumps([Path(folder).name, files, one.read_bytes().hex(), sha]))
""",
            server.url,
            tmp_path / "home",
        )
    content = (hub_folder / "models/acme/tiny/onnx/big.bin").read_bytes().hex()
    assert found == [server.commit, ["config.json", "onnx/big.bin"], content, server.commit]


def test_file_system_lists_describes_and_reads_ranges(hub_folder: Path, tmp_path: Path) -> None:
    with HubServer(hub_folder) as server:
        found = run_client(
            f"""
import json
from huggingface_hub import HfFileSystem, HfApi
fs = HfFileSystem()
root = "acme/tiny@{server.commit}"
with fs.open(root + "/onnx/big.bin", "rb", block_size=64) as file:
    file.seek(300)
    middle = file.read(4).hex()
paths = HfApi().get_paths_info("acme/tiny", ["config.json", "onnx", "absent"])
print(json.dumps([sorted(fs.find(root)), [e["name"] for e in fs.ls(root)], middle,
    [p.path for p in paths], paths[0].blob_id]))
""",
            server.url,
            tmp_path / "home",
        )
    assert any(r.startswith("POST /api/models/acme/tiny/paths-info/") for r in server.requests)
    root = f"acme/tiny@{server.commit}"
    files, top, middle, paths, oid = found
    assert files == [f"{root}/config.json", f"{root}/onnx/big.bin"]
    assert sorted(top) == [f"{root}/config.json", f"{root}/onnx"]
    assert middle == bytes([44, 45, 46, 47]).hex()
    assert paths == ["config.json", "onnx"]
    assert oid == blob_id(hub_folder / "models/acme/tiny/config.json")


def test_load_dataset_reads_splits_and_configurations(hub_folder: Path, tmp_path: Path) -> None:
    with HubServer(hub_folder) as server:
        found = run_client(
            f"""
import json
from datasets import load_dataset, get_dataset_config_names
options = dict(revision={server.commit!r})
sets = load_dataset("acme/films", **options)
small = load_dataset("acme/films", name="small", split="train", **options)
print(json.dumps([{{k: list(v["text"]) for k, v in sets.items()}}, list(small["stars"]),
    get_dataset_config_names("acme/films", **options)]))
""",
            server.url,
            tmp_path / "home",
        )
    assert found == [
        {"train": [f"train {n}" for n in range(5)], "dev": ["dev 0", "dev 1"]},
        [0, 1],
        ["default", "small"],
    ]


def test_what_is_not_there_is_told_apart_as_on_the_hub(hub_folder: Path, tmp_path: Path) -> None:
    with HubServer(hub_folder) as server:
        found = run_client(
            """
import json
from huggingface_hub import hf_hub_download, snapshot_download, HfApi
def name(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
print(json.dumps([
    name(lambda: HfApi().model_info("acme/absent")),
    name(lambda: HfApi().dataset_info("acme/films", revision="0" * 40)),
    name(lambda: hf_hub_download("acme/tiny", "config.json", revision="0" * 40)),
    name(lambda: hf_hub_download("acme/tiny", "absent.json")),
    name(lambda: hf_hub_download("acme/tiny", "../../../etc/passwd")),
]))
""",
            server.url,
            tmp_path / "home",
        )
    assert found[:4] == [
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "RevisionNotFoundError",
        "RemoteEntryNotFoundError",
    ]
    assert found[4] is not None
