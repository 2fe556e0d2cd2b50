"""`cems ls` and `cems show`: the models and functions there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.errors import UnknownName, UsageError
from cems_tui.text import byte_count, counted, one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cems_tui.catalog.fit import Verdict
    from cems_tui.catalog.recommend import Recommendation
    from cems_tui.catalog.survey import Holding, Survey
    from cems_tui.domain.function import Catalog, Expected, GenerationFunction, Model
    from cems_tui.services.planner import Planner


def register(app: typer.Typer) -> None:
    app.command("ls")(ls)
    app.command("show")(show)


def ls(
    fits: Annotated[
        bool, typer.Option("--fits", help="Only those that this machine holds whole.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List the models: those that draw, installed ones first, then those that help."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    with profile.planner() as planner:
        found = planner.catalog.models().values()
        models = sorted(found, key=lambda model: (_helps(model), not model.installed))
        here = profile.survey(planner)
        rows = [model_row(m, planner) | keys(here.of(m.name)) for m in models]
    if fits:
        rows = [row for row in rows if row["verdict"] == "fits"]
    if json:
        output.json_document(rows)
    elif quiet:
        for row in rows:
            output.line(row["model"])
    else:
        folders = [Path(row["path"]) for row in rows if row["path"] is not None]
        print_models(rows, disk_bytes(folders))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, function or ORG/REPO.")],
    json: o.Json = False,
) -> None:
    """Print everything known of a model: licence, files, functions, seconds, memory, price."""
    from cems_tui.cli import output
    from cems_tui.profile import Profile

    profile = Profile.current()
    with profile.planner() as planner:
        model = named_model(planner.catalog, name)
        here = keys(profile.survey(planner).of(model.name))
        row = {**model_row(model, planner, details=True), **here, **_recorded(model)}
        price = [output.money(f["cost_usd"], planner.settings) for f in row["functions"]]
    if json:
        output.json_document(row)
    else:
        print_model(row, price)


def named_model(catalog: Catalog, name: str) -> Model:
    """The model of that name, function or repository.

    Raises:
        UnknownName: nothing is called that.
        UsageError: a repository that holds several models.
    """
    models = catalog.models()
    if name in models:
        return models[name]
    if name in catalog:
        return catalog[name].model
    same = [model for model in models.values() if model.source == name]
    if len(same) > 1:
        names = ", ".join(model.name for model in same)
        raise UsageError(f"{name} holds several models: {names}", "Name the one that is meant.")
    if same:
        return same[0]
    raise UnknownName.of("model", name, [*models, *catalog])


def _recorded(model: Model) -> dict[str, Any]:
    """What was recorded when the model was pulled or imported; its files in any case."""
    from cems_tui.profile import Profile

    entry = Profile.current().models.entry_of(model.name)
    if entry is None:
        files = [] if model.path is None else sorted(model.path.rglob("*"))
        return {
            "revision": None,
            "accepted": None,
            "damaged": [],
            "files": [
                {
                    "path": file.relative_to(model.path).as_posix(),
                    "bytes": file.stat().st_size,
                    "sha256": None,
                }
                for file in files
                if model.path is not None and file.is_file()
            ],
        }
    return {
        "revision": entry.commit,
        "accepted": entry.accepted,
        "damaged": list(entry.damaged),
        "files": [
            {"path": file.path, "bytes": file.bytes, "sha256": file.sha256} for file in entry.files
        ],
    }


def model_row(model: Model, planner: Planner, *, details: bool = False) -> dict[str, Any]:
    """A model as `ls --json` (and, with `details`, `show --json`) prints it."""
    functions = planner.catalog.of_model(model.name)
    row: dict[str, Any] = {
        "model": model.name,
        "installed": model.installed,
        "family": model.family,
        "role": model.role or None,
        "licence": model.licence,
        "gated": model.gated,
        "noncommercial": model.noncommercial,
        "source": model.source,
        "summary": model.summary,
        "path": None if model.path is None else str(model.path),
        "bytes": None if model.path is None else _bytes(model.path),
        "digest": model.digest,
        "footprint": asdict(model.footprint),
    }
    if details:
        row["functions"] = [_function_row(function, planner) for function in functions]
    else:
        row["functions"] = [function.name for function in functions]
    return row


def _function_row(function: GenerationFunction, planner: Planner) -> dict[str, Any]:
    expected: Expected = planner.expected(function, function.width, function.height)
    cost = planner.pricing.of(expected)
    return {
        "function": function.name,
        "steps": function.steps,
        "guidance": function.guidance,
        "size": f"{function.width}x{function.height}",
        "scheduler": function.scheduler,
        "clip_skip": function.clip_skip,
        "seconds": expected.seconds,
        "memory_bytes": expected.memory_bytes,
        "load_seconds": expected.load_seconds,
        "cost_usd": cost.usd,
        "cost_source": cost.source,
        "provenance": expected.provenance if says_something(expected) else None,
        "figures_from": expected.source or None,
        "catalog": asdict(function.expected) if says_something(function.expected) else None,
    }


def says_something(expected: Expected) -> bool:
    """Whether it tells seconds or memory."""
    return expected.seconds is not None or expected.memory_bytes is not None


def disk_bytes(folders: Iterable[Path]) -> int:
    """Bytes the folders take together: a file that several link to is there once."""
    found = {}
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                told = file.stat()
                found[told.st_dev, told.st_ino] = told.st_size
    return sum(found.values())


def _helps(model: Model) -> bool:
    """Whether it draws nothing itself."""
    return model.family == "support"


def _bytes(folder: Path) -> int:
    """Bytes of a model's files, also of those it only links to."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


