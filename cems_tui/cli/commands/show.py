"""`cems show`: everything known of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_row import keys, model_row, named_model
from cems_tui.domain.function import Model
from cems_tui.profile import Profile
from cems_tui.text import byte_count, visible
from cems_tui.views.model_sheet import SheetLine, sheet

_UNKNOWN = "—"

HANG = 11
"""Cells of the names at the left."""

DIGEST_CHARACTERS = 19
"""Of `sha256:…`: twelve hexadecimal digits tell any two models apart."""

_SIZES = {
    "download_bytes": "to fetch",
    "weights_bytes": "weights on a device",
    "largest_bytes": "the largest of its networks",
    "activation_bytes": "beside them while it draws",
}


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, function or ORG/REPO.")],
    paths: o.Paths = False,
    json: o.Json = False,
) -> None:
    """Print everything known of a model: licence, files, functions, seconds, memory, price."""
    profile = Profile.current()
    with profile.history() as store:
        planner = profile.planner_over(store)
        model = named_model(planner.catalog, name)
        survey = profile.survey(planner)
        here = keys(survey.of(model.name))
        row = {**model_row(model, planner, details=True), **here, **_recorded(model)}
        facts = profile.library(store, planner, survey).of(model.name)
        money = output.money_of(planner.settings)
    if json or facts is None:
        output.json_document(row)
    else:
        print_model(row, sheet(facts, money), whole=paths)


def _recorded(model: Model) -> dict[str, Any]:
    """What was recorded when the model was pulled or imported; its files in any case."""
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


def print_model(row: dict[str, Any], lines: Sequence[SheetLine], *, whole: bool = False) -> None:
    """What `cems show` tells: the sheet of the app, then what only this window has room for.

    Args:
        whole: whether its path and digest are printed whole; else their ends and beginnings.
    """
    path, digest = row["path"], row["digest"]
    output.line(_named("model", row["model"]), hang=HANG)
    for line in lines:
        short = line.name == "path" and not whole
        text = f"…/{Path(path).name}" if short else line.text
        output.line(_named(line.name, text), hang=HANG)
    if digest is not None:
        output.line(_named("digest", digest if whole else digest[:DIGEST_CHARACTERS]))
    _print_footprint(row["footprint"])
    for function in row["functions"]:
        output.line()
        for text in function_lines(function):
            output.line(text)


def _named(name: str, text: Any) -> str:
    return f"{name:<{HANG}}{visible(str(text))}"


def _print_footprint(footprint: dict[str, Any]) -> None:
    known = {key: footprint[key] for key in _SIZES if footprint[key] is not None}
    if not known:
        return
    output.line(_named("footprint", footprint["source"]), hang=HANG)
    sign = "~" if footprint["provenance"] == "estimated" else ""
    for key, count in known.items():
        output.line(f"  {sign + byte_count(count):>10}  {_SIZES[key]}")


def function_lines(function: dict[str, Any]) -> list[str]:
    """A function: what it runs with, what a picture takes beside its seconds, what others say."""
    facts = {
        key: function[key]
        for key in ("function", "steps", "guidance", "size", "scheduler", "clip_skip")
    }
    lines = [f"  {k:<14} {_UNKNOWN if v is None else v}" for k, v in facts.items()]
    lines.append(f"  {'follows':<14} {_follows(function['follows'])}")
    lines.append(f"  {'memory':<14} {_memory(function['memory_bytes'])}")
    lines.append(f"  {'load seconds':<14} {_seconds(function['load_seconds'])}")
    lines.append(f"  {'figures from':<14} {function['figures_from'] or _UNKNOWN}")
    told = function["catalog"]
    if told is not None and told["source"] != function["figures_from"]:
        lines.append(
            f"  {told['provenance']:<14} {_seconds(told['seconds'])} s, "
            f"{_memory(told['memory_bytes'])}: {told['source']}"
        )
    return lines


def _follows(told: dict[str, Any]) -> str:
    """What a function can follow of a request; what is unknown is left out."""
    parts = ["a negative prompt" if told["negative"] else "no negative prompt"]
    if told["size_multiple"] is not None:
        parts.append(f"sides that are multiples of {told['size_multiple']}")
    if told["longest_side"] is not None:
        parts.append(f"{told['longest_side']} pixels a side at most")
    if told["prompt_tokens"] is not None:
        parts.append(f"{told['prompt_tokens']} tokens")
    return " · ".join(parts)


def _seconds(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.4g}"


def _memory(count: int | None) -> str:
    return _UNKNOWN if count is None else byte_count(count)
