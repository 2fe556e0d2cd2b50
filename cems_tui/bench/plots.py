"""The plots of a report, as SVG with axes, ticks and units; drawn by matplotlib, an optional extra.

Names come from tables of strangers: they are shown, never read as mark-up.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cems_tui.bench.analysis import Analysis, FeatureRow, StrategyRow, Variance
from cems_tui.bench.report import BenchReport, MetricReport
from cems_tui.routing.evaluation.evaluate import Interval
from cems_tui.text import one_line, visible
from cems_tui.views.figures import Money

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "plots need matplotlib, which is not installed: pip install 'cems-tui[report]'"

NAME_CHARACTERS = 28
MOST_FEATURES = 12
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cems",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.facecolor": "white",
}


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def curve_plot(metric: MetricReport, money: Money) -> str:
    """Quality over price: functions, the best random mixes, the oracle, a router. Empty without
    prices."""
    found = metric.analysis
    if found is None or not found.curves:
        return ""
    with _figure(7.0, 4.0) as (axes, done):
        for number, curve in enumerate(found.curves):
            cost = [(money.thousand(point[0]) or 0.0) for point in curve.points]
            quality = [point[1] for point in curve.points]
            dashed = curve.name == "zero-mix"
            axes.plot(cost, quality, "--" if dashed else "-", color=f"C{number}", label=curve.name)
        for one in found.strategies:
            price = money.thousand(one.cost_usd)
            if price is None or not one.name.startswith("always "):
                continue
            _with_bar(axes, price, one)
        axes.set_xlabel(f"price of 1,000 pictures ({money.currency})")
        axes.set_ylabel(_axis(metric))
        axes.legend(loc="best")
    return done[0]


def _with_bar(axes: Axes, price: float, one: StrategyRow) -> None:
    value, (low, high) = one.quality.value, one.quality.ci95
    axes.errorbar([price], [value], [[value - low], [high - value]], fmt="o", color="black")
    axes.annotate(
        _name(one.name.removeprefix("always ")), (price, value), (6, 4), textcoords="offset points"
    )


def variance_plot(report: BenchReport) -> str:
    """Where the variance of every metric comes from, shares of 100 %."""
    known = [
        (one.metric, one.analysis.variance)
        for one in report.metrics
        if one.analysis is not None and one.analysis.variance is not None
    ]
    if not known:
        return ""
    with _figure(7.0, 1.1 + 0.45 * len(known)) as (axes, done):
        for place, (_, variance) in enumerate(known):
            _stack(axes, place, variance, label=place == 0)
        axes.set_yticks(range(len(known)), [_name(name) for name, _ in known])
        axes.set_xlabel("share of the variance of scores (%)")
        axes.set_xlim(0, 100)
        axes.grid(axis="y", visible=False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=4, frameon=False)
    return done[0]


def _stack(axes: Axes, place: int, variance: Variance, *, label: bool) -> None:
    left = 0.0
    for number, source in enumerate(("prompt", "function", "interaction", "seed")):
        share: Interval | None = getattr(variance, source)
        if share is None:
            continue
        width = 100 * share.value
        said = source if label else f"_{source}"  # a legend leaves out what begins with _
        axes.barh([place], [width], left=left, color=f"C{number}", height=0.6, label=said)
        left += width


def feature_plot(metric: MetricReport) -> str:
    """Linguistic features beside the mean score and beside each function's advantage."""
    rows = strongest(metric.analysis)
    if not rows:
        return ""
    functions = list(rows[0].advantage)
    with _figure(7.4, 1.2 + 0.42 * len(rows)) as (axes, done):
        for number, name in enumerate((None, *functions)):
            shift = 0.34 - 0.68 * number / max(1, len(functions))
            found = [row.score if name is None else row.advantage[name] for row in rows]
            values = [one.value for one in found]
            bars = [
                [one.value - one.ci95[0] for one in found],
                [one.ci95[1] - one.value for one in found],
            ]
            axes.errorbar(
                values,
                [len(rows) - 1 - place + shift for place in range(len(rows))],
                xerr=bars,
                fmt="D" if name is None else "o",
                color="black" if name is None else f"C{number - 1}",
                markersize=3.5,
                linewidth=1,
                linestyle="none",
                label="mean score" if name is None else f"advantage of {_name(name)}",
            )
        axes.axvline(0.0, color="gray", linewidth=0.8)
        axes.set_yticks(range(len(rows)), [row.feature for row in reversed(rows)])
        axes.set_xlabel("Pearson's r with the feature, 95 % interval")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return done[0]


