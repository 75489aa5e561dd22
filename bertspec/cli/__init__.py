"""The command line. Each command is a file of its own, imported when it is called."""

import errno
import gc
import io
import os
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from bertspec import __version__

COMMANDS = {
    "init": "Begin a project: a spec, sample data, git and DVC.",
    "new": "Write a first spec of a task, for your data.",
    "import": "Translate what another tool is told into a spec.",
    "validate": "Check specs; show everything that is wrong in them.",
    "fmt": "Format specs, and keep every comment.",
    "lock": "Fix in bertspec.lock what specs leave open.",
    "compile": "Write dvc.yaml and params.yaml from specs.",
    "sweep": "Try values of a spec's fields, each as an experiment of DVC.",
    "adopt": "Write values of an experiment back into the specs.",
    "plan": "Tell what would run, why, and how long it may take.",
    "explain": "Tell where an artifact comes from, and why it was last made anew.",
    "stage": "Run one compiled stage; DVC calls this.",
    "data": "Show what is in a data set: labels, lengths, samples, findings.",
    "predict": "Label texts with an exported model.",
    "serve": "Serve an exported model over HTTP.",
    "bench": "Measure each format of an exported model beside PyTorch.",
    "bundle": "Check an exported model, file by file.",
    "attest": "Sign what an exported model says of its origin, and check it.",
    "push-to-hub": "Send an exported model to a Hugging Face hub.",
    "show": "Show metrics, and where the artifacts are.",
    "verify": "Build again elsewhere, and compare every file bit for bit.",
    "diff": "Tell what differs between revisions or specs: fields, rows, metrics.",
    "ui": "Show pages over all specs: what is stale, metrics, what differs.",
    "compare": "Tell whether one model is better than another, on the same rows.",
    "remote": "Tell whether a remote of DVC works, and what is missing in it.",
    "schema": "Print the JSON Schema of the language.",
    "fields": "List every field: type, default, what it affects.",
    "lsp": "Answer an editor: the language server for specs.",
    "setup-git": "Let git merge compiled files stage by stage.",
    "merge-file": "Merge one compiled file; git calls this.",
    "doctor": "Tell what this machine can do, and what is wrong with it.",
    "explain-code": "Tell more about an error code.",
    "completion": "Print what makes a shell complete commands and names.",
}

_PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "onnxruntime", "dvc", "pydantic")
"""Those that `--version` tells of: bits of a result or the form of a file depend on them."""


_ADVICE = {
    errno.EEXIST: "a file stands where a folder is wanted: name another path",
    errno.ENOTDIR: "a file stands where a folder is wanted: name another path",
    errno.ELOOP: "links lead to each other: name the file itself",
    errno.EFBIG: "the file system, or `ulimit -f`, allows no file so large",
}
"""What to do about an error of the operating system, by its number."""


class _Commands(click.Group):
    """Knows the commands by name and one line, so that help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"bertspec.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from bertspec.core.names import did_you_mean

            ctx.fail(f"no such command `{args[0]}`; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _show_versions(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if not value or ctx.resilient_parsing:
        return
    import platform
    from importlib import metadata

    system = f"{platform.system()} {platform.machine()}"
    click.echo(f"bertspec {__version__}\nPython {platform.python_version()} on {system}")
    for package in _PACKAGES:
        try:
            click.echo(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            click.echo(f"{package} is not installed")
    ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_versions,
    help="Show the versions that matter, and exit.",
)  # fmt: skip
@click.option(
    "-q", "--quiet", is_flag=True, envvar="BERTSPEC_QUIET",
    help="Show results, warnings and errors alone: no progress, no word on what was done.",
)  # fmt: skip
@click.option(
    "-v", "--verbose", is_flag=True, envvar="BERTSPEC_VERBOSE",
    help="Show what transformers and the hub's client say, too, and how long a stage took.",
)  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error, too.")
@click.pass_context
def cli(
    ctx: click.Context,
    quiet: bool,  # noqa: FBT001 - click passes them by name
    verbose: bool,  # noqa: FBT001
    debug: bool,  # noqa: FBT001
) -> None:
    """Compile a dataset-and-model spec into DVC stages that fine-tune BERT, reproducibly.

    \b
    Begin with `bertspec init`, or write specs/NAME.yaml, then:
      bertspec validate          show everything that is wrong in the specs
      bertspec lock              fix what specs leave open
      bertspec compile           write dvc.yaml and params.yaml
      bertspec plan              tell what would run, and why
      dvc repro                  build what has changed
      bertspec show              show metrics, and where the artifacts are
      bertspec predict NAME ...  label texts

    \b
    Environment: BERTSPEC_QUIET=1 and BERTSPEC_VERBOSE=1 are --quiet and --verbose, also for
    stages that DVC runs; NO_COLOR=1 takes colours away.

    \b
    Exit codes: 0 good, 1 a check failed, 2 wrong input, 3 the machine,
    4 a defect of bertspec, 130 interrupted. For plan, 2 is that there is something
    to run, and 1 wrong input.
    """  # noqa: D301 - click wants the character
    from bertspec.core.verbosity import verbosity

    if quiet and verbose:  # an option wins over the environment
        given = [ctx.get_parameter_source(name) for name in ("quiet", "verbose")]
        if given[0] == given[1]:
            raise click.UsageError("--quiet and --verbose exclude each other")
        quiet, verbose = (source is ParameterSource.COMMANDLINE for source in given)
    ctx.obj["debug"] = debug
    if os.environ.get("NO_COLOR"):  # no-color.org; rich knows it itself
        ctx.color = False
    ctx.with_resource(verbosity(quiet=quiet, verbose=verbose))


def main(args: list[str] | None = None) -> NoReturn:
    """Run a command, and turn any error into a message and an exit code. The one place for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What the terminal cannot show is no error.
        sys.stdout.reconfigure(errors="backslashreplace")
    _start_sooner()
    options = {"debug": False}
    try:
        code = cli.main(args, prog_name="bertspec", standalone_mode=False, obj=options)
        click.echo(nl=False)  # which flushes
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        sys.exit(_interrupted(error))
    except BrokenPipeError:
        # The reader has gone, as `head` does; Python would complain once more while it flushes.
        sys.stdout = None
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - whatever it is, it gets a message
        if options["debug"]:
            from bertspec.core.redaction import without_secrets
            from bertspec.core.terminal import printable

            said = without_secrets("".join(traceback.format_exception(error)))
            click.echo(printable(said, kept="\n\t"), err=True, nl=False)
        code = _interrupted(error) if _interrupt(error) else _report(error)
        _print_no_more()
        sys.exit(code)
    sys.exit(code if isinstance(code, int) else 0)