# What this machine can hold, as commands print it: cells of `ls`, the recommended set.

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
    from cems_tui.profile import Profile
    from cems_tui.text import byte_count, counted

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


# Models for people: what `cems ls` and `cems show` print in a terminal.

_UNKNOWN = "—"
_FACTS = (
    "model",
    "summary",
    "installed",
    "family",
    "role",
    "licence",
    "accepted",
    "source",
    "revision",
    "path",
    "bytes",
    "digest",
)
_HEADINGS = ("", "model", "size", "held", "adds", "functions", "licence")
_LEAST_LICENCE = 8
"""Characters of a licence that are shown in any terminal."""

_SIZES = {
    "download_bytes": "to fetch",
    "weights_bytes": "weights on a device",
    "largest_bytes": "the largest of its networks",
    "activation_bytes": "beside them while it draws",
}


def print_models(rows: Sequence[dict[str, Any]], total_bytes: int) -> None:
    """The table of `cems ls`: models that draw, then those that help, then the total."""
    from rich.table import Table

    drawing = [row for row in rows if row["family"] != "support"]
    helping = [row for row in rows if row["family"] == "support"]
    lines = [
        _cells(row, "@" + " ".join(n.split("@")[-1] for n in row["functions"])) for row in drawing
    ]
    if helping:
        lines += [("",) * len(_HEADINGS), ("", "support models", "", "", "", "role", "")]
    lines += [_cells(row, row["role"] or "") for row in helping]
    console = output.console()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _HEADINGS:
        table.add_column(name, justify="right" if name in ("size", "adds") else "left")
    for line in _one_line_each(lines, console.width):
        table.add_row(*line)
    console.print(table)
    installed = sum(row["installed"] for row in rows)
    console.print(
        f"○ installed   ⇣ not installed, ~ estimated   total {byte_count(total_bytes)} "
        f"in {counted(installed, 'model')}"
    )
    console.print(LEGEND)


def _cells(row: dict[str, Any], what: str) -> tuple[str, ...]:
    sign = "○" if row["installed"] else "⇣"
    adds = row["adds"] or _UNKNOWN
    return sign, visible(row["model"]), _size(row), held(row), adds, what, visible(_licence(row))


