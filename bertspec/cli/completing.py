"""What a shell completes in place of a name: what is in the project of this folder."""

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _names(found: Callable[[], Iterable[str]], *, or_folder: bool = False) -> Complete:
    def complete(ctx: click.Context, option: click.Parameter, begun: str) -> list[CompletionItem]:
        given = ctx.params.get(option.name or "") or ()
        names = sorted(n for n in found() if n.startswith(begun) and n not in given)
        if or_folder and not names:
            return [CompletionItem(begun, type="dir")]
        return [CompletionItem(name) for name in names]

    return complete


def _evaluated() -> Iterable[str]:
    from bertspec.pipeline.layout import metrics

    return (path.parent.name for path in Path().glob(metrics("*")))


def _exported() -> Iterable[str]:
    from bertspec.pipeline.layout import export

    return (path.parent.name for path in Path().glob(export("*")))


def onnx_exports(ctx: click.Context, _option: click.Parameter, begun: str) -> list[CompletionItem]:
    """Of the model that the command names before."""
    from bertspec.cli.predict import export_folder
    from bertspec.core.errors import InputError
    from bertspec.runtime.bundle import read_bundle

    # Behind an option without its value, click has not read the arguments before it.
    model = ctx.params.get("model") or "".join(ctx.args[:1])
    try:
        names = read_bundle(export_folder(model)).runnable()
    except (InputError, OSError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _stages() -> Iterable[str]:
    from bertspec.core.errors import InputError
    from bertspec.runtime.stage import read_params, records_of

    try:
        return records_of(read_params(Path()))
    except InputError:
        return ()


def _sweeps() -> Iterable[str]:
    return (path.stem for path in Path("sweeps").glob("*.yaml"))


def _codes() -> Iterable[str]:
    from bertspec.core.explanations import known_codes

    return known_codes()


evaluated_models = _names(_evaluated)
exported_models = _names(_exported, or_folder=True)
stages = _names(_stages)
sweeps = _names(_sweeps)
error_codes = _names(_codes)
