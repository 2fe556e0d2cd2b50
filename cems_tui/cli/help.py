"""What `--help` prints: use, two examples, options in groups, exit codes and environment."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typer.core import TyperArgument, TyperCommand

from cems_tui.cli.examples import EXAMPLES
from cems_tui.cli.text_layout import Column, folded, table_lines

OPENS_THE_APP = "`cems` alone opens the terminal app; `F1` there helps, `ctrl+q` quits."

GROUPS: Mapping[str, tuple[str, ...]] = {
    "What to draw": ("--file", "--negative", "--size", "--seed", "--count"),
    "How to choose": (
        "--function",
        "--pool",
        "--balanced",
        "--tradeoff",
        "--budget-per-image",
        "--floor",
        "--tolerance",
        "--lambda",
        "--router",
        "--load-cost",
        "--escalate",
        "--best-of",
    ),
    "How to run": (
        "--session",
        "--session-budget",
        "--session-energy",
        "--budget",
        "--dry-run",
        "--order",
        "--wait",
        "--timeout",
    ),
    "Output": (
        "--out",
        "--no-score",
        "--explain",
        "--paths",
        "--format",
        "--html",
        "--json",
        "--quiet",
        "--version",
        "--debug",
        "--help",
    ),
}
"""Options by what they are about; those that no group names stand first, as `Options`."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "Pictures": ("generate", "route", "finish", "why", "queue", "history"),
    "Models": ("ls", "show", "pull", "verify", "rm", "import", "ps", "stop"),
    "Evidence": ("bench", "router", "vote", "shadow"),
    "This program": ("doctor", "config", "starter", "completion"),
}
"""The commands of `cems` by what they are about; others stand last, as `More`."""

EXIT_CODES = (
    ("0", "done"),
    ("1", "a picture could not be made or scored"),
    ("2", "usage, name or setting that cannot be followed"),
    ("3", "model or network missing, weights damaged, download failed"),
    ("4", "--timeout passed"),
    ("5", "out of memory"),
    ("6", "stopped by a budget"),
    ("7", "another process holds the device"),
    ("8", "disk full, folder or database not writable"),
    ("130", "interrupted"),
)

ENVIRONMENT = (
    ("CEMS_HOME", "one folder for everything: database, pictures, models, settings"),
    ("CEMS_SESSION", "the session that is opened or continued"),
    ("CEMS_DEVICE_BUDGET_MB", "megabytes that weights may hold on the device"),
    ("HF_HOME, HF_ENDPOINT", "where the Hub's cache lies, and which Hub is asked"),
    ("HF_TOKEN", "who asks it"),
    ("HF_HUB_OFFLINE", "1: nothing is asked of any network"),
    ("NO_COLOR", "no colour, and no picture in the terminal"),
    ("COLUMNS", "how wide the terminal is taken to be"),
)

_WHOLE = "`cems --help` says what they mean."


class CemsCommand(TyperCommand):
    """A command whose help is laid out here."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the command."""
        formatter.write("\n".join(_command_lines(self, ctx, formatter.width)) + "\n")


def group_lines(
    group: Any,
    ctx: Any,
    table: Mapping[str, str],
    sections: Mapping[str, Sequence[str]],
    width: int,
) -> list[str]:
    """The help of a group of commands.

    Args:
        table: what each command does, by name.
        sections: names of commands under a title each; the others stand in one of their own.
        width: cells of a line.
    """
    lines = [f"Usage: {ctx.command_path} [OPTIONS] COMMAND [ARGS]…", ""]
    lines += folded(f"  {inspect.cleandoc(group.help or '')}", width, hang=2)
    if ctx.parent is None:
        lines += folded(f"  {OPENS_THE_APP}", width, hang=2)
    lines += _example_lines(ctx.command_path)
    named = {name for names in sections.values() for name in names}
    rest = [name for name in table if name not in named]
    for title, names in (*sections.items(), ("More" if sections else "Commands", rest)):
        there = [(f"  {name}", table[name]) for name in names if name in table]
        if there:
            lines += ["", f"{title}:", *_pairs(there, width)]
    lines += _option_lines(group, ctx, width)
    return lines + (_reference_lines(width) if ctx.parent is None else _short_lines(width))


def _command_lines(command: TyperCommand, ctx: Any, width: int) -> list[str]:
    arguments = [one for one in command.get_params(ctx) if isinstance(one, TyperArgument)]
    words = " ".join(_usage(argument) for argument in arguments)
    lines = folded(f"Usage: {ctx.command_path} [OPTIONS] {words}".rstrip(), width, hang=7)
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += ["", *folded("  " + " ".join(paragraph.split()), width, hang=2)]
    lines += _example_lines(ctx.command_path)
    if arguments:
        told = [(f"  {one.metavar or one.name}", one.help or "") for one in arguments]
        lines += ["", "Arguments:", *_pairs(told, width)]
    return lines + _option_lines(command, ctx, width) + _short_lines(width)


def _usage(argument: TyperArgument) -> str:
    name = str(argument.metavar or argument.name)
    if argument.nargs != 1 and not name.endswith("…"):
        name += "…"
    return name if argument.required else f"[{name}]"


def _example_lines(path: str) -> list[str]:
    return ["", "Examples:", *(f"  {example}" for example in EXAMPLES.get(path, ()))]


def _option_lines(command: Any, ctx: Any, width: int) -> list[str]:
    """The options in their groups."""
    by_group: dict[str, list[tuple[str, str]]] = {"Options": [], **{name: [] for name in GROUPS}}
    for option in command.get_params(ctx):
        record = None if isinstance(option, TyperArgument) else option.get_help_record(ctx)
        if record is not None:
            by_group[_group_of(option.opts)].append((f"  {record[0]}", record[1]))
    lines = []
    for title, told in by_group.items():
        if told:
            lines += ["", f"{title}:", *_pairs(told, width)]
    return lines


def _group_of(names: Sequence[str]) -> str:
    return next(
        (title for title, members in GROUPS.items() if any(name in members for name in names)),
        "Options",
    )


def _short_lines(width: int) -> list[str]:
    """Exit codes and variables by name alone."""
    codes = " ".join(code for code, _ in EXIT_CODES)
    names = ", ".join(name for name, _ in ENVIRONMENT)
    return [
        "",
        *folded(f"Exit codes:  {codes}", width),
        *folded(f"Environment:  {names}", width),
        *folded(_WHOLE, width),
    ]


def _reference_lines(width: int) -> list[str]:
    """Exit codes and variables with what they mean."""
    return list(_sections(("Exit codes", EXIT_CODES), ("Environment", ENVIRONMENT), width=width))


def _sections(*sections: tuple[str, Sequence[tuple[str, str]]], width: int) -> Iterator[str]:
    for title, told in sections:
        yield ""
        yield f"{title}:"
        yield from _pairs([(f"  {name}", text) for name, text in told], width)


def _pairs(told: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Names with what they are about, in two columns."""
    return table_lines((Column("name"), Column("told", words="fold")), told, width, titles=False)