def _one_line_each(lines: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """The lines with their last cell cut, so that each fits the width where that is possible."""
    columns = list(zip(_HEADINGS, *lines, strict=True))[:-1]
    taken = sum(max(len(cell) for cell in column) + 1 for column in columns)
    room = max(_LEAST_LICENCE, width - taken)
    return [(*line[:-1], one_line(line[-1], room)) for line in lines]


def _size(row: dict[str, Any]) -> str:
    """Bytes on the disk; of a model that is not installed those to fetch."""
    if row["bytes"] is not None:
        return byte_count(row["bytes"])
    to_fetch = row["footprint"]["download_bytes"]
    if to_fetch is None:
        return _UNKNOWN
    return ("~" if row["footprint"]["provenance"] == "estimated" else "") + byte_count(to_fetch)


def _licence(row: dict[str, Any]) -> str:
    flags = [flag for flag in ("gated", "noncommercial") if row[flag]]
    return (f"[{', '.join(flags)}] " if flags else "") + str(row["licence"])


def print_model(row: dict[str, Any], prices: Sequence[str]) -> None:
    """What `cems show` tells.

    Args:
        prices: of one picture of each function, as money.
    """
    for key in _FACTS:
        value = _licence(row) if key == "licence" else row[key]
        output.line(f"{key:<10} {_UNKNOWN if value is None else visible(str(value))}")
    output.line(f"{'here':<10} {row['verdict']}. {row['verdict_reason'] or ''}")
    gain = row["gain"]
    output.line(f"{'adds':<10} {_UNKNOWN if gain is None else gain['sentence']}")
    if row["recommended"] is not None:
        output.line(f"{'pull it':<10} {row['recommended']}")
    _print_footprint(row["footprint"])
    total = sum(file["bytes"] for file in row["files"])
    known = f"{counted(len(row['files']), 'file')}, {byte_count(total)}"
    output.line(f"{'files':<10} {known if row['files'] else _UNKNOWN}")
    for file in row["files"]:
        output.line(f"  {byte_count(file['bytes']):>10}  {visible(file['path'])}")
    for function, price in zip(row["functions"], prices, strict=True):
        output.line()
        for line in function_lines(function, price):
            output.line(line)


def _print_footprint(footprint: dict[str, Any]) -> None:
    known = {key: footprint[key] for key in _SIZES if footprint[key] is not None}
    output.line(f"{'footprint':<10} {footprint['source'] if known else _UNKNOWN}")
    sign = "~" if footprint["provenance"] == "estimated" else ""
    for key, count in known.items():
        output.line(f"  {sign + byte_count(count):>10}  {_SIZES[key]}")


def function_lines(function: dict[str, Any], price: str) -> list[str]:
    """A function: what it runs with, what a picture takes here, and what others say."""
    facts = {
        key: function[key]
        for key in ("function", "steps", "guidance", "size", "scheduler", "clip_skip")
    }
    lines = [f"  {k:<14} {_UNKNOWN if v is None else v}" for k, v in facts.items()]
    provenance = function["provenance"] or "unknown"
    source = f" ({function['cost_source']})" if function["cost_source"] else ""
    lines.append(f"  {'seconds':<14} {_seconds(function['seconds'])} ({provenance})")
    lines.append(f"  {'memory':<14} {_memory(function['memory_bytes'])}")
    lines.append(f"  {'load seconds':<14} {_seconds(function['load_seconds'])}")
    lines.append(f"  {'price':<14} {price}{source}")
    lines.append(f"  {'figures from':<14} {function['figures_from'] or _UNKNOWN}")
    told = function["catalog"]
    if told is not None and told["source"] != function["figures_from"]:
        lines.append(
            f"  {told['provenance']:<14} {_seconds(told['seconds'])} s, "
            f"{_memory(told['memory_bytes'])}: {told['source']}"
        )
    return lines


def _seconds(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.4g}"


def _memory(count: int | None) -> str:
    return _UNKNOWN if count is None else byte_count(count)
