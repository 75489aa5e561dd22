"""`bertspec lsp`."""

import click

PACKAGES = ("attrs", "cattrs", "lsprotocol", "pygls")
"""Those of the extra `lsp`."""


@click.command()
@click.option("--stdio", is_flag=True, help="As some editors ask for; it is so anyway.")
@click.pass_obj
def command(options: dict[str, bool], stdio: bool) -> int:  # noqa: ARG001, FBT001
    """Answer an editor: the language server for specs, over standard input and output.

    It shows what `bertspec validate` says while you type, tells what fields mean and what a
    change of them rebuilds, completes keys, kinds, names, labels and columns, goes to what is
    extended or named, corrects mistyped words, and formats as `bertspec fmt`.

    \b
    VS Code: the extension "Generic LSP Client" with, in settings.json,
      "glspc.server.command": "bertspec",
      "glspc.server.commandArguments": ["lsp"],
      "glspc.server.languageId": ["yaml", "json"]

    \b
    Neovim 0.11, in init.lua:
      vim.lsp.config("bertspec", {
        cmd = { "bertspec", "lsp" }, filetypes = { "yaml", "json" },
        root_markers = { "bertspec.lock", ".dvc", ".git" },
      })
      vim.lsp.enable("bertspec")

    \b
    Helix, in languages.toml:
      [language-server.bertspec]
      command = "bertspec"
      args = ["lsp"]
      [[language]]
      name = "yaml"
      language-servers = ["bertspec"]

    \b
    Examples:
      bertspec lsp                    # an editor calls it
    """  # noqa: D301 - click wants the character
    from bertspec.core.packages import of_extra

    with of_extra("lsp", PACKAGES, "`bertspec lsp` needs"):
        from bertspec.lsp.session import run
    return run(debug=options.get("debug", False))
