"""`bertspec completion`."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, and names of models and stages.

    \b
    Examples:
      eval "$(bertspec completion bash)"    # in ~/.bashrc
      eval "$(bertspec completion zsh)"     # in ~/.zshrc, below compinit
      bertspec completion fish > ~/.config/fish/completions/bertspec.fish
    """  # noqa: D301 - click wants the character
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from bertspec.cli import cli

    shells = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    click.echo(shells[shell](cli, {}, "bertspec", "_BERTSPEC_COMPLETE").source())
