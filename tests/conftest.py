"""Fixtures that several areas use: an empty project, and a tiny one that trains in seconds."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

from bertspec.runtime.stage import run_stage
from bertspec.runtime.torch_setup import let_waiting_threads_sleep
from tests.browser import Browser, chromium
from tests.preloaded import preloaded
from tests.projects import PRELOADED, Project

let_waiting_threads_sleep()  # two processes of pytest share the machine
# A shell has what it runs in the background ignore Ctrl-C, which tests send and programs inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Servers of tests are on this machine, whatever proxy the user has; programs inherit it.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

# Without a GPU, Triton interprets kernels; it reads this as torch or transformers imports it.
if not shutil.which("nvidia-smi") or version("torch").endswith("+cpu"):
    os.environ["TRITON_INTERPRET"] = "1"

# `--hypothesis-profile long` looks at many more. No deadline: other work may run beside the tests.
settings.register_profile("tests", deadline=None, max_examples=50)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.load_profile("tests")

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="rewrite the golden files")
    parser.addoption("--thorough", action="store_true", help="run every combination, for an hour")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a file run in one process, so that what they share is built once.

    What takes longest comes first, so that the processes end at nearly the same time.
    """
    if not config.getoption("--thorough"):
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("thorough")]
        )
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
    groups = [_group(item) for item in items]
    for item, group in zip(items, groups, strict=True):
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {_group(item) for item in items if item.get_closest_marker("e2e")}
    sizes = Counter(groups)
    items.sort(key=lambda item: (_group(item) not in slow, -sizes[_group(item)]))


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark else item.path.name


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Path], None]:
    """Compare text with a committed file, or rewrite the file with --update-goldens."""

    def compare(text: str, path: Path) -> None:
        if request.config.getoption("--update-goldens"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), "see pytest --update-goldens"

    return compare


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tiny project: 120 reviews, a model of a few thousand weights made from scratch."""
    return Project.create(tmp_path / "project")


@pytest.fixture
def shared() -> Path:
    """The folder of real data, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    return SHARED


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, where there is one."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """See `tests.preloaded`."""
    with preloaded(tmp_path_factory.mktemp("p")) as found:
        yield found


@pytest.fixture(name="preloaded")
def preloaded_(programs: Path) -> Iterator[None]:
    """What `Project.run` starts need not import torch, transformers and DVC again."""
    token = PRELOADED.set(programs)
    yield
    PRELOADED.reset(token)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, built from data to report; for reading only."""
    project = Project.create(tmp_path_factory.mktemp("built") / "project")
    project.compile()
    for name in project.stages():
        if name.endswith("-export"):  # a second TorchScript of one process has other bytes
            project.run("bertspec", "stage", name)
        else:
            run_stage(name, project.root)
    return project
