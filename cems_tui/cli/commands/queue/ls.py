"""`cems queue ls`: what runs, waits, is paused or failed, and what is to be expected of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.domain.job import FINISHED
from cems_tui.profile import Profile
from cems_tui.services.queue.outlook import SHOWN, Expectation, Outlook, outlook
from cems_tui.services.queue.owner import JobOwners
from cems_tui.services.queue.turn_order import Order
from cems_tui.text import one_line
from cems_tui.views.bill import bill_words, duration
from cems_tui.views.figures import UNKNOWN

SHOWN_PROMPT = 60
"""Characters of a prompt in the list."""


def ls(
    every: Annotated[
        bool, typer.Option("--all", help="Also what is done or cancelled, as far as remembered.")
    ] = False,
    order: Annotated[Order, typer.Option(help="The order `cems queue run` is to have.")] = "family",
    most: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = SHOWN,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List what runs and waits, in the order of turns, with when and for how much."""
    print_outlook(Profile.current(), order, every=every, most=most, json=json, quiet=quiet)


def print_outlook(
    profile: Profile,
    order: Order,
    *,
    every: bool = False,
    most: int = SHOWN,
    json: bool,
    quiet: bool,
) -> None:
    """Order, times and bill of what is in the queue."""
    profile.settle_queue()
    there = profile.device.presence()
    resident = frozenset(one.model for one in there.models) if there is not None else frozenset()
    with profile.history() as store:
        told = outlook(store.queue, resident, order, most=max(0, most))
        rows = list(told.jobs)
        if every:
            known = {one.job.number for one in rows}
            rows += [
                Expectation(job)
                for job in store.queue.jobs(FINISHED, most=max(0, most))
                if job.number not in known
            ]
    if json:
        output.json_document([_row(one, profile.job_owners) for one in rows])
    elif quiet:
        for one in rows:
            output.line(one.job.id)
    else:
        _print(rows, told, profile)


def _row(one: Expectation, owners: JobOwners) -> dict[str, Any]:
    job, seen = one.job, one.job.foreseen
    holder = None if job.owner is None else owners.holder(job.owner)
    return {
        "id": job.id,
        "number": job.number,
        "kind": job.kind,
        "prompt": job.title if job.kind == "picture" else None,
        "command": None if job.kind == "picture" else job.title,
        "priority": job.priority,
        "state": job.state,
        "reason": job.reason or None,
        "hint": job.hint or None,
        "exit_code": job.exit_code,
        "position": one.position,
        "starts_in_seconds": one.starts_in_seconds,
        "loads": one.loads if one.position is not None else None,
        "function": seen.function,
        "seconds": seen.seconds,
        "cost_usd": seen.cost_usd,
        "load_seconds": seen.load_seconds,
        "load_cost_usd": seen.load_cost_usd,
        "submission": job.submission,
        "session": None if job.request is None else job.request.session,
        "created": job.created,
        "process": None if holder is None else {"pid": holder.pid, "command": holder.command},
    }


def _print(rows: list[Expectation], told: Outlook, profile: Profile) -> None:
    if not rows:
        output.line("nothing is in the queue")
        return
    output.table(
        (
            Column("id"),
            Column("state"),
            Column("starts in", right=True),
            Column("function"),
            Column("what", words="fold"),
        ),
        [
            (
                one.job.id,
                one.job.state,
                _when(one),
                one.job.foreseen.function or UNKNOWN,
                _what(one),
            )
            for one in rows
        ],
    )
    if told.left_out:
        output.note(f"{told.left_out} more; --limit shows them")
    if told.bill is not None:
        output.line(bill_words(told.bill, output.money_of(profile.settings), _counts(told)))
    if told.count("paused"):
        output.note("what is paused goes on with `cems queue resume` or `cems queue run`")


def _when(one: Expectation) -> str:
    if one.position is None:
        return ""
    return UNKNOWN if one.starts_in_seconds is None else duration(one.starts_in_seconds)


def _what(one: Expectation) -> str:
    text = one_line(one.job.title, SHOWN_PROMPT)
    return f"{text} ({one.job.reason})" if one.job.reason else text


def _counts(told: Outlook) -> str:
    return ", ".join(f"{count} {state}" for state, count in told.counts if state != "done")
