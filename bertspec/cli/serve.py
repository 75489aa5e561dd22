"""`bertspec serve`."""

import click

from bertspec.cli.completing import exported_models, onnx_exports
from bertspec.cli.ranges import THREADS, FiniteRange
from bertspec.runtime.serving.limits import Limits

PACKAGES = ("fastapi", "fastapi_offline", "numpy", "prometheus_client", "uvicorn")
"""Those of the extra `serve` that are imported first."""


def _host(_context: click.Context, _option: click.Parameter, host: str) -> str:
    if not host:  # which is every address of the machine
        raise click.BadParameter("name an address, such as 127.0.0.1")
    return host


@click.command()
@click.argument("model", shell_complete=exported_models)
@click.option(
    "--host", default="127.0.0.1", show_default=True, callback=_host, help="Address to listen at."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True,
    help="Port to listen at; 0 for any that is free.",
)  # fmt: skip
@click.option(
    "--max-batch", type=click.IntRange(min=1), default=Limits.max_batch, show_default=True,
    help="Inputs that are taken from the queue together; the model sees up to 512 tokens of them "
    "at once.",
)  # fmt: skip
@click.option(
    "--max-wait-ms", type=FiniteRange(0, 60_000), default=1000 * Limits.max_wait,
    show_default=True, help="Milliseconds that an input waits for others.",
)  # fmt: skip
@click.option(
    "--max-queue", type=click.IntRange(1, 1_000_000), default=Limits.max_queue, show_default=True,
    help="Inputs that wait; further ones are refused with status 503.",
)  # fmt: skip
@click.option(
    "--max-body", type=click.IntRange(min=1), default=Limits.max_body, show_default=True,
    help="Bytes of a request; a larger one is refused with status 413.",
)  # fmt: skip
@click.option(
    "--export", metavar="NAME", shell_complete=onnx_exports,
    help="Which of several ONNX exports to serve, such as onnx-int8; by default the first of the "
    "spec.",
)  # fmt: skip
@click.option(
    "--threads", type=THREADS,
    help="Threads that the model computes with; by default one a core.",
)  # fmt: skip
def command(
    model: str,
    host: str,
    port: int,
    max_batch: int,
    max_wait_ms: float,
    max_queue: int,
    max_body: int,
    export: str | None,
    threads: int | None,
) -> None:
    """Serve an exported ONNX model over HTTP.

    MODEL is the name of a spec that has been built, or an export folder. POST /predict takes one
    input as JSON, or a list of inputs; those of requests that come together are predicted together.
    GET / is a page to try the model, /docs tells of the API, /health and /metrics are for
    monitoring. There is no login, so put a proxy before it where others can reach it.

    Ctrl-C or SIGTERM stops it, after every request that it has accepted has its answer.

    \b
    Examples:
      bertspec serve sentiment --port 8000
      curl http://127.0.0.1:8000/predict --json '{"text": "Never a false note."}'
    """  # noqa: D301 - click wants the character
    from bertspec.cli.predict import export_folder, import_numpy
    from bertspec.core.packages import of_extra

    with of_extra("serve", PACKAGES, "`bertspec serve` needs"):
        import_numpy()
        from bertspec.runtime.serving.service import Service
    from bertspec.runtime.predict import Predictor

    limits = Limits(max_batch, max_wait_ms / 1000, max_queue, max_body)
    folder = export_folder(model)
    predictor = Predictor(folder, export, threads)
    # Clients are told the model's name, and not where it is.
    place = folder.resolve()
    name = (place.parent if place.name == "export" else place).name or "model"
    service = Service(name, predictor, host, port, limits)
    click.echo(f"serving {model} at {service.url}; Ctrl-C stops")
    service.run_until_signal()
