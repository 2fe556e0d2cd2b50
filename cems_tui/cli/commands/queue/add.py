"""`cems queue add`: pictures to be drawn when somebody says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.budget import loads_count
from cems_tui.cli.commands.generate import DrawingOptions, drawing_requests, print_bill
from cems_tui.cli.options import RoutingOptions, with_groups
from cems_tui.domain.bill import bill_of
from cems_tui.domain.job import Foreseen, Priority
from cems_tui.profile import Profile
from cems_tui.services.queue.foresight import foreseen
from cems_tui.services.queue.outlook import line_of
from cems_tui.services.queue.runner import jobs_of
from cems_tui.text import counted
from cems_tui.views.bill import bill_words

FORESEEN_AT_MOST = 500
"""Pictures whose price is told at once; of more it is asked while they are worked on."""


@with_groups
def add(
    *,
    prompts: o.Prompts = None,
    file: o.PromptFile = None,
    choice: RoutingOptions,
    drawing: DrawingOptions,
    priority: Annotated[Priority, typer.Option(help="Who goes first among what waits.")] = "batch",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the bill, add nothing.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Put pictures into the queue, to be drawn by `cems queue run` or the app."""
    lines = o.prompt_lines(prompts, file, quiet=quiet)
    profile = Profile.current()
    with profile.planner() as planner:
        requests = drawing_requests(lines, choice, drawing, planner)
        if dry_run:
            return print_bill(requests, planner, json=json, quiet=quiet)
        with profile.records() as store:
            if drawing.session is not None:
                owner = store.session(drawing.session, command="queue add")
                requests = [replace(one, session=owner) for one in requests]
            out_dir = None if drawing.out is None else drawing.out.absolute()
            requests = [replace(one, out_dir=out_dir) for one in requests]
            numbers = store.queue.add(jobs_of(requests, [], priority=priority))
            told = [foreseen(planner, one) for one in requests[:FORESEEN_AT_MOST]]
            found = [(numbers[one.id], seen) for one, seen in zip(requests, told, strict=False)]
            store.queue.foresee(found)
        told += [Foreseen()] * (len(requests) - len(told))
        if json:
            rows = [
                {"id": one.id, "prompt": one.prompt, "function": seen.function}
                for one, seen in zip(requests, told, strict=True)
            ]
            output.json_document(rows)
        else:
            for one in requests if quiet else ():
                output.line(one.id)
        bill = bill_of(map(line_of, told), loads_included=loads_count(requests))
        words = bill_words(bill, output.money_of(planner.settings), "nothing was drawn yet")
        if not (quiet or json):
            output.line(f"{counted(len(requests), 'picture')} in the queue; `cems queue run` draws")
        output.note(words)
    return 0
