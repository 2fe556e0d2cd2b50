"""Which commands there are: a name, a line of help, and how the command is imported.

A command is imported when it is called or asked for its own help; `cems --help` imports none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args, get_origin

import typer
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from cems_tui.cli.help import COMMANDS, CemsCommand, group_lines
from cems_tui.lean_imports import uncollected

Command = Callable[..., Any]
Load = Callable[[], Command | typer.Typer]

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?", re.ASCII)


def plain(kind: Any, value: Any) -> Any:
    """A value as the parser has it, in the kind it is to be; None where that takes a closer look.

    Args:
        kind: what a parameter is declared as.
    """
    if get_origin(kind) is list and isinstance(value, tuple | list):
        items = [plain(get_args(kind)[0], item) for item in value]
        return None if None in items else items
    if get_origin(kind) is Literal:
        return value if value in get_args(kind) else None
    if isinstance(kind, type) and type(value) is kind:
        return value
    if isinstance(value, str) and kind is int and WHOLE_NUMBER.fullmatch(value):
        return int(value)
    if isinstance(value, str) and kind is float and NUMBER.fullmatch(value):
        return float(value)
    return None


class Plain:
    """A parameter that takes what is plainly right, and nothing, without the parser's checker.

    The checker is pydantic: a fifth of what a short command takes is its import. What is not
    plainly right is left to it, so that it is refused in its words.
    """

    def process_value(self: Any, ctx: Any, value: Any) -> Any:
        """What the command is called with."""
        several = self.multiple or self.nargs == -1
        if value is None or (several and not value):
            taken, is_plain = () if several else None, not self.required
        else:
            taken = plain(self.type_descriptor.annotation, value)
            is_plain = taken is not None and _is_allowed(self.type_descriptor.parameter_info, taken)
        if taken is None and isinstance(value, str):
            _refuse_no_number(self, ctx, value)
        if not is_plain:
            return super().process_value(ctx, value)  # type: ignore[misc]
        return taken if self.callback is None else self.callback(ctx, self, taken)


NUMBERS = {float: "a number, such as 0.5", int: "a whole number"}


def _refuse_no_number(parameter: Any, ctx: Any, value: str) -> None:
    """Say in words of ours that a text is no number, where one is to be.

    Raises:
        typer.BadParameter: it is none.
    """
    kind = parameter.type_descriptor.annotation
    if kind not in NUMBERS or parameter.type_descriptor.parameter_info.parser is not None:
        return
    try:
        number = float(value)
    except ValueError:
        is_one = False
    else:
        is_one = kind is float or number.is_integer()  # `4.0` is a whole number too
    if not is_one:
        raise typer.BadParameter(f"{value!r} is not {NUMBERS[kind]}.", ctx=ctx, param=parameter)


def _is_allowed(declared: Any, value: Any) -> bool:
    """Whether a value is within the bounds of its parameter, which has no parser of its own."""
    if declared.parser is not None:
        return False
    items = value if isinstance(value, list) else [value]
    low, high = declared.min, declared.max
    return all((low is None or low <= item) and (high is None or item <= high) for item in items)


class PlainOption(Plain, TyperOption):
    """An option that takes what is plainly right by itself."""


class PlainArgument(Plain, TyperArgument):
    """An argument that takes what is plainly right by itself."""


def plainly(parameter: Any) -> Any:
    """A parameter as the parser made it, taking what is plainly right by itself."""
    kind = PlainArgument if isinstance(parameter, TyperArgument) else PlainOption
    made = kind.__new__(kind)
    vars(made).update(vars(parameter))
    return made


class PlainHelp:
    """A command whose `--help` is as plain as its other parameters."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option that prints the help; None where there is none."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        return None if option is None else plainly(option)


class PlainCommand(PlainHelp, CemsCommand):
    """A command that is called without the parser's checker, if all it is given is plain."""


