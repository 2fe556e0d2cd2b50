"""`cems bench rescore`: kept pictures read by other scorers."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cems_tui.bench.workload import work_of
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.commands.bench.run import carry_out, work_words
from cems_tui.cli.notes import tell_wait
from cems_tui.domain.bench import BenchPlan
from cems_tui.errors import UnknownName, UsageError
from cems_tui.profile import Profile
from cems_tui.scoring.instruments import INSTRUMENTS, Instrument, instruments_of
from cems_tui.services.scorers import Scorers
from cems_tui.store.benches import Benches


def rescore(
    bench: Annotated[str, typer.Argument(metavar="B", help="The benchmark.")],
    scorers: Annotated[
        str,
        typer.Option(
            metavar="A,B", help=f"Who reads: {', '.join(one.name for one in INSTRUMENTS)}."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="What the new benchmark is called; B with the scorers' names behind it."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what it would take, read nothing.")
    ] = False,
    wait: Annotated[
        float | None, typer.Option(metavar="[S]", help="Wait for the device, S seconds at most.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> int:
    """Read a benchmark's kept pictures with other scorers; nothing is drawn.

    A metric that the benchmark does not have is added to it. One that another instrument has read
    goes to a new benchmark of the same pictures, as readings of two are never mixed; what was
    stopped goes on with the same command.
    """
    o.not_negative("--wait", wait)
    profile = Profile.current()
    chosen = _instruments(scorers)
    with profile.history() as store:
        plan = store.benches.plan(bench)
        other = _read_by_others(chosen, store.benches.scorers(bench))
        pictures = len(store.benches.pictures(bench))
        fresh = (name or f"{bench}-{'-'.join(one.name for one in chosen)}") if other or name else ""
        there = bool(fresh) and store.benches.find_plan(fresh) is not None
    if not pictures:
        raise UsageError(
            f"no pictures of the benchmark {bench!r} are kept, so there is nothing to read",
            "Draw it under another --name, without --no-pictures.",
        )
    reading = _asked(profile.scorers, chosen)
    if dry_run:
        output.line(
            f"{pictures:,} kept pictures would be read by "
            f"{', '.join(one.name for one in chosen)} into the benchmark {fresh or bench}; "
            "nothing was read"
        )
        return 0
    with profile.engine(wait_seconds=wait or 0.0, yields=True, on_wait=tell_wait) as engine:
        benches = engine.store.benches
        # before a copy is made: without weights there would be nothing in it
        reading.require(engine.planner, [one.metric for one in chosen], plan.functions)
        if fresh and not there:
            _copy(benches, bench, fresh, plan, chosen)
        old = benches.plan(fresh or bench)
        metrics = tuple(dict.fromkeys((*old.metrics, *(one.metric for one in chosen))))
        grown = replace(old, metrics=metrics)
        work = work_of(grown, old, engine.planner, reading, benches, resume=True, retry_failed=True)
        only = replace(work, tasks=tuple(task for task in work.tasks if task.picture is not None))
        for text in work_words(only, None):
            output.note(text)
        return carry_out(
            only,
            engine,
            profile,
            reading,
            resume=True,
            retry_failed=True,
            keeps=False,
            budget=None,
            json=json,
            quiet=quiet,
            read_only=True,
        )


def _instruments(text: str) -> list[Instrument]:
    """The instruments of a list with commas.

    Raises:
        UsageError: one is unknown, two read the same metric, or there is none.
    """
    by_name = {one.name: one for one in INSTRUMENTS}
    found: dict[str, Instrument] = {}
    for name in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
        if name not in by_name:
            raise UnknownName.of("scorer", name, by_name)
        one = by_name[name]
        if one.metric in found:
            raise UsageError(
                f"{found[one.metric].name} and {name} both read {one.metric}",
                "Readings of two instruments are never mixed: run the command once for each.",
            )
        found[one.metric] = one
    if not found:
        raise UsageError("--scorers names nothing", f"Known: {', '.join(by_name)}.")
    return list(found.values())


def _read_by_others(chosen: list[Instrument], before: dict[str, str | None]) -> bool:
    """Whether a metric was read by another instrument before, where there are several."""
    return any(
        (scorer := before.get(one.metric)) is not None and scorer.split(":")[0] != one.name
        for one in chosen
        if len(instruments_of(one.metric)) > 1
    )


def _asked(scorers: Scorers, chosen: list[Instrument]) -> Scorers:
    """The scorers with these instruments where the settings have a choice."""
    named = {one.metric: one.name for one in chosen if one.metric in ("nima", "clip")}
    return replace(scorers, quality=replace(scorers.quality, **named))


def _copy(
    benches: Benches, bench: str, fresh: str, plan: BenchPlan, chosen: list[Instrument]
) -> None:
    own = [one.metric for one in chosen]
    derived = ["mixed"] if {"nima", "clip"} & set(own) else []
    taken = [one for one in plan.metrics if one not in (*own, *derived)]
    benches.copy(bench, fresh, (*taken, *own), (*own, *derived))
