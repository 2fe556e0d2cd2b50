"""`cems pull`: models from the Hub."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.errors import BudgetReached, CemsError, Interrupted, StorageError, UsageError

if TYPE_CHECKING:
    from cems_tui.models.assembling import Assembler
    from cems_tui.models.target import Wish

_STOPS_AT_ONCE = (BudgetReached.exit_code, StorageError.exit_code, Interrupted.exit_code)

Steps = Annotated[
    str | None, typer.Option("--steps", metavar="N,…", help="Steps of its functions (default 20).")
]
Guidance = Annotated[
    float | None, typer.Option("--guidance", metavar="G", help="Guidance of its functions.")
]
Size = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Pixels of its functions' pictures.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]


def register(app: typer.Typer) -> None:
    app.command("pull")(pull)


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Models, or ORG/REPO.")
    ] = None,
    recommended: Annotated[
        bool, typer.Option("--recommended", help="The models that are worth it on this machine.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="SHA", help="A commit, branch or refs/pr/N.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="What to call it here.")
    ] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    size: Size = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Fetch models from the Hub: resumable, verified, never half-installed."""
    from cems_tui import model_wiring
    from cems_tui.cli import output
    from cems_tui.cli.downloading import PullNarrator, plan_lines, plan_row
    from cems_tui.cli.holding import recommended_names, refuse_names
    from cems_tui.models.target import Wish

    names = list(names or ())
    if recommended:
        refuse_names(names, revision=revision, name=name, steps=steps, guidance=guidance, size=size)
        names = recommended_names(json=json, quiet=quiet, dry_run=dry_run, ask=asking(yes))
        if not names:
            return
    if not names:
        raise UsageError("no model is named", "`cems pull NAME`, or `cems pull --recommended`.")
    if len(names) > 1 and (name is not None or revision is not None):
        raise UsageError("--name and --revision are of one model", "Pull the models one by one.")
    settings = (
        revision,
        name,
        checked_steps(steps),
        checked_guidance(guidance),
        checked_size(size),
    )
    wishes = [Wish(typed, *settings) for typed in names]
    narrator = PullNarrator(json=json, quiet=quiet)
    puller = model_wiring.puller(narrator, asking(yes))
    if not dry_run:
        _pull_all(puller, wishes, narrator.close)
        return
    for plan in (plan for wish in wishes for plan in puller.plans(wish)):
        if json:
            output.json_line(plan_row(plan))
        else:
            for line in [plan.model] if quiet else plan_lines(plan, files=True):
                output.line(line)


def _pull_all(puller: Assembler, wishes: list[Wish], close: Callable[[], None]) -> None:
    """Pull one after the other; all are tried, and the gravest failure is the command's."""
    from cems_tui.cli.failures import failure_of, report

    codes = [0]
    for wish in wishes:
        try:
            puller.emit(puller.pull(wish))
        except CemsError as error:
            if len(wishes) == 1 or error.exit_code in _STOPS_AT_ONCE:
                raise
            close()
            codes.append(report(failure_of(error, interrupted=False), debug=False, error=error))
        finally:
            close()
    if max(codes):
        raise typer.Exit(max(codes))


def asking(yes: bool) -> Callable[[str], bool]:
    """Puts questions to the user at the terminal; `--yes` answers them.

    Without either a question is a UsageError.
    """

    def ask(question: str) -> bool:
        from cems_tui.cli import output
        from cems_tui.text import visible

        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(visible(question), "Answer with --yes, or ask at a terminal.")
        output.narrate(f"{visible(question)} [y/N] ", end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return ask


def checked_steps(text: str | None) -> tuple[int, ...]:
    """`4,20` as numbers; empty for None.

    Raises:
        UsageError: it is not a list of steps.
    """
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 1000 for part in parts):
        raise UsageError(f"--steps {text!r} is not a list of steps", "Write it as --steps 4,20.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def checked_size(text: str | None) -> tuple[int, int] | None:
    """`WxH` as pixels; None for None.

    Raises:
        UsageError: it is not a size.
    """
    from cems_tui.bench.prompt_sets import parsed_size

    width, height = parsed_size(text)
    return None if width is None or height is None else (width, height)


def checked_guidance(value: float | None) -> float | None:
    """The guidance, if it can be one.

    Raises:
        UsageError: it is below 0 or no number.
    """
    o.not_negative("--guidance", value)
    if value is not None and math.isinf(value):
        raise UsageError(f"--guidance {value:g} is out of range", "Give a finite number.")
    return value
