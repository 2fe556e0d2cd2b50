"""`cems router eval|diff`: what a router is worth, and what changes from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cems_tui.cli import options as o
from cems_tui.cli.options import Yes
from cems_tui.errors import UsageError

if TYPE_CHECKING:
    from cems_tui.domain.decision import FeatureSet
    from cems_tui.routing.checkpoints.card import Card
    from cems_tui.routing.evaluation.compare import Difference
    from cems_tui.services.routers import Change


Metric = Annotated[
    str | None, typer.Option("--metric", metavar="M", help="The scale to judge by; the router's.")
]
SHOWN_CHANGES = 20


def register(router: typer.Typer) -> None:
    router.command("eval")(evaluate)
    router.command("diff")(diff)


def evaluate(
    name: Annotated[str, typer.Argument(metavar="R", help="The router.")],
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to judge it on.")],
    metric: Metric = None,
    split: Annotated[
        Literal["all", "test", "groups"] | None,
        typer.Option(help="Held-out prompts where it was trained, else all; or group by group."),
    ] = None,
    json: o.Json = False,
) -> None:
    """Judge a router on a benchmark: against each function alone, mixes of them, and an oracle."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.routing.evaluation.judge import judge

    profile = Profile.current()
    checkpoint = profile.shelf().named(name)
    scored = profile.scores.bench(bench)
    if metric is None:
        output.note(f"judged by {checkpoint.metric}; --metric chooses another")
    figures = judge(checkpoint, scored.table, metric=metric, prices=scored.prices, split=split)
    for text in figures["notes"]:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **figures})
    else:
        _print_figures(figures)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A router.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other router.")],
    bench: Annotated[str, typer.Option(metavar="T", help="The benchmark with the prompts.")],
    metric: Metric = None,
    tradeoff: Annotated[
        float, typer.Option(metavar="0..1", min=0.0, max=1.0, help="The dial of both.")
    ] = 1.0,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Print which prompts change function from router A to B, and what that is worth."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.routing.evaluation.compare import difference

    profile = Profile.current()
    shelf, scored = profile.shelf(), profile.scores.bench(bench)
    found = difference(
        shelf.named(a),
        shelf.named(b),
        scored.table,
        metric=metric,
        prices=scored.prices,
        tradeoff=tradeoff,
    )
    for text in found.notes:
        output.note(f"note: {text}")
    if json:
        output.json_document({"bench": bench, **found.to_json()})
    elif quiet:
        for one in found.changes:
            output.line(one.prompt_id)
    else:
        _print_difference(found)


