"""`cems pull`: models from the Hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cems_tui.catalog.recommend import Recommendation
from cems_tui.catalog.survey import Survey
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.failures import failure_of, report
from cems_tui.cli.model_options import (
    DryRun,
    Guidance,
    Size,
    Steps,
    Yes,
    asking,
    checked_guidance,
    checked_size,
    checked_steps,
)
from cems_tui.cli.pull_narrator import PullNarrator, plan_lines, plan_row
from cems_tui.errors import (
    BudgetReached,
    CemsError,
    Interrupted,
    StorageError,
    UsageError,
)
from cems_tui.models.pull import Assembler
from cems_tui.models.target import PullRequest
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted

_STOPS_AT_ONCE = (BudgetReached.exit_code, StorageError.exit_code, Interrupted.exit_code)


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
    files_only: Annotated[
        bool,
        typer.Option("--files-only", help="Take a pipeline too that nothing here draws with."),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Fetch models from the Hub: resumable, verified, never half-installed."""
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
        files_only,
    )
    wishes = [PullRequest(typed, *settings) for typed in names]
    narrator = PullNarrator(json=json, quiet=quiet)
    puller = Profile.current().models.puller(narrator, asking(yes))
    if not dry_run:
        _pull_all(puller, wishes, narrator.close)
        return
    for plan in (plan for wish in wishes for plan in puller.plans(wish)):
        if json:
            output.json_line(plan_row(plan))
        else:
            for line in [plan.model] if quiet else plan_lines(plan, files=True):
                output.line(line)


def _pull_all(puller: Assembler, wishes: list[PullRequest], close: Callable[[], None]) -> None:
    """Pull one after the other; all are tried, and the gravest failure is the command's."""
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


def recommended_names(
    *, json: bool, quiet: bool, dry_run: bool, ask: Callable[[str], bool]
) -> list[str]:
    """Tells the recommended set and why; the models of it to pull now, none in a dry run.

    Raises:
        UsageError: it should be asked whether to pull it, and nobody is there to answer.
    """
    profile = Profile.current()
    with profile.planner() as planner:
        found = profile.survey(planner)
    _tell(found, json=json, quiet=quiet, dry_run=dry_run)
    picks = found.recommendation.picks
    if dry_run or not picks:
        return []
    size = byte_count(found.recommendation.download_bytes)
    question = f"Pull {counted(len(picks), 'model')}, about {size}?"
    return list(found.recommendation.names) if ask(question) else []


def refuse_names(names: list[str], **given: object) -> None:
    """Refuse what means nothing with `--recommended`.

    Raises:
        UsageError: models or their settings are given too.
    """
    told = [f"--{name}" for name, value in given.items() if value is not None]
    if names or told:
        raise UsageError(
            f"--recommended chooses the models; {' and '.join([*names[:1], *told])} is of one",
            "Give only one of them.",
        )


def _tell(found: Survey, *, json: bool, quiet: bool, dry_run: bool) -> None:
    """The set is data in a dry run, and narration before a pull."""
    if json:
        output.json_line(_event(found.recommendation, found))
    elif quiet:
        for name in found.recommendation.names if dry_run else ():
            output.line(name)
    else:
        say = output.line if dry_run else output.note
        say(f"{found.room.kind} {found.room.name}: {found.sentence}")
        for pick in found.recommendation.picks:
            say(f"  {pick.model}: {pick.reason}")
        say(found.recommendation.note)


def _event(recommendation: Recommendation, found: Survey) -> dict[str, Any]:
    return {
        "event": "recommended",
        "device": found.room.kind,
        "device_name": found.room.name,
        "weight_bytes": found.room.weight_bytes,
        "download_bytes": recommendation.download_bytes,
        "note": recommendation.note,
        "models": [
            {
                "model": pick.model,
                "download_bytes": pick.download_bytes,
                "reason": pick.reason,
                "evidence": pick.evidence,
            }
            for pick in recommendation.picks
        ],
    }
