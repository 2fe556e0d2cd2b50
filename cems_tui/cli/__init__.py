"""The `cems` command: parse, hand over to the core, print.

A command is imported when it is called (`command_table`), so `cems --help` costs typer and
nothing else. Errors of the core become one line of what happened, one of what to do,
and the exit code of the contract.
"""

from cems_tui.cli.main import main

__all__ = ["main"]
