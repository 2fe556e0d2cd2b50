"""A benchmark's report as one HTML page that needs nothing else; every name in it is escaped."""

from __future__ import annotations

from html import escape

from cems_tui.bench.report import BenchReport, FunctionRow, MetricReport
from cems_tui.text import visible

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
svg text { font: 11px system-ui, sans-serif; fill: currentColor; }
.quiet { opacity: .7; }
"""
WIDTH, HEIGHT, MARGIN = 640, 280, 50
"""Pixels of the plot of quality over price."""


def report_page(report: BenchReport) -> str:
    """The whole page, as text to be written in UTF-8."""
    sections = "\n".join(_metric(metric) for metric in report.metrics)
    missing = ", ".join(f"{_safe(name)} {count:,}" for name, count in report.missing.items())
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(report.bench)}</title><style>{STYLE}</style></head>\n<body>\n"
        f"<h1>{_safe(report.bench)}</h1>\n"
        f"<p>{report.prompts:,} prompts, {len(report.functions)} functions. "
        f"Missing cells: {missing}.</p>\n{sections}\n</body></html>\n"
    )


def _safe(text: str) -> str:
    """Text from a table: controls made visible, then escaped."""
    return escape(visible(text), quote=True)


def _metric(metric: MetricReport) -> str:
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    scorer = f", read by {_safe(metric.scorer)}" if metric.scorer else ""
    heads = ("function", "group", "mean", "95 %", "prompts", "scores", "missing", "$/1,000", "won")
    head = "".join(f"<th>{name}</th>" for name in heads)
    rows = "\n".join(_row(row) for row in metric.functions)
    corners = " → ".join(_safe(corner.function) for corner in metric.zero_mix)
    hull = f"<p>Best random mixes (zero-mix): {corners}.</p>" if corners else ""
    return (
        f'<h2>{_safe(metric.metric)}</h2>\n<p class="quiet">{direction}{scorer}; won: share of '
        f"the {metric.complete_prompts:,} prompts that have every score.</p>\n"
        f"{_plot(metric)}\n{hull}\n<table><tr>{head}</tr>\n{rows}</table>"
    )


def _row(row: FunctionRow) -> str:
    interval = "—" if row.ci95 is None else f"{row.ci95[0]:.4g} … {row.ci95[1]:.4g}"
    cells = (
        _safe(row.function),
        "all" if row.group is None else _safe(row.group),
        _number(row.mean),
        interval,
        f"{row.prompts:,}",
        f"{row.count:,}",
        f"{row.missing:,}",
        "—" if row.cost_usd is None else f"{row.cost_usd * 1000:.4g}",
        "—" if row.won is None else f"{row.won:.1%}",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def _plot(metric: MetricReport) -> str:
    """Quality over price, with the line of the best random mixes; nothing without prices."""
    known = [
        (row.function, row.cost_usd, row.mean)
        for row in metric.functions
        if row.group is None and row.cost_usd is not None and row.mean is not None
    ]
    if len(known) < 2:
        return ""
    place = _Places([one[1] for one in known], [one[2] for one in known])
    dots = "".join(
        f'<circle cx="{place.x(cost):.1f}" cy="{place.y(mean):.1f}" r="4" fill="#37c"/>'
        f'<text x="{place.x(cost) + 7:.1f}" y="{place.y(mean) - 6:.1f}">{_safe(name)}</text>'
        for name, cost, mean in known
    )
    line = " ".join(
        f"{place.x(corner.cost_usd):.1f},{place.y(corner.quality):.1f}"
        for corner in metric.zero_mix
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
        f'aria-label="{_safe(metric.metric)} over price">'
        f'<polyline points="{line}" fill="none" stroke="#888" stroke-dasharray="4 3"/>{dots}'
        f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8}">price</text></svg>'
    )


class _Places:
    """Where a price and a mean lie in the plot."""

    def __init__(self, costs: list[float], means: list[float]) -> None:
        self._low = (min(costs), min(means))
        self._span = (max(costs) - min(costs) or 1.0, max(means) - min(means) or 1.0)

    def x(self, cost: float) -> float:
        return MARGIN + (cost - self._low[0]) / self._span[0] * (WIDTH - 3 * MARGIN)

    def y(self, mean: float) -> float:
        return HEIGHT - MARGIN - (mean - self._low[1]) / self._span[1] * (HEIGHT - 2 * MARGIN)
