"""The `cems` command: parse, hand over to the core, print.

Every command imports what it runs when it runs it, so `cems --help` costs typer and
nothing else. Errors of the core become one line of what happened, one of what to do,
and the exit code of the contract.
"""

from cems_tui.cli.main import main

__all__ = ["main"]