def _print_figures(figures: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cems_tui.cli import output
    from cems_tui.text import visible

    table = Table(box=None, pad_edge=False)
    for column in ("strategy", str(figures["metric"]), "$/1,000"):
        table.add_column(visible(column), justify="left" if column == "strategy" else "right")
    for one in figures["strategies"]:
        table.add_row(
            Text(visible(one["name"])),
            "—" if one["quality"] is None else f"{one['quality']:.4g}",
            "—" if one["cost_usd"] is None else f"{one['cost_usd'] * 1000:.4g}",
        )
    output.console().print(table)
    for group, part in figures.get("groups", {}).items():
        output.line(f"{visible(group)}: {_short(part)}")
    latency = figures["latency_ms"]
    output.line(f"asked in {latency['p50']:.2f} ms (p50), {latency['p95']:.2f} ms (p95)")
    output.line(f"{figures['router']} {visible(figures['verdict_in_words'])}")


def _short(figures: Mapping[str, Any]) -> str:
    difference, area = figures["quality_vs_best_single"], figures["area_recovered"]
    low, high = difference["ci95"]
    text = (
        f"{figures['verdict']} on {figures['prompts']:,} prompts, "
        f"{difference['value']:+.3g} [{low:+.3g}, {high:+.3g}] against {figures['best_single']}"
    )
    return text if area is None else f"{text}, area recovered {area['value']:.1%}"


def _print_difference(found: Difference) -> None:
    from cems_tui.cli import output
    from cems_tui.text import one_line

    for one in found.changes[:SHOWN_CHANGES]:
        quality = "—" if one.quality_delta is None else f"{one.quality_delta:+.3g}"
        cost = "—" if one.cost_delta_usd is None else f"{one.cost_delta_usd * 1000:+.3g} $/1,000"
        output.line(
            f"{one_line(one.a, 20):<20} → {one_line(one.b, 20):<20} {quality:>8} {cost:>16}  "
            f"{one_line(one.prompt, 60)}"
        )
    if len(found.changes) > SHOWN_CHANGES:
        output.line(f"… and {len(found.changes) - SHOWN_CHANGES:,} more (--json prints all)")
    quality = "unknown" if found.quality_delta is None else f"{found.quality_delta:+.4g}"
    cost = (
        "unknown"
        if found.cost_delta_usd is None
        else f"{found.cost_delta_usd * 1000:+.4g} $ per 1,000 pictures"
    )
    output.line(
        f"{len(found.changes):,} of {found.prompts:,} prompts change function from {found.a} to "
        f"{found.b}; over all prompts {found.metric} {quality}, price {cost}"
    )


# `cems router calibrate`: a router's scale mapped to one's own instrument.


def register_scale(router: typer.Typer) -> None:
    router.command("calibrate")(calibrate)


def calibrate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    bench: Annotated[
        str | None,
        typer.Option(metavar="B", help="Scores to fit it to; one's own history and benchmarks."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Map what a router predicts to the instrument that reads scores here; no pick changes."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    card = Profile.current().trainer.calibrate(name, bench)
    assert card.scale is not None, "it was just fitted"
    if json:
        output.json_document({"router": card.name, "metric": card.metric, **asdict(card.scale)})
    elif quiet:
        output.line(card.name)
    else:
        output.line(f"{card.name}: {card.metric} = {card.scale.told}")


# `cems router export|import`: a router as one file.


def register_sharing(router: typer.Typer) -> None:
    router.command("export")(export)
    router.command("import")(import_router)


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; NAME.cems-router.zip here.")
    ] = None,
) -> None:
    """Write a router as one file: its card and its weights, nothing that can run."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.routing.checkpoints.package import export_router

    path = out or Path(f"{name}.cems-router.zip")
    export_router(Profile.current().routers.folder_of(name), name, path)
    output.line(str(path.absolute()))


def import_router(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `router export` wrote.")],
    name: Annotated[
        str | None, typer.Option(metavar="R", help="Call it this; else as it was called.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Take a router in, checked whole before anything is kept."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    card = Profile.current().routers.take_in(file, name)
    if json:
        output.json_document(
            {
                "router": card.name,
                "kind": card.kind,
                "metric": card.metric,
                "functions": list(card.functions),
                "verdict": card.verdict,
            }
        )
    else:
        output.line(card.name if quiet else f"{card.name}: {card.summary}")


# `cems router ls|show|rm`: the routers at hand.

Name = Annotated[str, typer.Argument(metavar="NAME", help="The router.")]


def register_shelf(router: typer.Typer) -> None:
    for name, command in (("ls", ls), ("show", show), ("rm", rm)):
        router.command(name)(command)


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the routers, with what each is worth; * is the one that is asked."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    cards, asked = profile.shelf().cards(), profile.routers.asked_by_default()
    if json:
        output.json_document([{**_line(card), "in_use": card.name == asked} for card in cards])
        return
    for card in cards:
        if quiet:
            output.line(card.name)
        else:
            mark = "*" if card.name == asked else " "
            output.line(f"{mark} {card.name:<20} {card.summary}")


def show(name: Name, json: o.Json = False) -> None:
    """Print a router's card, its verdict, and why it would be refused."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.routing.evaluation.verdict import refusal

    card = Profile.current().shelf().named(name).card
    why = refusal(card)
    if json:
        row = card.to_json(card.training.table)
        output.json_document({"router": card.name, "refusal": why, **row})
        return
    output.line(card.summary)
    for text in _card_lines(card):
        output.line(text)
    if why is not None:
        output.line(f"refused    {why}")


def rm(
    name: Name,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Remove a router of one's own; the shipped ones stay."""
    from cems_tui.cli import output
    from cems_tui.cli.options import agreed
    from cems_tui.profile import Profile
    from cems_tui.services.routers import remove

    routers = Profile.current().routers
    own = routers.own_files(name)
    if dry_run:
        output.line(f"would remove {', '.join(str(file) for file in own)}; nothing was removed")
        return
    if name == routers.in_use() and not routers.is_shipped(name):
        raise UsageError(
            f"router {name} is in use", "`cems router rollback`, or use another one, first."
        )
    if not agreed(f"Remove the router {name}?", yes=yes):
        output.note("nothing was removed")
        return
    remove(own)
    output.note(f"removed the router {name}")


def _line(card: Card) -> dict[str, object]:
    return {
        "router": card.name,
        "kind": card.kind,
        "metric": card.metric,
        "functions": list(card.functions),
        "prompts": card.training.prompts,
        "verdict": card.verdict,
        "created": card.created,
    }


def _card_lines(card: Card) -> list[str]:
    """A card for people."""
    from cems_tui.routing.evaluation.verdict import verdict_in_words

    scorers = ", ".join(f"{m}: {s or 'unknown'}" for m, s in card.scorers.items()) or "—"
    lines = [
        f"functions  {', '.join(card.functions)}",
        f"scorers    {scorers}",
        f"trained    {card.created} on {card.training.table}",
        f"interval   {card.interval}",
    ]
    if "quality_vs_best_single" in card.evaluation:
        lines.append(f"verdict    {verdict_in_words(card.evaluation)}")
    if card.scale is not None:
        lines.append(f"scale      {card.scale.told}")
    return lines


# `cems router train|retrain`: from scores to a router.


def register_train(router: typer.Typer) -> None:
    router.command("train")(train)
    router.command("retrain")(retrain)


def train(
    bench: Annotated[str, typer.Option(metavar="B", help="The benchmark to learn from.")],
    name: Annotated[str, typer.Option(metavar="R", help="What the router is called.")],
    kind: Annotated[
        str, typer.Option(help="ensemble, ridge, knn, clusters, transformer or cems.")
    ] = "ensemble",
    metric: Annotated[
        str | None, typer.Option(help="What it predicts; mixed where nima and clip exist.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="instant (the prompt's letters) or clip (what a text tower says)."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="The text tower of clip features: an installed pipeline, or a folder."),
    ] = None,
    tower: Annotated[
        str | None, typer.Option(help="cems alone: tuned or frozen; frozen suits a CPU.")
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(metavar="R", help="Add the benchmark's new functions to a clusters router."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train a router on a benchmark of one's own and say whether it is worth using."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile
    from cems_tui.services.router_trainer import Reading

    trainer = Profile.current().trainer
    if extend is not None:
        card = trainer.extend(bench, name, extend, output.note)
    else:
        reading = Reading(encoder, _tuned(tower))
        reads = _features(features, named_a_tower=encoder is not None or tower is not None)
        card = trainer.train(bench, name, kind, metric, output.note, reads, reading)
    print_trained(card, json=json, quiet=quiet)


def _features(said: str | None, *, named_a_tower: bool) -> FeatureSet | None:
    """What to read; None is what the kind reads by default."""
    if said is None:
        return "clip" if named_a_tower else None
    if said == "instant" and not named_a_tower:
        return "instant"
    if said == "clip":
        return "clip"
    if said == "instant":
        raise UsageError("instant features read no text tower", "Drop --encoder and --tower.")
    raise UsageError(f"there are no {said!r} features", "Choose instant or clip.")


def _tuned(said: str | None) -> bool | None:
    if said not in (None, "tuned", "frozen"):
        raise UsageError(f"a tower cannot be {said!r}", "Choose tuned or frozen.")
    return None if said is None else said == "tuned"


def retrain(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The router to train anew; its kind and metric stay."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What it predicts.")] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Train on one's own scored pictures and benchmarks, under a fresh name.

    Readings of one instrument are learned from, those of the instrument with the most. Votes and
    shadow pairs join them once there are any: no command makes them yet.
    """
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    card = Profile.current().trainer.retrain(name, metric, output.note)
    print_trained(card, json=json, quiet=quiet)


def print_trained(card: Card, *, json: bool, quiet: bool) -> None:
    """A fresh router on stdout."""
    from cems_tui.cli import output
    from cems_tui.routing.evaluation.verdict import refusal

    if json:
        output.json_document({"router": card.name, "metric": card.metric, **card.evaluation})
    elif quiet:
        output.line(card.name)
    else:
        output.line(card.summary)
        if (why := refusal(card)) is not None:
            output.note(f"note: {why}")


# `cems router use|rollback`: which router is asked.


def register_using(router: typer.Typer) -> None:
    router.command("use")(use)
    router.command("rollback")(rollback)


def use(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The router to ask from now on.")],
    force: Annotated[
        bool, typer.Option("--force", help="Though it did not beat the best single function.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Ask this router from now on, if it beat the best single function."""
    from cems_tui.profile import Profile

    _tell(Profile.current().routers.use(name, force=force), json=json, quiet=quiet)


def rollback(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Ask the router again that was in use before."""
    from cems_tui.profile import Profile

    _tell(Profile.current().routers.rollback(), json=json, quiet=quiet)


def _tell(change: Change, *, json: bool, quiet: bool) -> None:
    from cems_tui.cli import output

    if json:
        output.json_document({"router": change.after, "before": change.before})
    elif quiet:
        output.line(change.after or "")
    else:
        before = change.before or "the rule's choice"
        after = change.after or "the router that knows most of the installed functions"
        output.line(f"in use: {after} (before: {before})")