def strongest(found: Analysis | None, most: int = MOST_FEATURES) -> list[FeatureRow]:
    """The features that go most with scores or with who is better, over all prompts."""
    rows = [row for row in (found.features if found else ()) if row.group is None]
    return sorted(rows, key=_strength, reverse=True)[:most]


def _strength(row: FeatureRow) -> float:
    return max(abs(one.value) for one in (row.score, *row.advantage.values()))


def step_plot(metric: MetricReport) -> str:
    """Quality by steps, a line a net and group; empty where no net has several step counts."""
    curves = metric.analysis.steps if metric.analysis is not None else ()
    if not curves:
        return ""
    with _figure(7.0, 3.6) as (axes, done):
        for number, curve in enumerate(curves):
            steps = [count for count, _ in curve.points]
            values = [one.value for _, one in curve.points]
            bars = [
                [one.value - one.ci95[0] for _, one in curve.points],
                [one.ci95[1] - one.value for _, one in curve.points],
            ]
            label = _name(curve.net if curve.group is None else f"{curve.net}, {curve.group}")
            axes.errorbar(
                steps, values, bars, fmt="-o", markersize=3.5, color=f"C{number % 10}", label=label
            )
        axes.set_xscale("log")
        ticks = sorted({count for curve in curves for count, _ in curve.points})
        axes.set_xticks(ticks, [str(count) for count in ticks])
        axes.minorticks_off()
        axes.set_xlabel("denoising steps")
        axes.set_ylabel(_axis(metric))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return done[0]


def win_plot(metric: MetricReport) -> str:
    """How often the function of a row scores above that of a column, in per cent."""
    wins = metric.analysis.wins if metric.analysis is not None else ()
    if len(wins) < 2:
        return ""
    names = [one.function for one in wins]
    shares = [
        [100 * one.over[other].value if other in one.over else 50.0 for other in names]
        for one in wins
    ]
    side = 2.2 + 0.55 * len(names)
    with _figure(side + 2.0, side) as (axes, done):
        image = axes.imshow(shares, cmap="RdBu", vmin=0, vmax=100)
        for row, values in enumerate(shares):
            for column, share in enumerate(values):
                text = "" if row == column else f"{share:.0f}"
                dark = abs(share - 50) > 32
                axes.text(
                    column, row, text, ha="center", va="center", color="white" if dark else "black"
                )
        axes.set_xticks(range(len(names)), [_name(one) for one in names], rotation=30, ha="right")
        axes.set_yticks(range(len(names)), [_name(one) for one in names])
        axes.grid(visible=False)
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8)
        bar.set_label("prompts won by the row over the column (%)")
    return done[0]


def _axis(metric: MetricReport) -> str:
    direction = "higher" if metric.higher_is_better else "lower"
    return f"mean {_name(metric.metric)} ({direction} is better)"


def _name(text: str) -> str:
    return one_line(visible(text), NAME_CHARACTERS)


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, list[str]]]:
    """Axes of a figure of so many inches; its SVG is in the list when the block has ended."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    done: list[str] = []
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.add_subplot(), done
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    done.append(_within_a_page(stream.getvalue()))


def _within_a_page(svg: str) -> str:
    """What a page needs of an SVG file: no head, no metadata, no addresses."""
    text = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
