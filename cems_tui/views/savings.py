"""What routing saved and gave up for it, in words, whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator

from cems_tui.domain.savings import Comparison, QualityChange, Savings
from cems_tui.text import counted, visible
from cems_tui.views.figures import Money

_WHAT = {
    "cheapest": "always the cheapest",
    "best single": "the best single function",
    "dearest": "always the dearest",
}


def savings_lines(savings: Savings, money: Money) -> Iterator[str]:
    """What was routed and what apart from it was pinned, then a line a comparison."""
    if savings.pinned:
        cost = "unpriced" if savings.pinned_usd is None else money.total(savings.pinned_usd)
        pinned = f"; {counted(savings.pinned, 'picture')} pinned beside, {cost}"
    else:
        pinned = ""
    if not savings.routed:
        yield f"nothing was routed, so nothing was saved{pinned}"
        return
    unpriced = savings.routed - savings.compared
    beside = f", {unpriced} without a price beside" if unpriced else ""
    yield (
        f"{counted(savings.routed, 'picture')} routed{beside}{pinned}; estimated, both sides "
        "at the prices they were chosen by"
    )
    for one in savings.against:
        yield comparison_words(one, money)


def strategy_words(one: Comparison) -> str:
    """`the cheapest, turbo@1`, `the best single, base@50`."""
    return (
        f"the {one.against}"
        if one.function is None
        else f"the {one.against}, {visible(one.function)}"
    )


def comparison_words(one: Comparison, money: Money) -> str:
    """`always the dearest, base@50: saved ~$0.31 per 1,000 (82 %), gave up 0.02 [0.00, 0.04] mixed
    a picture`."""
    name = "" if one.function is None else f", {visible(one.function)}"
    return ", ".join((f"{_WHAT[one.against]}{name}: {paid_words(one, money)}", *quality_words(one)))


def instead_words(one: Comparison, money: Money) -> str:
    """What it would have come to: `~$0.0284 per 1,000, scoring 1.81 [1.72, 1.90] mixed`."""
    cost = money.per_thousand_words(one.usd / one.pictures, estimated=True)
    scored = [
        f"{change.scored:.3f}{_ends(change.scored_interval)} {visible(change.metric or 'quality')}"
        for change in one.quality
    ]
    return f"{cost}, scoring {' and '.join(scored) or 'nobody knows what'}"


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]".replace("-", "−")


def paid_words(one: Comparison, money: Money) -> str:
    """`saved ~$0.31 per 1,000 (82 %)`, `paid ~$0.02 per 1,000 more`, `cost the same`."""
    if one.saved_usd == 0:
        return "cost the same"
    each = money.per_thousand_words(abs(one.saved_usd) / one.pictures, estimated=True)
    if one.saved_usd < 0:
        return f"paid {each} more"
    share = "" if one.saved_share is None else f" ({percent(one.saved_share)})"
    return f"saved {each}{share}"


def quality_words(one: Comparison) -> tuple[str, ...]:
    """What was gained or given up, one of each router and metric; that it is unknown is said."""
    if not one.quality:
        return ("quality unknown",)
    several = len(one.quality) > 1
    return tuple(_change_words(change, told=several) for change in one.quality)


def _change_words(change: QualityChange, *, told: bool) -> str:
    by = f" by {visible(change.router)}" if told and change.router else ""
    what = visible(change.metric or "quality")
    if change.gained == 0 and change.interval in (None, (0.0, 0.0)):
        return f"the same {what}{by}"
    sign = 1 if change.gained >= 0 else -1
    size = f"{abs(change.gained):.3f}"
    interval = ""
    if change.interval is not None:
        low, high = sorted(sign * end for end in change.interval)
        interval = f" [{low:.3f}, {high:.3f}]".replace("-", "−")
    return f"{'gained' if sign > 0 else 'gave up'} {size}{interval} {what} a picture{by}"


def percent(share: float) -> str:
    """`82 %`; less than half a percent is said to be."""
    if 0 < share < 0.005:
        return "<1 %"
    return f"{100 * share:.0f} %"
