"""The DVC repository that a project is in, as its settings have it: cache, remote, .dvcignore."""

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

from bertspec.core import looks
from bertspec.core.errors import InputError

_Settings = dict[tuple[str, str], tuple[str, Path]]
"""Section and option -> value, and the folder that a path in it is relative to."""


@dataclass(frozen=True)
class Address:
    """Where a remote is."""

    name: str
    url: str
    folder: Path | None
    """None for one that is no folder of this machine."""


@dataclass(frozen=True)
class Repository:
    """Where things are."""

    folder: Path
    cache: Path
    settings: _Settings

    @classmethod
    def around(cls, root: Path) -> "Repository | None":
        """The repository of a folder, or None. Raises InputError (E218) for broken settings."""
        folder = next((p for p in (root, *root.parents) if looks.is_folder(p / ".dvc")), None)
        if folder is None:
            return None
        settings = _read(folder / ".dvc")
        value, place = settings.get(("cache", "dir"), ("cache", folder / ".dvc"))
        return cls(folder, place / Path(value).expanduser(), settings)

    def remote(self) -> Address:
        """The default remote.

        Raises InputError (E219) where there is none, or where it is a folder that is not there.
        """
        name, _ = self.settings.get(("core", "remote"), ("", self.folder))
        if not name:
            raise InputError.of("E219", "no remote is the default", "`dvc remote default NAME`")
        url, place = self.settings.get((f'remote "{name}"', "url"), ("", self.folder))
        path = url.removeprefix("file://")
        if "://" in path:
            return Address(name, url, None)
        folder = place / Path(path).expanduser()
        if not url or not folder.is_dir():
            raise InputError.of(
                "E219",
                f"the remote `{name}` is a folder that is not there"
                if url
                else f"there is no remote `{name}`, which is the default",
                "`dvc remote list` shows the remotes; `dvc push` makes the folder",
            )
        return Address(name, url, folder)

    def ignores(self) -> bool:
        """Whether .dvcignore has patterns of its own."""
        try:
            text = looks.read_bytes(self.folder / ".dvcignore").decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return False
        return any(line.strip() and not line.startswith("#") for line in text.splitlines())


def _read(dvc: Path) -> _Settings:
    found: _Settings = {}
    for file in settings_files(dvc.parent):
        config = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            config.read_string(looks.read_bytes(file).decode("utf-8"), source=str(file))
        except OSError:
            continue  # there is none
        except (configparser.Error, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            advice = "put it right; `dvc config --list` says what DVC reads"
            raise InputError.of(
                "E218", f"{file.name} of DVC cannot be read: {reason}", advice
            ) from None
        for section in config.sections():
            for option, value in config[section].items():
                found[section.strip("'"), option] = (_unquoted(value), file.parent)
    return found


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


def settings_files(folder: Path) -> list[Path]:
    """Those of a repository, in the order in which one hides what those before it say."""
    dvc = folder / ".dvc"
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR") or "/etc/xdg/dvc"
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR") or Path(home) / "dvc"
    return [Path(system) / "config", Path(user) / "config", dvc / "config", dvc / "config.local"]
