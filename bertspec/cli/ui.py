"""`bertspec ui`."""

import click

PACKAGES = ("fastapi", "grandalf", "jinja2", "pygal", "uvicorn")
"""Those of the extra `ui`."""


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8010, show_default=True,
    help="Port to listen at; 0 for any that is free.",
)  # fmt: skip
def command(port: int) -> None:
    """Show pages over all specs of this project in a browser, for reading only.

    It prints the address, and opens nothing. The pages tell of each spec its metrics, what is stale
    and why, with the place in the spec; its pipeline as a graph; its metrics over the commits of
    git; and what differs between two revisions. Nothing is run, fetched or written.

    It listens at 127.0.0.1 alone, so that no other machine reaches it. Ctrl-C stops it.

    \b
    Examples:
      bertspec ui
      bertspec ui --port 0        # any that is free
    """  # noqa: D301 - click wants the character
    from pathlib import Path

    from bertspec.core.packages import of_extra

    with of_extra("ui", PACKAGES, "`bertspec ui` needs"):
        from bertspec.ui.service import Service

    service = Service(Path.cwd(), port)
    click.echo(f"{service.url}\nCtrl-C stops")
    service.run_until_signal()
