"""A benchmark's report as one HTML page that needs nothing else; every name in it is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from cems_tui.bench import plots
from cems_tui.bench.analysis import Analysis, Correlation, PromptRow, WordCount
from cems_tui.bench.gallery import opened
from cems_tui.bench.report import WORST_PROMPTS, BenchReport, FunctionRow, MetricReport
from cems_tui.domain.score import mixed_words
from cems_tui.errors import GenerationError
from cems_tui.routing.evaluation.evaluate import Interval
from cems_tui.text import visible
from cems_tui.views.figures import UNKNOWN, Money

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child, .text { text-align: left; }
svg { max-width: 100%; height: auto; }
figure { margin: 1rem 0; }
figcaption, .quiet { opacity: .7; }
.picture { display: inline-block; margin: 0 .4rem .4rem 0; text-align: center; font-size: 11px; }
.picture img { display: block; width: 96px; height: 96px; object-fit: contain; }
"""
THUMBNAIL_PIXELS = 96
MOST_THUMBNAILS = 400
"""On a page: more would make it slow to open."""

Picture = Callable[[str, str], Path | None]
"""A prompt's id and a function → its first kept picture."""


def report_page(
    report: BenchReport, money: Money, picture: Picture = lambda prompt, function: None
) -> str:
    """The whole page, as text to be written in UTF-8.

    Args:
        money: how prices are shown.
        picture: the kept picture of a prompt and function.
    """
    missing = ", ".join(f"{_safe(name)} {count:,}" for name, count in report.missing.items())
    thumbnails = _Thumbnails(picture)
    notes = "".join(f"<p>{_safe(note)}.</p>" for note in report.notes)
    plotless = "" if plots.can_plot() else f'<p class="quiet">{_safe(plots.MISSING)}</p>'
    sections = "\n".join(_metric(metric, money, thumbnails) for metric in report.metrics)
    variance = _figure(plots.variance_plot, report, caption=_VARIANCE)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(report.bench)}</title><style>{STYLE}</style></head>\n<body>\n"
        f"<h1>{_safe(report.bench)}</h1>\n"
        f"<p>{report.prompts:,} prompts, {len(report.functions)} functions. "
        f"Missing cells: {missing}.</p>\n{notes}{plotless}"
        f"{_words(report.words)}{_correlations(report.correlations)}{variance}{sections}\n"
        '<p class="quiet">Intervals are 95 %; those of strategies, shares and correlations by a '
        "bootstrap over prompts.</p>\n</body></html>\n"
    )


_VARIANCE = (
    "Why scores differ: prompts that are easy or hard for all; functions that are good or bad at "
    "all; functions that are good at other prompts than others are (what routing lives of); seeds. "
    "Without repeats the seeds are within the interaction."
)


def _safe(text: str) -> str:
    """Text from a table: controls made visible, then escaped."""
    return escape(visible(text), quote=True)


