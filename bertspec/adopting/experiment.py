"""The params of an experiment of DVC, without applying it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean
from bertspec.core.program import ask
from bertspec.core.yaml import load_plain
from bertspec.pipeline.layout import PARAMS_FILE


def params_of(experiment: str, root: Path) -> Mapping[str, Any]:
    """What params.yaml is in an experiment: the newest of this name, of whatever commit.

    DVC keeps each as refs/exps/<commit>/<name>. Raises InputError (E240) where there is none, or
    where it has no params.yaml.
    """
    listed = ask(
        "git", "for-each-ref", "--sort=-creatordate", "--format=%(refname)", "refs/exps",
        folder=root,
    )  # fmt: skip
    if listed.code:
        raise InputError.of("E240", f"git cannot list experiments: {listed.problem}")
    refs: dict[str, str] = {}
    for ref in listed.out.split():
        if ref.count("/") == 4:  # noqa: PLR2004 - not what DVC keeps while one runs
            refs.setdefault(ref.rpartition("/")[2], ref)
    if experiment not in refs:
        advice = did_you_mean(experiment, refs) if refs else "`dvc exp list --all` shows them"
        raise InputError.of("E240", f"there is no experiment `{experiment}`", advice)
    answer = ask("git", "show", f"{refs[experiment]}:./{PARAMS_FILE}", folder=root)
    try:
        params = None if answer.code else load_plain(answer.out)
    except yaml.YAMLError:
        params = None
    if not isinstance(params, dict):
        message = f"the experiment `{experiment}` has no {PARAMS_FILE} that can be read"
        raise InputError.of("E240", message, "run it again")
    return params
