"""`bertspec fields`."""

import click


@click.command()
@click.argument("prefix", default="")
@click.option(
    "--format", "fmt", type=click.Choice(["text", "json", "markdown"]), default="text",
    help="`markdown` is the table of docs/fields.md.",
)  # fmt: skip
def command(prefix: str, fmt: str) -> None:
    """List every field of a spec, or those below PREFIX such as `training`.

    Each with its type, default and the stages that run again when it changes.

    \b
    Examples:
      bertspec fields
      bertspec fields training.batch
    """  # noqa: D301 - click wants the character
    import json
    from dataclasses import asdict

    from bertspec.spec.reference import fields_of
    from bertspec.spec.sections import Spec

    found = [f for f in fields_of(Spec) if f.path.startswith(prefix)]
    if not found:
        from bertspec.core.errors import InputError
        from bertspec.core.names import did_you_mean

        known = {f.path for f in fields_of(Spec)}
        raise InputError.of("E010", f"there is no field `{prefix}`", did_you_mean(prefix, known))
    if fmt == "json":
        click.echo(json.dumps([asdict(f) for f in found], indent=2, ensure_ascii=False))
        return
    if fmt == "markdown":
        click.echo("| field | type | default | affects | |\n|---|---|---|---|---|")
        for f in found:
            cells = (f"`{f.path}`", f.type, f"`{f.default}`", ", ".join(f.affects), f.description)
            click.echo("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        return
    for f in found:
        click.echo(f"{click.style(f.path, bold=True)}: {f.type}")
        if f.description:
            click.echo(f"    {f.description}")
        affects = f"affects: {', '.join(f.affects)}" if f.affects else "affects nothing"
        click.echo(f"    default: {f.default}; {affects}")
