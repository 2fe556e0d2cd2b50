"""`cems ls` and `cems show`: the models and functions there are."""

from __future__ import annotations

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


def ls(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """List the models: installed ones first."""
    from cems_tui import wiring
    from cems_tui.cli import output

    with wiring.open_planner() as planner:
        models = sorted(planner.catalog.models().values(), key=lambda model: not model.installed)
        rows = [model_row(model, planner) for model in models]
    if json:
        output.json_document(rows)
    elif quiet:
        for row in rows:
            output.line(row["model"])
    else:
        _print_table(rows)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, function or ORG/REPO.")],
    json: o.Json = False,
) -> None:
    """Print everything known of a model: licence, files, functions, seconds, memory, price."""
    from cems_tui import wiring
    from cems_tui.cli import output
    from cems_tui.text import byte_count, counted

    with wiring.open_planner() as planner:
        model = _model(planner.catalog, name)
        row = {**model_row(model, planner, details=True), **_recorded(model)}
    if json:
        output.json_document(row)
        return
    for key in (
        "model",
        "summary",
        "installed",
        "family",
        "licence",
        "accepted",
        "source",
        "revision",
        "path",
        "bytes",
        "digest",
    ):
        output.line(f"{key:<10} {'—' if row[key] is None else row[key]}")
    total = sum(file["bytes"] for file in row["files"])
    output.line(f"{'files':<10} {counted(len(row['files']), 'file')}, {byte_count(total)}")
    for file in row["files"]:
        output.line(f"  {byte_count(file['bytes']):>10}  {file['path']}")
    for function in row["functions"]:
        output.line()
        for key, value in function.items():
            output.line(f"  {key:<14} {'—' if value is None else value}")


def _model(catalog: Catalog, name: str) -> Model:
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
        "licence": model.licence,
        "source": model.source,
        "summary": model.summary,
        "path": None if model.path is None else str(model.path),
        "bytes": _bytes(model),
        "digest": model.digest,
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
        "seconds": expected.seconds,
        "memory_bytes": expected.memory_bytes,
        "load_seconds": expected.load_seconds,
        "cost_usd": cost.usd,
        "cost_source": cost.source,
        "figures_from": expected.source or None,
    }


def _bytes(model: Model) -> int | None:
    """Bytes the model takes on disk; None when it is not installed."""
    if model.path is None:
        return None
    return sum(file.stat().st_size for file in model.path.rglob("*") if file.is_file())


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from cems_tui.cli import output

    table = Table(box=None, pad_edge=False)
    for name in ("", "model", "MB", "functions", "licence"):
        table.add_column(name, justify="right" if name == "MB" else "left")
    for row in rows:
        size = "—" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}"
        steps = " ".join(name.split("@")[-1] for name in row["functions"])
        sign = "○" if row["installed"] else "⇣"
        table.add_row(sign, row["model"], size, f"@{steps}", row["licence"])
    total = sum(row["bytes"] or 0 for row in rows)
    console = output.console()
    console.print(table)
    console.print(f"○ installed   ⇣ not installed   total {total / 1e6:.1f} MB")
