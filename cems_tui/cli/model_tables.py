"""Models for people: what `cems ls` and `cems show` print in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cems_tui.cli import output
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
_SIZES = {
    "download_bytes": "to fetch",
    "weights_bytes": "weights on a device",
    "largest_bytes": "the largest of its networks",
    "activation_bytes": "beside them while it draws",
}


def print_models(rows: Sequence[dict[str, Any]], total_bytes: int) -> None:
    """The table of `cems ls`: models that draw, then those that help, then the total."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("", "model", "size", "functions", "licence"):
        table.add_column(name, justify="right" if name == "size" else "left")
    drawing = [row for row in rows if row["family"] != "support"]
    for row in drawing:
        _add(table, row, "@" + " ".join(name.split("@")[-1] for name in row["functions"]))
    helping = [row for row in rows if row["family"] == "support"]
    if helping:
        table.add_row()
        table.add_row("", "support models", "", "role", "")
    for row in helping:
        _add(table, row, row["role"] or "")
    console = output.console()
    console.print(table)
    installed = sum(row["installed"] for row in rows)
    console.print(
        f"○ installed   ⇣ not installed, ~ estimated   total {byte_count(total_bytes)} "
        f"in {counted(installed, 'model')}"
    )


def _add(table: Any, row: dict[str, Any], what: str) -> None:
    sign = "○" if row["installed"] else "⇣"
    table.add_row(sign, row["model"], _size(row), what, visible(_licence(row)))


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
    return f"{row['licence']} [{', '.join(flags)}]" if flags else str(row["licence"])


def print_model(row: dict[str, Any], prices: Sequence[str]) -> None:
    """What `cems show` tells.

    Args:
        prices: of one picture of each function, as money.
    """
    for key in _FACTS:
        value = _licence(row) if key == "licence" else row[key]
        output.line(f"{key:<10} {_UNKNOWN if value is None else visible(str(value))}")
    _print_footprint(row["footprint"])
    total = sum(file["bytes"] for file in row["files"])
    output.line(f"{'files':<10} {counted(len(row['files']), 'file')}, {byte_count(total)}")
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
