"""`bertspec explain-code`."""

import click

from bertspec.cli.completing import error_codes


@click.command()
@click.argument("code", shell_complete=error_codes)
def command(code: str) -> None:
    """Tell more about the error CODE, such as E012: what it means, and what to do.

    \b
    Examples:
      bertspec explain-code E012
    """  # noqa: D301 - click wants the character
    from bertspec.core.explanations import explanation

    click.echo(explanation(code.upper()), nl=False)