class CommandTable(PlainHelp, TyperGroup):
    """A group that knows its commands by name and help, and imports the one that is called."""

    table: ClassVar[Mapping[str, tuple[Load, str]]]
    """Name → how to import the command, and the first sentence of its help."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Names under titles, in the help; without any they stand as in the table."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=told) for name, (_, told) in self.table.items()
        }

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command itself, imported now; None if nothing is called that."""
        if cmd_name not in self.table:
            return None
        with uncollected():
            found = self.table[cmd_name][0]()
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=PlainCommand)(found)
        command = typer.main.get_command(single)
        command.params = [plainly(parameter) for parameter in command.params]
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group, each command with its line; none is imported."""
        told = {name: text for name, (_, text) in self.table.items()}
        lines = group_lines(self, ctx, told, self.sections, formatter.width)
        formatter.write("\n".join(lines) + "\n")


def _group(table: type[CommandTable], told: str) -> tuple[Load, str]:
    def load() -> typer.Typer:
        return typer.Typer(cls=table, help=told, add_completion=False, rich_markup_mode=None)

    return load, told


def _history_ls() -> Command:
    from cems_tui.cli.commands.history.ls import ls

    return ls


def _history_show() -> Command:
    from cems_tui.cli.commands.history.show import show

    return show


def _history_stats() -> Command:
    from cems_tui.cli.commands.history.stats import stats

    return stats


def _history_path() -> Command:
    from cems_tui.cli.commands.history.path import path

    return path


def _history_export() -> Command:
    from cems_tui.cli.commands.history.export import export

    return export


def _history_rate() -> Command:
    from cems_tui.cli.commands.history.rate import rate

    return rate


def _history_star() -> Command:
    from cems_tui.cli.commands.history.star import star

    return star


def _history_rm() -> Command:
    from cems_tui.cli.commands.history.rm import rm

    return rm


def _history_restore() -> Command:
    from cems_tui.cli.commands.history.restore import restore

    return restore


def _history_backup() -> Command:
    from cems_tui.cli.commands.history.backup import backup

    return backup


class History(CommandTable):
    """The commands of `cems history`."""

    table: ClassVar = {
        "ls": (_history_ls, "List pictures, newest first."),
        "show": (_history_show, "Print a picture's record; the same as `cems why`."),
        "stats": (
            _history_stats,
            "Print what pictures took, cost and scored, and whether routing was worth it.",
        ),
        "export": (_history_export, "Print the history as a table, or copy its pictures."),
        "rate": (_history_rate, "Rate a picture from 1 to 5, or take the rating back."),
        "star": (_history_star, "Star pictures, or take their stars back."),
        "rm": (_history_rm, "Put pictures into the trash, or forget them for good."),
        "restore": (_history_restore, "Take pictures back from the trash."),
        "backup": (_history_backup, "Copy the database, whole even while pictures are made."),
        "path": (_history_path, "Print where the database and the pictures are."),
    }


def _queue_add() -> Command:
    from cems_tui.cli.commands.queue.add import add

    return add


def _queue_add_command() -> Command:
    from cems_tui.cli.commands.queue.add_command import add_command

    return add_command


def _queue_ls() -> Command:
    from cems_tui.cli.commands.queue.ls import ls

    return ls


def _queue_run() -> Command:
    from cems_tui.cli.commands.queue.run import run

    return run


def _queue_pause() -> Command:
    from cems_tui.cli.commands.queue.pause import pause

    return pause


def _queue_resume() -> Command:
    from cems_tui.cli.commands.queue.resume import resume

    return resume


def _queue_move() -> Command:
    from cems_tui.cli.commands.queue.move import move

    return move


def _queue_cancel() -> Command:
    from cems_tui.cli.commands.queue.cancel import cancel

    return cancel


def _queue_retry() -> Command:
    from cems_tui.cli.commands.queue.retry import retry

    return retry


def _queue_rm() -> Command:
    from cems_tui.cli.commands.queue.rm import rm

    return rm


class Queue(CommandTable):
    """The commands of `cems queue`."""

    table: ClassVar = {
        "add": (
            _queue_add,
            "Put pictures into the queue, to be drawn by `cems queue run` or the app.",
        ),
        "add-command": (
            _queue_add_command,
            "Put another command into the queue: a benchmark, a training or a pull.",
        ),
        "ls": (
            _queue_ls,
            "List what runs and waits, in the order of turns, with when and for how much.",
        ),
        "run": (
            _queue_run,
            "Work on the queue until nothing waits; what was paused by hand stays.",
        ),
        "pause": (
            _queue_pause,
            "Keep jobs from starting; one that is named and runs ends at its next step.",
        ),
        "resume": (
            _queue_resume,
            "Have paused jobs wait for their turn again; `cems queue run` or the app does them.",
        ),
        "move": (_queue_move, "Put jobs before, or behind, all others that wait."),
        "cancel": (
            _queue_cancel,
            "Take jobs out of the queue; one that runs ends at its next step.",
        ),
        "retry": (
            _queue_retry,
            "Have failed jobs, or cancelled ones that are named, wait for their turn again.",
        ),
        "rm": (_queue_rm, "Forget jobs that do not run; pictures that they made stay."),
    }


def _bench_prompts() -> Command:
    from cems_tui.cli.commands.bench.prompts import prompts

    return prompts


def _bench_run() -> Command:
    from cems_tui.cli.commands.bench.run import run

    return run


def _bench_export() -> Command:
    from cems_tui.cli.commands.bench.export import export

    return export


def _bench_import() -> Command:
    from cems_tui.cli.commands.bench.import_ import import_

    return import_


def _bench_ls() -> Command:
    from cems_tui.cli.commands.bench.ls import ls

    return ls


def _bench_report() -> Command:
    from cems_tui.cli.commands.bench.report import report

    return report


def _bench_rescore() -> Command:
    from cems_tui.cli.commands.bench.rescore import rescore

    return rescore


def _bench_rm() -> Command:
    from cems_tui.cli.commands.bench.rm import rm

    return rm


class Bench(CommandTable):
    """The commands of `cems bench`."""

    table: ClassVar = {
        "prompts": (
            _bench_prompts,
            "List the sets of prompts, or print the prompts of one; a public one is fetched first.",
        ),
        "run": (
            _bench_run,
            "Draw and score every prompt with every function and seed; continue where it stopped.",
        ),
        "export": (_bench_export, "Print a benchmark as a score table, one score a row."),
        "import": (
            _bench_import,
            "Take a score table, or a folder of other tools' pictures, in as a benchmark.",
        ),
        "ls": (_bench_ls, "List the benchmarks, newest first."),
        "report": (
            _bench_report,
            "Print what each function scored and cost, on every metric and in every group.",
        ),
        "rescore": (
            _bench_rescore,
            "Read a benchmark's kept pictures with other scorers; nothing is drawn.",
        ),
        "rm": (_bench_rm, "Forget a benchmark with its scores and pictures, or these alone."),
    }


def _router_train() -> Command:
    from cems_tui.cli.commands.router.train import train

    return train


def _router_retrain() -> Command:
    from cems_tui.cli.commands.router.retrain import retrain

    return retrain


def _router_eval() -> Command:
    from cems_tui.cli.commands.router.eval import evaluate

    return evaluate


def _router_diff() -> Command:
    from cems_tui.cli.commands.router.diff import diff

    return diff


def _router_ls() -> Command:
    from cems_tui.cli.commands.router.ls import ls

    return ls


def _router_show() -> Command:
    from cems_tui.cli.commands.router.show import show

    return show


def _router_rm() -> Command:
    from cems_tui.cli.commands.router.rm import rm

    return rm


def _router_use() -> Command:
    from cems_tui.cli.commands.router.use import use

    return use


def _router_rollback() -> Command:
    from cems_tui.cli.commands.router.rollback import rollback

    return rollback


def _router_export() -> Command:
    from cems_tui.cli.commands.router.export import export

    return export


def _router_import() -> Command:
    from cems_tui.cli.commands.router.import_ import import_

    return import_


def _router_calibrate() -> Command:
    from cems_tui.cli.commands.router.calibrate import calibrate

    return calibrate


class Router(CommandTable):
    """The commands of `cems router`."""

    table: ClassVar = {
        "train": (
            _router_train,
            "Train a router on a benchmark of one's own and say whether it is worth using.",
        ),
        "retrain": (
            _router_retrain,
            "Learn from one's own prompts what the router in use does not know, as a new one.",
        ),
        "eval": (
            _router_eval,
            "Judge a router on a benchmark: against each function alone, mixes of them, "
            "and an oracle.",
        ),
        "diff": (
            _router_diff,
            "Print which prompts change function from router A to B, and what that is worth.",
        ),
        "ls": (
            _router_ls,
            "List the routers, with what each is worth; * is the one that is asked.",
        ),
        "show": (_router_show, "Print a router's card, its verdict, and why it would be refused."),
        "rm": (_router_rm, "Remove a router of one's own; the shipped ones stay."),
        "use": (
            _router_use,
            "Ask this router from now on, if it beat the best single function and is not worse.",
        ),
        "rollback": (_router_rollback, "Ask the router again that was in use before."),
        "export": (
            _router_export,
            "Write a router as one file: its card and its weights, nothing that can run.",
        ),
        "import": (_router_import, "Take a router in, checked whole before anything is kept."),
        "calibrate": (
            _router_calibrate,
            "Make a router of another whose scale is that of the instrument here; no pick changes.",
        ),
    }


def _starter_build() -> Command:
    from cems_tui.cli.commands.starter.build import build

    return build


def _starter_verify() -> Command:
    from cems_tui.cli.commands.starter.verify import verify

    return verify


class Starter(CommandTable):
    """The commands of `cems starter`."""

    table: ClassVar = {
        "build": (
            _starter_build,
            "Rebuild the pack from its recipe: hours on a CPU, stopped and resumed at any time.",
        ),
        "verify": (
            _starter_verify,
            "Check every file of the pack against its sha256, then what its pipelines draw.",
        ),
    }


def _config_path() -> Command:
    from cems_tui.cli.commands.config.path import path

    return path


def _config_show() -> Command:
    from cems_tui.cli.commands.config.show import show

    return show


def _config_get() -> Command:
    from cems_tui.cli.commands.config.get import get

    return get


def _config_set() -> Command:
    from cems_tui.cli.commands.config.set_ import set_

    return set_


def _config_validate() -> Command:
    from cems_tui.cli.commands.config.validate import validate

    return validate


class Config(CommandTable):
    """The commands of `cems config`."""

    table: ClassVar = {
        "path": (_config_path, "Print where everything lives."),
        "show": (_config_show, "Print every setting, its value and where the value comes from."),
        "get": (_config_get, "Print the value of one setting."),
        "set": (
            _config_set,
            "Write one setting into config.toml; comments and everything else there stay.",
        ),
        "validate": (
            _config_validate,
            "Check config.toml and the environment; exit 2 when something cannot be followed.",
        ),
    }


def _generate() -> Command:
    from cems_tui.cli.commands.generate import generate

    return generate


def _route() -> Command:
    from cems_tui.cli.commands.route import route

    return route


def _why() -> Command:
    from cems_tui.cli.commands.why import why

    return why


def _ls() -> Command:
    from cems_tui.cli.commands.ls import ls

    return ls


def _show() -> Command:
    from cems_tui.cli.commands.show import show

    return show


def _pull() -> Command:
    from cems_tui.cli.commands.pull import pull

    return pull


def _verify() -> Command:
    from cems_tui.cli.commands.verify import verify

    return verify


def _rm() -> Command:
    from cems_tui.cli.commands.rm import rm

    return rm


def _import() -> Command:
    from cems_tui.cli.commands.import_ import import_

    return import_


def _ps() -> Command:
    from cems_tui.cli.commands.ps import ps

    return ps


def _stop() -> Command:
    from cems_tui.cli.commands.stop import stop

    return stop


def _doctor() -> Command:
    from cems_tui.cli.commands.doctor import doctor

    return doctor


def _completion() -> Command:
    from cems_tui.cli.commands.completion import completion

    return completion


def _vote() -> Command:
    from cems_tui.cli.commands.vote import vote

    return vote


def _finish() -> Command:
    from cems_tui.cli.commands.finish import finish

    return finish


def _shadow_on() -> Command:
    from cems_tui.cli.commands.shadow.on import on

    return on


def _shadow_off() -> Command:
    from cems_tui.cli.commands.shadow.off import off

    return off


def _shadow_status() -> Command:
    from cems_tui.cli.commands.shadow.status import status

    return status


def _shadow_run() -> Command:
    from cems_tui.cli.commands.shadow.run import run

    return run


class Shadow(CommandTable):
    """The commands of `cems shadow`."""

    table: ClassVar = {
        "on": (
            _shadow_on,
            "Draw past prompts in idle time with what was not chosen, within so much a day.",
        ),
        "off": (_shadow_off, "Draw nothing in idle time; the budget and what was drawn stay."),
        "status": (
            _shadow_status,
            "Print the switch, the budget, what was drawn, and the regret that it measures.",
        ),
        "run": (_shadow_run, "Draw some past prompts now with functions that were not chosen."),
    }


class Cems(CommandTable):
    """The commands of `cems`."""

    sections: ClassVar = COMMANDS
    table: ClassVar = {
        "generate": (_generate, "Route, generate, score and record a picture of each prompt."),
        "route": (
            _route,
            "Print the price card and the decision of each prompt; generate nothing.",
        ),
        "finish": (
            _finish,
            "Draw kept drafts again with a dearer function; print the bill of each stage.",
        ),
        "why": (
            _why,
            "Print why a picture was drawn the way it was: pick, runners-up, prices, scores.",
        ),
        "ls": (
            _ls,
            "List the models: those that draw, installed ones first, then those that help.",
        ),
        "show": (
            _show,
            "Print everything known of a model: licence, files, functions, seconds, memory, price.",
        ),
        "pull": (_pull, "Fetch models from the Hub: resumable, verified, never half-installed."),
        "verify": (
            _verify,
            "Read a model's files again and compare every digest with what was recorded.",
        ),
        "rm": (_rm, "Remove a model from this disk; what others use stays."),
        "import": (
            _import,
            "Take in a diffusers folder, or one network with its base, "
            "that is on the disk already.",
        ),
        "ps": (
            _ps,
            "List what is on the device: bytes, components, until when, in which process.",
        ),
        "stop": (
            _stop,
            "Free a model's memory in the process that holds it; "
            "after its picture if it is in use.",
        ),
        "doctor": (
            _doctor,
            "Look at device, memory, disk, pack, database, settings and versions; say what to do.",
        ),
        "history": _group(History, "What was generated, what it cost, how it scored."),
        "queue": _group(Queue, "What waits to be drawn or done, in which order, and how it went."),
        "bench": _group(Bench, "Measure functions on prompts; take score tables in."),
        "router": _group(Router, "Train routers, judge them, choose one."),
        "vote": (
            _vote,
            "Say which of two pictures of a prompt is better, blindly; see how scorers agree.",
        ),
        "shadow": _group(Shadow, "Past prompts drawn again with functions that were not chosen."),
        "starter": _group(Starter, "The embedded starter pack."),
        "config": _group(Config, "The settings."),
        "completion": (
            _completion,
            "Print what makes a shell complete the commands and options of cems.",
        ),
    }


def open_app() -> int:
    """Open the terminal app, imported now; its exit code.

    The terminal is asked first: it answers while the app is imported.
    """
    from screens.terminal import taken_over

    with taken_over() as terminal:
        from cems_tui.cli.commands.app import open_app as run

        return run(terminal)