def _print_no_more() -> None:
    """Where what is left cannot be printed, as the disk is full: Python would say so once more."""
    try:
        click.echo(nl=False)
    except OSError:
        sys.stdout = None


def _start_sooner() -> None:
    """Save what every command would pay before it does anything: a tenth of `plan` and `validate`.

    Looking for garbage after each 700 new objects finds none while modules are imported. And
    pydantic would read what each installed package says of itself, in search of plugins for it;
    they might change what a spec means on one machine.
    """
    gc.set_threshold(10_000, *gc.get_threshold()[1:])
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _interrupted(error: BaseException) -> int:
    from bertspec.core.errors import Interrupted

    found = _interrupt(error)
    told = found if isinstance(found, Interrupted) else Interrupted()
    click.echo(f"\ninterrupted; {told.kept}", err=True)
    return told.exit_code


def _interrupt(error: BaseException) -> KeyboardInterrupt | None:
    """The Ctrl-C behind it: while a compiled module is imported it ends as ImportError."""
    from bertspec.core.errors import with_causes

    return next((c for c in with_causes(error) if isinstance(c, KeyboardInterrupt)), None)


def _report(error: Exception) -> int:
    from bertspec.catalog.hub_client import is_of_hub, no_address, unusable_endpoint
    from bertspec.core.diagnostics import Diagnostic, render
    from bertspec.core.errors import (
        BertspecError,
        EnvironmentFault,
        InternalError,
        is_disk_full,
        is_out_of_memory,
    )

    exit_code: int
    found: tuple[Any, ...]
    if isinstance(error, BertspecError):
        exit_code, found = error.exit_code, error.diagnostics
    elif is_out_of_memory(error):
        exit_code = EnvironmentFault.exit_code
        advice = "close other programs, or lower `tokenization.max_length`"
        found = (Diagnostic("E504", "out of memory", advice),)
    elif is_disk_full(error):
        exit_code = EnvironmentFault.exit_code
        advice = "make room and run it again; nothing was left half-written"
        found = (Diagnostic("E503", f"the disk is full{_place(error)}", advice),)
    elif isinstance(error, ModuleNotFoundError) and not f"{error.name}.".startswith("bertspec."):
        exit_code = EnvironmentFault.exit_code
        advice = (
            "pip install 'bertspec[predict]' or 'bertspec[serve]' for exported models, "
            "'bertspec[lsp]' for editors, and 'bertspec[train]' for all else"
        )
        found = (Diagnostic("E502", f"not installed: {error.name}", advice),)
    elif isinstance(error, OSError):
        exit_code = EnvironmentFault.exit_code
        usual = "check that the path exists and that you may read or write it"
        advice = _ADVICE.get(error.errno or 0, usual)
        said = f"{error.strerror or error}{_place(error)}"
        found = (Diagnostic("E503", said, advice),)
    elif (endpoint := unusable_endpoint()) is not None and is_of_hub(error):
        exit_code, found = EnvironmentFault.exit_code, no_address("E505", endpoint).diagnostics
    else:
        exit_code = InternalError.exit_code
        text = f"{type(error).__name__}: {error}"
        found = (Diagnostic("E901", text, "this is a defect of bertspec; --debug shows where"),)
    click.echo(render(found, "text"), err=True)
    return exit_code


def _place(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return f" ({name})" if name else ""
