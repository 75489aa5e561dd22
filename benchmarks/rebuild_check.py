"""Build the repository's specs twice, in two new folders, and compare every byte.

The second build has another umask, locale, time zone, hash seed and home, and sees one core,
which must not matter: the number of threads is in the lock.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bertspec.core.manifest import digest_files

REPOSITORY = Path(__file__).parent.parent
OTHER = {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}


def build(
    folder: Path, umask: int, prefix: list[str], environment: dict[str, str]
) -> dict[str, str]:
    """Run every stage in a new folder; the digest of each file in data/ and models/."""
    for name in ("data", "dvc.yaml", "params.yaml", "bertspec.lock"):
        source = REPOSITORY / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("raw", "prepared", "tokenized", "*.manifest.json")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copyfile(source, folder / name)
    lines = (folder / "dvc.yaml").read_text(encoding="utf-8").splitlines()
    commands = [line.partition("cmd: ")[2] for line in lines if "cmd: bertspec stage" in line]
    for command in commands:
        print(f"{folder.name}: {command}", flush=True)
        subprocess.run(
            [*prefix, *command.split()],
            cwd=folder, check=True, umask=umask, env=os.environ | environment,
        )  # fmt: skip
    return digest_files(folder)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        places = [Path(name) / "first", Path(name) / "a second folder"]
        for place in places:
            place.mkdir()
        first = build(places[0], 0o022, [], {})
        one_core = ["taskset", "--cpu-list", "0"] if shutil.which("taskset") else []
        second = build(places[1], 0o077, one_core, OTHER | {"HOME": name})
    different = sorted(p for p in first.keys() | second.keys() if first.get(p) != second.get(p))
    for path in different:
        print(f"DIFFERENT {path}")
    print(f"{len(first) - len(different)} of {len(first)} files are the same to the bit")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
