"""What the default remote of DVC holds, of whatever kind it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bertspec.core.redaction import without_secrets
from bertspec.core.yaml import dump
from bertspec.pipeline.layout import DVC_FILE, DVC_LOCK
from bertspec.planning.remotes import Remote, State, fetch_runs, look_into
from bertspec.planning.repository import Repository
from bertspec.planning.store import Store

_CACHE = "cache"

_PATHS = (
    "cert_path", "configpath", "credentialpath", "gdrive_service_account_json_file_path",
    "gdrive_user_credentials_file", "key_path", "keyfile", "url",
)  # fmt: skip
"""Options of a remote that DVC reads relative to the file that they are in."""


@contextmanager
def remote_store(repository: Repository) -> Iterator[Store]:
    """The default remote, to be looked into within the block.

    Raises InputError (E219) where there is none.
    """
    address = repository.remote()
    if address.folder is not None:
        yield Store(address.folder)
        return
    with TemporaryDirectory(prefix="bertspec-") as folder:
        yield _FarStore(repository, address.name, without_secrets(address.url), Path(folder))


class _FarStore(Store):
    """A remote that only DVC can ask, which it is in a repository of its own: so nothing is
    brought into the project's cache.

    DVC takes seconds to start, so it is asked for all contents at once: they are taken to be there
    until `learn`.
    """

    def __init__(self, repository: Repository, name: str, url: str, folder: Path) -> None:
        super().__init__(folder / _CACHE)
        self._remote = Remote(name, url, is_default=True)
        self._root = folder
        self._has_runs = False
        self._wanted: set[str] = set()
        self._known: set[str] = set()
        self._absent: set[str] = set()
        (folder / ".dvc").mkdir()
        config = folder / ".dvc" / "config"
        config.touch(mode=0o600)  # it may have passwords
        config.write_text("\n".join(_settings(repository, folder)), encoding="utf-8")

    def run(self, key: str) -> Mapping[str, Any] | None:
        if not self._has_runs:
            fetch_runs(self._remote, self._root)
            self._has_runs = True
        return super().run(key)

    def learn(self) -> bool:
        new = sorted(self._wanted - self._known)
        if not new:
            return False
        outs = [{"path": digest, "hash": "md5", "md5": digest} for digest in new]
        stage = {"cmd": "-", "outs": new}
        (self._root / DVC_FILE).write_text(dump({"stages": {"all": stage}}))
        lock = {"schema": "2.0", "stages": {"all": stage | {"outs": outs}}}
        (self._root / DVC_LOCK).write_text(dump(lock))
        found = look_into(self._remote, self._root, {digest: digest for digest in new})
        self._known.update(new)
        absent = {digest for digest, states in found.items() if {*states} != {State.DELETED}}
        self._absent |= absent
        return bool(absent)

    def _has(self, digest: str) -> bool:
        self._wanted.add(digest)
        return digest not in self._absent


def _settings(repository: Repository, folder: Path) -> Iterator[str]:
    """Lines of the settings of DVC: the remotes are those of the user's repository.

    What the user's and the system's files say DVC reads by itself.
    """
    sections: dict[str, dict[str, str]] = {}
    for (section, option), (value, place) in repository.settings.items():
        if place != repository.folder / ".dvc":
            continue
        kind = section.partition(" ")[0]
        if kind == "remote" and option in _PATHS and "://" not in value:
            value = str(place / Path(value).expanduser())  # noqa: PLW2901
        if kind in ("core", "remote"):
            sections.setdefault(section, {})[option] = value
    sections.setdefault("core", {}).update(no_scm="true", site_cache_dir=str(folder / "site"))
    sections["cache"] = {"dir": str(folder / _CACHE)}
    for section, options in sections.items():
        yield f"['{section}']"
        for option, value in options.items():
            quote = next(q for q in ('"', "'", "'''") if q not in value)
            yield f"{option} = {quote}{value}{quote}"
