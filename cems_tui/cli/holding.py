"""What this machine can hold, as commands print it: cells of `ls`, the recommended set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cems_tui.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cems_tui.models.fitting import Verdict
    from cems_tui.models.holding import Holding, Survey
    from cems_tui.models.recommending import Recommendation

LEGEND = "held: whole, in parts, no   adds: CEMS score, ≤+ by routing   ★ recommended"
"""What the cells of a table of models mean."""

_WORDS: dict[Verdict, str] = {
    "fits": "whole",
    "fits with offload": "parts",
    "does not fit": "no",
    "unknown": "—",
}


def held(row: Mapping[str, Any]) -> str:
    """How this machine holds a model of `ls --json`, in a word; a star where it is recommended."""
    verdict: Verdict = row["verdict"]
    return _WORDS[verdict] + (" ★" if row["recommended"] is not None else "")


def keys(holding: Holding | None) -> dict[str, Any]:
    """What this machine makes of a model, as keys of `ls --json`."""
    gain = None if holding is None else holding.gain
    return {
        "verdict": "unknown" if holding is None else holding.verdict,
        "verdict_reason": None if holding is None else holding.reason,
        "download_bytes": None if holding is None else holding.download_bytes,
        "adds": None if gain is None else gain.cell,
        "gain": None
        if gain is None
        else {
            "metric": gain.metric,
            "alone": gain.alone,
            "beside": list(gain.beside),
            "best_single": gain.single,
            "routed_at_most": gain.routed,
            "wins": gain.wins,
            "sentence": gain.sentence,
        },
        "recommended": None if holding is None else holding.recommended,
    }


def recommended_names(
    *, json: bool, quiet: bool, dry_run: bool, ask: Callable[[str], bool]
) -> list[str]:
    """Tells the recommended set and why; the models of it to pull now, none in a dry run.

    Raises:
        UsageError: it should be asked whether to pull it, and nobody is there to answer.
    """
    from cems_tui import wiring
    from cems_tui.holding_wiring import survey
    from cems_tui.text import byte_count, counted

    with wiring.open_planner() as planner:
        found = survey(planner)
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
    from cems_tui.cli import output

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
