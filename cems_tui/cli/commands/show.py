"""`cems show`: everything known of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_row import keys, model_row, named_model
from cems_tui.domain.function import Model
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted, visible

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

DIGEST_CHARACTERS = 19
"""Of `sha256:…`: twelve hexadecimal digits tell any two models apart."""

_SHORT: dict[str, Callable[[Any], str]] = {
    "path": lambda path: f"…/{Path(path).name}",
    "digest": lambda digest: str(digest)[:DIGEST_CHARACTERS],
}
"""What is told of what is too long for a line; `--paths` and `--json` tell all of it."""

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
    with profile.planner() as planner:
        model = named_model(planner.catalog, name)
        here = keys(profile.survey(planner).of(model.name))
        row = {**model_row(model, planner, details=True), **here, **_recorded(model)}
        money = output.money_of(planner.settings)
        price = [money.per_thousand_words(f["cost_usd"]) for f in row["functions"]]
    if json:
        output.json_document(row)
    else:
        print_model(row, price, whole=paths)


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


def print_model(row: dict[str, Any], prices: Sequence[str], *, whole: bool = False) -> None:
    """What `cems show` tells.

    Args:
        prices: of one picture of each function, as money.
        whole: whether its path and digest are printed whole; else their ends and beginnings.
    """
    for key in _FACTS:
        value = _licence(row) if key == "licence" else row[key]
        if value is not None and not whole:
            value = _SHORT.get(key, str)(value)
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


def _licence(row: dict[str, Any]) -> str:
    flags = [flag for flag in ("gated", "noncommercial") if row[flag]]
    return (f"[{', '.join(flags)}] " if flags else "") + str(row["licence"])


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
    lines.append(f"  {'follows':<14} {_follows(function['follows'])}")
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
