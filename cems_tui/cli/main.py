"""The commands of `cems`, and what happens when one fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.main

from cems_tui import __version__, log, paths
from cems_tui.cancel import catch_interrupts, was_interrupted
from cems_tui.cli import completion
from cems_tui.cli.command_table import Cems, open_app
from cems_tui.cli.failures import Failure, failure_of, report
from cems_tui.cli.output import line, prepare_streams
from cems_tui.errors import CemsError, UsageError
from cems_tui.files import clear_leftovers, folders_below, keep_private
from cems_tui.settings import load
from cems_tui.text import visible

app = typer.Typer(
    name="cems",
    cls=Cems,
    help="Make images locally with the model that is worth its price.",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks.")] = False,
) -> None:
    """Without a command: open the terminal app."""
    context.obj = {"debug": debug}
    if version:
        line(f"cems {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(open_app())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; never a traceback unless asked."""
    arguments = normalised(list(sys.argv[1:] if argv is None else argv))
    debug = "--debug" in arguments
    prepare_streams()
    catch_interrupts()
    try:
        if not _is_shared():
            keep_private()
        _clear_half_files()
        refuse_broken(arguments)
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except typer.Exit as stopped:
        return int(stopped.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except typer.TyperException as wrong:
        return report(Failure(wrong.format_message(), _help_hint(wrong), wrong.exit_code), debug)
    except (KeyboardInterrupt, typer.Abort) as stopped:
        return report(failure_of(stopped, interrupted=True), debug, stopped)
    except Exception as error:  # the last boundary: everything becomes a line and a code
        return report(failure_of(error, interrupted=was_interrupted()), debug, error)


def _is_shared() -> bool:
    """Whether the user lets others read what is kept; a config that says nothing sound does not."""
    try:
        return load(paths.current().config_file).storage.shared
    except CemsError:
        return False


def _clear_half_files() -> None:
    """What killed commands left goes with the next one; what cannot is told by `cems doctor`."""
    try:
        for root, below in paths.current().swept:
            for folder in folders_below(root) if below else (root,):
                clear_leftovers(folder)
    except CemsError as error:
        log.error("half-written files stay: %s", error)


def _run(arguments: list[str]) -> int:
    """Parse and call. Typer's own `main` would turn ctrl+c and a closed pipe into silent exits."""
    command = typer.main.get_command(app)
    instruction = completion.asked()
    if instruction is not None:
        return completion.answer(command, instruction)
    with command.make_context("cems", arguments) as context:
        code = command.invoke(context)
    return code if isinstance(code, int) else 0


def _help_hint(wrong: typer.TyperException) -> str:
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context is not None else "cems"
    return f"See `{command} --help`."


# Arguments as people write them, put into the form the parser reads.

FOREVER = "inf"


def refuse_broken(arguments: list[str]) -> None:
    """Everything given is recorded as text, so all of it has to be text.

    Raises:
        UsageError: an argument is not valid UTF-8.
    """
    for argument in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in argument):
            raise UsageError(
                f"the argument {visible(argument)[:80]!r} is not valid UTF-8",
                "Write it as UTF-8 and try again.",
            )


def normalised(arguments: list[str]) -> list[str]:
    """`--wait` may stand without a value: it then means for ever.

    The parser cannot tell `--wait 5` from `--wait "a red car"`, so the value is decided here.
    """
    result: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        if argument == "--":
            return result + arguments[index:]
        if argument == "--wait":
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            if _is_number(following):
                index += 1
                argument = f"--wait={following}"
            else:
                argument = f"--wait={FOREVER}"
        result.append(argument)
        index += 1
    return result


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
