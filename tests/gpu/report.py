"""What was measured, as a page to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cems_tui.catalog.catalog import builtin


def report(results: Sequence[Mapping[str, Any]]) -> str:
    """The results as Markdown, beside what the catalog expects."""
    measured = [row for row in results if row["status"] == "measured"]
    lines = ["# Full-size models of random weights through the adapters", "", _caveat(measured), ""]
    lines += [
        "| model | steps, px | load s | encode s | denoise s | decode s | weights GB | "
        "encode, denoise, decode GB on top | catalog: s, GB |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(row) for row in measured),
        "",
        "| model | parameters, in millions |",
        "|---|---|",
    ]
    for row in measured:
        counts = ", ".join(f"{name} {n / 1e6:,.1f}" for name, n in row["parameters"].items())
        lines.append(f"| {row['model']} | {counts} |")
    failed = [row for row in results if row["status"] != "measured"]
    lines += ["", *(f"- {row['model']}: {row['status']}" for row in failed)] if failed else []
    return "\n".join(lines) + "\n"


def counts_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Counted parameters beside the published ones, as Markdown."""
    lines = ["| network | counted | published | by |", "|---|---|---|---|"]
    for row in rows:
        counted, published = row["counted"], row["published"]
        lines.append(f"| {row['network']} | {counted:,} | {published:,} | {row['source']} |")
    return "\n".join(lines)


def _caveat(measured: Sequence[Mapping[str, Any]]) -> str:
    machines = sorted({f"{row['machine']} ({row['device']})" for row in measured})
    if any(row["tiny"] for row in measured):
        return "A test of the path with tiny models: its figures mean nothing. Unmeasured on a GPU."
    if not measured or any(row["device"] == "cpu" for row in measured):
        return f"Unmeasured on a GPU. Measured on: {', '.join(machines) or 'nothing'}."
    return f"Measured on {', '.join(machines)}; medians of three pictures after a first one."


def _row(row: Mapping[str, Any]) -> str:
    peaks = row["stage_peak_bytes"] or {}
    on_top = ", ".join(_gigabytes(peaks.get(stage)) for stage in ("encode", "denoise", "decode"))
    return " | ".join(
        [
            f"| {row['model']}",
            f"{row['steps']}, {row['side']}",
            *(
                f"{row[f'{phase}_seconds']:.3f}"
                for phase in ("load", "encode", "denoise", "decode")
            ),
            _gigabytes(row["weight_bytes"]),
            on_top,
            f"{_catalog(row)} |",
        ]
    )


def _catalog(row: Mapping[str, Any]) -> str:
    function = builtin().get(f"{row['model']}@{row['steps']}")
    if function is None or function.expected.seconds is None:
        return "—"
    return f"{function.expected.seconds:g}, {_gigabytes(function.expected.memory_bytes)}"


def _gigabytes(size: int | None) -> str:
    return "—" if size is None else f"{size / 1e9:.3f}"
