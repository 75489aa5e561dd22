"""How editors start the server: what the documentation and the help say, and a missing package."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.projects import Project

EDITORS = (Path(__file__).parent.parent.parent / "docs" / "editors.md").read_text(encoding="utf-8")


def _example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", EDITORS, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_settings_of_vs_code_start_the_server() -> None:
    settings = json.loads(_example("json"))
    assert settings["glspc.server.command"] == "bertspec"
    assert settings["glspc.server.commandArguments"] == ["lsp"]
    assert settings["glspc.server.languageId"] == ["yaml", "json"]


def test_the_settings_of_helix_start_the_server() -> None:
    settings = tomllib.loads(_example("toml"))
    server = settings["language-server"]["bertspec"]
    assert [server["command"], *server["args"]] == ["bertspec", "lsp"]
    assert "bertspec" in settings["language"][0]["language-servers"]


def test_the_settings_of_neovim_start_the_server() -> None:
    assert 'cmd = { "bertspec", "lsp" }' in _example("lua")


@pytest.mark.parametrize("language", ["json", "lua", "toml"])
def test_the_help_shows_the_same_lines(language: str, tmp_path: Path) -> None:
    said = " ".join(Project(tmp_path).bertspec("lsp", "--help").split())
    for line in _example(language).splitlines():
        if "bertspec" in line and "name" not in line:
            assert line.strip().strip(",") in said


def test_without_its_packages_it_says_what_to_install(tmp_path: Path) -> None:
    begin = "import sys; sys.modules['lsprotocol'] = None; from bertspec.cli import main"
    result = Project(tmp_path).run(sys.executable, "-c", f"{begin}; main(['lsp'])", code=3)
    assert "[E502]" in result.stderr
    assert "pip install 'bertspec[lsp]'" in result.stderr
    assert result.stdout == ""
