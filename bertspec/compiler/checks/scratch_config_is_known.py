"""E112: a new model's config has the keys that its family needs and no others, and real sizes."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from bertspec.catalog.bases.families import family, table_version
from bertspec.compiler.checks.finding import finding
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.names import nearest
from bertspec.core.packages import public_version
from bertspec.spec.load import LoadedSpec

_USUAL = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}


def check(loaded: LoadedSpec, _root: Path) -> Iterator[Diagnostic]:
    base = loaded.spec.model.base
    if base.type != "scratch":
        return
    from bertspec.catalog.bases.scratch import FROM_TOKENIZER, ScratchBase

    assert isinstance(base, ScratchBase)  # noqa: S101 - for mypy
    config = base.config
    if "model_type" not in config:
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config"),
            "`config` has no `model_type`",
            "write the architecture's name in transformers, such as `model_type: bert`",
        )
    known = family(config.get("model_type"))
    for key, message, advice in base.unknown_keys():
        # Another transformers may know keys that this one does not. To ask takes milliseconds.
        is_ours = _installed() == table_version()
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config", key),
            message if is_ours else f"{message} in transformers {table_version()}",
            advice,
            key=True,
            severity=Severity.ERROR if is_ours else Severity.WARNING,
            replacement=nearest(key, known.keys) if known and key not in FROM_TOKENIZER else None,
        )
    wrong = dict(base.wrong_sizes())
    for key, message in wrong.items():
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config", key),
            message,
            f"write a number, such as `{key}: {_USUAL[key]}`",
        )
    hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if not wrong and isinstance(hidden, int) and isinstance(heads, int) and hidden % heads:
        yield finding(
            "E112",
            loaded,
            ("model", "base", "config", "hidden_size"),
            f"`hidden_size` {hidden} cannot be divided among {heads} attention heads",
            f"write a multiple of {heads}",
        )


def _installed() -> str | None:
    try:
        return public_version("transformers")
    except PackageNotFoundError:
        return None
