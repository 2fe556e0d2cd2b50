"""Models for people: what `cems ls` and `cems show` print in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cems_tui.cli import output
from cems_tui.cli.holding import LEGEND, held
from cems_tui.text import byte_count, counted, one_line, visible

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