def _figure(draw: Callable[..., str], *arguments: object, caption: str) -> str:
    if not plots.can_plot():
        return ""
    svg = draw(*arguments)
    return f"<figure>{svg}<figcaption>{_safe(caption)}</figcaption></figure>\n" if svg else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Rows of cells that are safe already; the first so many are texts, the others figures."""

    def cell(kind: str, place: int, text: str) -> str:
        return f"<{kind}{' class=text' if place < texts else ''}>{text}</{kind}>"

    lines = [
        "<tr>" + "".join(cell(kind, place, text) for place, text in enumerate(row)) + "</tr>"
        for kind, row in [("th", heads), *(("td", row) for row in rows)]
    ]
    return f"<table>{lines[0]}\n" + "\n".join(lines[1:]) + "</table>\n"


def _metric(metric: MetricReport, money: Money, thumbnails: _Thumbnails) -> str:
    direction = "higher is better" if metric.higher_is_better else "lower is better"
    scorer = f", read by {_safe(metric.scorer)}" if metric.scorer else ""
    constants = mixed_words(metric.scorer)
    made = f" It is {_safe(constants)}." if constants else ""
    heads = (
        "function", "group", "mean", "95 %", "prompts", "scores", "missing", money.unit, "won",
    )  # fmt: skip
    functions = _table([*map(_safe, heads)], [_row(row, money) for row in metric.functions], 2)
    analysis = "" if metric.analysis is None else _analysis(metric, metric.analysis, money)
    prompts = "" if metric.analysis is None else _prompts(metric.analysis, thumbnails)
    return (
        f'<h2>{_safe(metric.metric)}</h2>\n<p class="quiet">{direction}{scorer}; won: share of '
        f"the {metric.complete_prompts:,} prompts that have every score.{made}</p>\n"
        f"{functions}{analysis}{prompts}"
    )


def _row(row: FunctionRow, money: Money) -> tuple[str, ...]:
    price = money.thousand(row.cost_usd)
    return (
        _safe(row.function),
        "all" if row.group is None else _safe(row.group),
        _number(row.mean),
        UNKNOWN if row.ci95 is None else f"{row.ci95[0]:.4g} … {row.ci95[1]:.4g}",
        f"{row.prompts:,}",
        f"{row.count:,}",
        f"{row.missing:,}",
        UNKNOWN if price is None else f"{price:.4g}",
        UNKNOWN if row.won is None else f"{row.won:.1%}",
    )


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.4g}"


def _between(interval: Interval, form: str = ".4g") -> str:
    low, high = interval.ci95
    return f"{interval.value:{form}} [{low:{form}}, {high:{form}}]"


def _analysis(metric: MetricReport, found: Analysis, money: Money) -> str:
    others = list(found.strategies[0].metrics) if found.strategies else []
    heads = ("strategy", "quality, 95 %", *map(_safe, others), money.unit, "seconds")
    strategies = [
        (
            _safe(one.name),
            _between(one.quality),
            *(_number(one.metrics.get(name)) for name in others),
            _number(money.thousand(one.cost_usd)),
            _number(one.seconds),
        )
        for one in found.strategies
    ]
    steps = "Quality by denoising steps, with 95 % intervals."
    curves = "Quality over price. Dashed: the best random mixes of single functions (zero-mix)."
    parts = [
        "<h3>Strategies</h3>\n",
        _table(heads, strategies),
        f"<p>{_safe(headroom_words(found))}</p>\n" if found.headroom else "",
        _figure(plots.curve_plot, metric, money, caption=curves),
        _figure(plots.win_plot, metric, caption="Who wins over whom; a tie is shared."),
        _figure(plots.feature_plot, metric, caption=_FEATURES),
        _features(found),
        _figure(plots.step_plot, metric, caption=steps),
    ]
    return "".join(parts)


_FEATURES = (
    "Linguistic features: with the mean score over functions (easy and hard prompts), and with "
    "each function's score above that mean (whom such prompts suit)."
)


def headroom_words(found: Analysis) -> str:
    """`an oracle would gain 1.94 [1.90, 2.00] over always sdxl-turbo@4; …`."""
    room = found.headroom
    if room is None:
        return ""
    said = f"An oracle would gain {_between(room.oracle, '.3g')} over always {room.best_single}"
    if room.learnable is None:
        return f"{said}; how much of it is luck is not known: no prompt has several seeds of all."
    share = room.learnable / room.oracle.value if room.oracle.value > 0 else 0.0
    return (
        f"{said}; with these seeds about {room.learnable:.3g} of it ({share:.0%}) can be learned, "
        f"by {room.repeated_prompts:,} prompts with repeats: the rest is luck of the seeds."
    )


def _features(found: Analysis) -> str:
    rows = plots.strongest(found)
    if not rows:
        return ""
    functions = list(rows[0].won)
    heads = ("feature", "r with the score", *(f"{_safe(one)} wins" for one in functions))
    told = [
        (
            _safe(row.feature),
            _between(row.score, ".2f"),
            *(
                f"{_between(row.won[one][0], '.0%')} → {_between(row.won[one][1], '.0%')}"
                for one in functions
            ),
        )
        for row in rows
    ]
    return (
        '<p class="quiet">Shares won: of the third of the prompts with least of the feature, → '
        f"of that with most.</p>\n{_table(heads, told)}"
    )


def _words(counts: Sequence[WordCount]) -> str:
    rows = [
        (
            "all" if one.group is None else _safe(one.group),
            f"{one.prompts:,}",
            f"{one.least:,}",
            f"{one.most:,}",
            f"{one.mean:.1f}",
            UNKNOWN if one.deviation is None else f"{one.deviation:.1f}",
        )
        for one in counts
    ]
    heads = ("words a prompt", "prompts", "min", "max", "mean", "sd")
    return _table(heads, rows) if rows else ""


def _correlations(found: Sequence[Correlation]) -> str:
    rows = [
        (
            " and ".join(map(_safe, one.metrics)),
            "all" if one.function is None else _safe(one.function),
            _between(one.r, ".3f"),
            f"{one.pictures:,}",
        )
        for one in found
    ]
    return _table(("Pearson's r of", "function", "r, 95 %", "pictures"), rows, 2) if rows else ""


def _prompts(found: Analysis, thumbnails: _Thumbnails) -> str:
    """The worst routed prompts, with their pictures where these are kept."""
    worst = [row for row in found.prompts[:WORST_PROMPTS] if row.regret > 0]
    if not worst:
        return ""
    rows = [
        (
            _safe(row.prompt[:300]) + thumbnails.of(row),
            _safe(row.group),
            _safe(row.picked),
            _safe(row.best),
            f"{row.regret:.4g}",
        )
        for row in worst
    ]
    heads = ("prompt", "group", "picked", "best", "regret")
    return (
        f"<details open><summary>The {len(worst):,} worst routed prompts, routed by "
        f"{_safe(found.routed_by)}</summary>{_table(heads, rows, 4)}</details>\n"
    )


class _Thumbnails:
    """Small pictures within the page, as many as it can bear."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._left = MOST_THUMBNAILS

    def of(self, row: PromptRow) -> str:
        """The pictures of a prompt, a function each, with their scores."""
        told = []
        for function, score in row.scores.items():
            path = self._picture(row.prompt_id, function)
            if path is None or self._left <= 0:
                continue
            data = _packed(path)
            if data is None:
                continue
            self._left -= 1
            told.append(
                f'<span class="picture"><img alt="" src="data:image/webp;base64,{data}">'
                f"{_safe(function)}<br>{score:.4g}</span>"
            )
        return f"<div>{''.join(told)}</div>" if told else ""


def _packed(path: Path) -> str | None:
    """A small WebP as base64; None where the file is gone or is no picture any more."""
    try:
        image = opened(path)
    except GenerationError:
        return None
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=80)
    return base64.b64encode(stream.getvalue()).decode("ascii")
