"""`bertspec push-to-hub`."""

import click

from bertspec.cli.completing import exported_models


@click.command()
@click.argument("model", shell_complete=exported_models)
@click.argument("repository", metavar="OWNER/NAME")
@click.option(
    "--private",
    is_flag=True,
    help="Make the new repository private; one that is there must be so already.",
)
@click.option(
    "--revision",
    metavar="BRANCH",
    help="The branch to commit to, which is made where it is missing; by default `main`.",
)
@click.option(
    "--create-pr", is_flag=True, help="Open a pull request in place of a commit on `main`."
)
@click.option("--message", default="", help="Message of the commit: a line, and what follows it.")
@click.option("--dry-run", is_flag=True, help="List what would be sent, and send nothing.")
def command(
    model: str,
    repository: str,
    private: bool,  # noqa: FBT001 - click passes it by name
    revision: str | None,
    create_pr: bool,  # noqa: FBT001
    message: str,
    dry_run: bool,  # noqa: FBT001
) -> None:
    """Send an exported model to a Hugging Face hub.

    MODEL is the name of a spec that has been built, or an export folder. Every file must be as it
    was exported. The signature of `bertspec attest sign` goes with them, where there is one; it
    must be that of this model. The repository is made where it is missing.

    All files come in one commit: the hub has all of them or none. Files that it has already are not
    sent, and when it has all, no commit is made. Its other files stay, and so does what was added
    to the metadata of the model card there, such as a licence.

    The token is that of HF_TOKEN or of `hf auth login`; HF_ENDPOINT names another hub.

    \b
    Examples:
      bertspec push-to-hub sentiment acme/sentiment --private
    """  # noqa: D301 - click wants the character
    from rich.filesize import decimal

    from bertspec.cli.predict import export_folder
    from bertspec.core.terminal import one_line
    from bertspec.core.verbosity import did, note
    from bertspec.runtime.push_to_hub import files_to_send, push
    from bertspec.runtime.pushing.target import MAIN, Target

    if create_pr and revision not in (None, MAIN):
        raise click.UsageError("--create-pr proposes a change of `main`; it takes no --revision")
    branch = MAIN if revision is None else revision
    target = Target(repository, private, branch, create_pr, message)
    folder = export_folder(model)
    files = files_to_send(folder)
    found = {name: content.path.stat().st_size for name, content in files.items()}
    if dry_run:
        for name, size in found.items():
            click.echo(f"{decimal(size):>10}  {name}")
        total = decimal(sum(found.values()))
        click.echo(f"{len(found)} files, {total}, would go to {repository} at {target.revision}")
        return
    pushed = push(files, target)
    for text in pushed.notes:
        note(text)
    if pushed.sent:
        total = decimal(sum(found[name] for name in pushed.sent))
        did(f"{repository}: sent {len(pushed.sent)} of {len(found)} files, {total}")
    else:
        did(f"{repository} has all {len(found)} files already: no new commit")
    click.echo(one_line(pushed.address))
