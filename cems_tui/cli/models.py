"""`cems ls` and `cems show`: the models and functions there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from cems_tui.generation.function import Catalog, Expected, GenerationFunction, Model
    from cems_tui.planner import Planner


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
    from cems_tui import wiring
    from cems_tui.cli import holding, model_tables, output
    from cems_tui.holding_wiring import survey

    with wiring.open_planner() as planner:
        found = planner.catalog.models().values()
        models = sorted(found, key=lambda model: (_helps(model), not model.installed))
        here = survey(planner)
        rows = [model_row(m, planner) | holding.keys(here.of(m.name)) for m in models]
    if fits:
        rows = [row for row in rows if row["verdict"] == "fits"]
    if json:
        output.json_document(rows)
    elif quiet:
        for row in rows:
            output.line(row["model"])
    else:
        folders = [Path(row["path"]) for row in rows if row["path"] is not None]
        model_tables.print_models(rows, disk_bytes(folders))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, function or ORG/REPO.")],
    json: o.Json = False,
) -> None:
    """Print everything known of a model: licence, files, functions, seconds, memory, price."""
    from cems_tui import wiring
    from cems_tui.cli import holding, model_tables, output
    from cems_tui.holding_wiring import survey

    with wiring.open_planner() as planner:
        model = named_model(planner.catalog, name)
        here = holding.keys(survey(planner).of(model.name))
        row = {**model_row(model, planner, details=True), **here, **_recorded(model)}
        price = [output.money(f["cost_usd"], planner.settings) for f in row["functions"]]
    if json:
        output.json_document(row)
    else:
        model_tables.print_model(row, price)


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
    from cems_tui import model_wiring

    entry = model_wiring.entry_of(model.name)
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
