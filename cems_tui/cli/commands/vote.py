"""`cems vote`: which of two pictures is better, function and price hidden until the vote."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from cems_tui.bench.ballot import Ballot, Ballots, Report, neutral_copies
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.domain.generation import Generation
from cems_tui.errors import UsageError
from cems_tui.evidence.preference import Agreement, Answer
from cems_tui.profile import Profile
from cems_tui.text import counted, one_line, visible
from cems_tui.views.figures import Money
from cems_tui.views.savings import percent
from cems_tui.views.scales import constants_lines, labels

ANSWERS: dict[str, Answer] = {"1": "left", "2": "right", "=": "tie", "x": "both bad"}
QUESTION = "1 or 2 is better, = a tie, x both bad; s skip, u undo the last vote, q stop:"
PICTURE_COLUMNS = 36


def vote(
    report: Annotated[
        bool, typer.Option("--report", help="Print what the votes say; ask nothing.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last vote back.")] = False,
    json: o.Json = False,
) -> None:
    """Say which of two pictures of a prompt is better, blindly; see how scorers agree."""
    output.only_one(report=report, undo=undo)
    profile = Profile.current()
    if report:
        with profile.history() as store:
            told = Ballots(store, SystemRandom()).report()
        if json:
            output.json_document(told.to_json())
        else:
            _print_report(told)
        return
    if json:
        raise UsageError("--json goes with --report", "Votes are given at a terminal.")
    with profile.records() as store:
        ballots = Ballots(store, SystemRandom())
        if undo:
            _undo(ballots)
            return
        if not sys.stdin.isatty():
            raise UsageError(
                "votes are given at a terminal, and there is none",
                "Run it in a terminal, or read what there is: cems vote --report.",
            )
        with tempfile.TemporaryDirectory(prefix="cems-vote-") as folder:
            _ask(ballots, Path(folder), output.money_of(profile.settings))


def _ask(ballots: Ballots, folder: Path, money: Money) -> None:
    """Pair after pair, until there is none or the user stops."""
    given, passed = 0, list[tuple[str, str]]()
    while (ballot := ballots.next(passed)) is not None:
        _show(ballot, folder)
        match output.ask(QUESTION):
            case "q" | "":
                break
            case "s":
                passed.append((ballot.left.id, ballot.right.id))
            case "u":
                _undo(ballots)
                given = max(0, given - 1)
            case answer if answer in ANSWERS:
                ballots.vote(ballot, ANSWERS[answer])
                given += 1
                for line in _revealed(ballot, money):
                    output.line(line)
            case _:
                output.note("that is none of the answers")
    else:
        output.note(
            "no pair is left to vote on"
            if given or passed
            else "no prompt has pictures of two functions yet; draw one with another: "
            "cems generate PROMPT --function NAME"
        )
    output.line(f"{counted(given, 'vote')} kept")


def _show(ballot: Ballot, folder: Path) -> None:
    output.line()
    output.line(one_line(ballot.prompt, 200))
    copies = neutral_copies(ballot, folder)
    for number, copy in enumerate(copies, start=1):
        output.line(f"{number}: {copy}")
        if sys.stdout.isatty():
            output.picture(copy, PICTURE_COLUMNS)


def _revealed(ballot: Ballot, money: Money) -> Iterator[str]:
    sides = (ballot.left, ballot.right)
    called = labels((s.metric, s.scorer) for one in sides for s in one.scores)

    def told(one: Generation) -> str:
        scores = "  ".join(f"{called[s.metric, s.scorer]} {s.value:.3f}" for s in one.scores)
        price = money.per_thousand_words(one.cost_usd)
        return f"{visible(one.executed)}  {price}  seed {one.seed}  {scores or 'not scored'}"

    for number, one in enumerate(sides, start=1):
        yield f"  {number} was {told(one)}"


def _undo(ballots: Ballots) -> None:
    taken = ballots.undo()
    output.line("there is no vote to take back" if taken is None else "the last vote is taken back")


def _print_report(told: Report) -> None:
    if not told.votes:
        output.note("nobody voted yet: cems vote")
        return
    output.line(counted(len(told.votes), "vote"))
    columns = (
        Column("function"),
        Column("won", right=True),
        Column("lost", right=True),
        Column("tied", right=True),
        Column("both bad", right=True),
    )
    output.table(
        columns,
        [
            (visible(f.function), str(f.won), str(f.lost), str(f.tied), str(f.both_bad))
            for f in told.functions
        ],
    )
    called = labels((one.metric, one.scorer) for one in told.scorers)
    for one in told.scorers:
        output.line(_agreement_words(one, called[one.metric, one.scorer]))
    for line in constants_lines(called):
        output.line(line)


def _agreement_words(one: Agreement, label: str) -> str:
    """`mixed agrees with 78 % [66 %, 87 %] of 40 votes; 0.21 [0.14, 0.43] more win 3 in 4`."""
    low, high = one.interval
    agreed = f"{percent(one.agreed)} [{percent(low)}, {percent(high)}]"
    said = f"{label} agrees with {agreed} of {counted(one.votes, 'vote')}"
    if low <= 0.5:
        said += ", no better than a coin as far as they tell"
    if one.units_for_three_to_one is None or one.units_interval is None:
        return said
    least, most = one.units_interval
    reach = f"[{least:.3g}, {'∞' if most is None else f'{most:.3g}'}]"
    return f"{said}; {one.units_for_three_to_one:.3g} {reach} more win 3 times in 4"
