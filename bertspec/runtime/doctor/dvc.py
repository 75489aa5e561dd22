"""DVC, by its program alone: whether it is there, the repository, remotes, and links."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bertspec.core.program import Answer, ask
from bertspec.runtime.doctor.line import Line, State
from bertspec.runtime.doctor.repository import no_repository

_NONE = "not inside of a DVC repository"
_DEFAULT_LINKS = ("reflink", "copy")
"""DVC's own order where `cache.type` is not set."""


def dvc(root: Path, *, needed: bool) -> Iterator[Line]:
    """Lines on the programs and the repository. `needed`: `root` is a project, that should be one.

    Of remotes only names are told: their other settings may hold passwords.
    """
    yield from _programs(root)
    if shutil.which("dvc") is None:
        return
    top = ask("dvc", "root", folder=root)
    config = ask("dvc", "config", "--list", folder=root)
    if top.code == 0 and config.code == 0:
        folder = str((root / top.out.removesuffix("\n")).resolve())
        yield Line("DVC", "repository", State.GOOD, folder, facts={"root": folder})
        settings = dict(re.findall(r"^([^=\n]+)=(.*)$", config.out, re.MULTILINE))
        yield _remotes(settings)
        yield _links(settings.get("cache.type"), ask("dvc", "version", folder=root))
    else:
        yield no_repository(
            "DVC", top if top.code else config, _NONE, "`dvc doctor`", needed=needed
        )


def _programs(root: Path) -> Iterator[Line]:
    for program, why in (("dvc", "it builds the stages"), ("bertspec", "DVC runs it by this name")):
        path = shutil.which(program)
        if path is None:
            advice = f"activate the virtual environment in which bertspec is installed: {why}"
            missing = {"path": None, "version": None}
            yield Line("DVC", program, State.WRONG, "not on the PATH", advice, missing)
            continue
        answer = ask(program, "--version", folder=root)
        version = answer.out.strip().partition("\n")[0].rpartition(" ")[2]
        facts = {"path": path, "version": version or None}
        if answer.code:
            advice = f"install {program} anew"
            yield Line("DVC", program, State.WRONG, answer.problem, advice, facts)
        else:
            yield Line("DVC", program, State.GOOD, f"{version}, {path}", facts=facts)


def _remotes(settings: Mapping[str, str]) -> Line:
    names = sorted(m[1] for key in settings if (m := re.fullmatch(r"remote\.(.+)\.url", key)))
    default = settings.get("core.remote")
    facts = {"remotes": names, "default": default}
    if not names:
        advice = "`dvc remote add --default NAME URL`, to share data and models by `dvc push`"
        text = "none is set: what is built lies on this machine alone"
        return Line("DVC", "remote", State.NOTE, text, advice, facts)
    if default is None:
        text, advice = f"{', '.join(names)}; none is the default", "`dvc remote default NAME`"
        return Line("DVC", "remote", State.NOTE, text, advice, facts)
    if default not in names:
        text = f"the default is {default}, and there is only {', '.join(names)}"
        return Line("DVC", "remote", State.WRONG, text, "`dvc remote default NAME`", facts)
    return Line("DVC", "remote", State.GOOD, f"{default} is the default", facts=facts)


def _links(configured: str | None, version: Answer) -> Line:
    """How files get from DVC's cache to their places: by the first type that works here."""
    types = [t.strip() for t in configured.split(",")] if configured else list(_DEFAULT_LINKS)
    working = _working(version.out)
    link = None if working is None else next((t for t in types if t in (*working, "copy")), None)
    facts = {"configured": configured, "types": types, "working": working, "link": link}
    if working is None:
        text = f"{', '.join(types)}, whichever works first: DVC has no cache yet to try it"
        return Line("DVC", "links", State.GOOD, text, facts=facts)
    if link is None:
        text = f"cache.type is {configured}, which does not work here: nothing can be checked out"
        return Line(
            "DVC", "links", State.WRONG, text, f"`dvc config cache.type {_all(types)}`", facts
        )
    if link == "copy":
        text = "copies: what is built takes its room twice, in DVC's cache and in its place"
        advice = ""
        if others := [t for t in working if t != "copy"]:
            advice = (
                f"`dvc config cache.type {','.join(others)},copy` links; then files are read-only"
            )
        return Line("DVC", "links", State.NOTE, text, advice, facts)
    return Line("DVC", "links", State.GOOD, f"{link}, which takes no room", facts=facts)


def _all(types: Sequence[str]) -> str:
    return ",".join([*types, "copy"])


def _working(version: str) -> list[str] | None:
    """The link types that DVC has tried with success, from `dvc version`; None before it could."""
    found = re.search(r"^Cache types: ([a-z, ]*)$", version, re.MULTILINE)
    return [t.strip() for t in found[1].split(",") if t.strip()] if found else None
