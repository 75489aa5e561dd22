"""`bertspec schema`."""

import click


@click.command()
@click.argument("what", type=click.Choice(["spec", "dataset"]), default="spec")
def command(what: str) -> None:
    """Print the JSON Schema (2020-12) of a spec, or of a data set file.

    Editors complete and check a spec that begins with the line

    # yaml-language-server: $schema=PATH-OR-URL

    \b
    Examples:
      bertspec schema > schema/bertspec-1.schema.json
      bertspec schema dataset
    """  # noqa: D301 - click wants the character
    from bertspec.spec.schema import schema_text

    click.echo(schema_text(what), nl=False)
