"""The bill before the work, in words: the same for generate, route and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui.domain.bill import Bill
from cems_tui.text import counted
from cems_tui.views.figures import Money


def bill_words(bill: Bill, money: Money, done: str = "nothing was drawn") -> str:
    """`3 pictures would cost ~$0.0000183 (~$6.11 per 1,000), loading not in it (~$0.000012 beside);
    ~0.2 minutes; nothing was drawn`."""
    what = counted(bill.pictures, "picture")
    priced = bill.pictures - bill.unpriced
    if not priced:
        return f"{what}: the price is not known yet{_time(bill)}; {done}"
    beside = f", {bill.unpriced} unpriced beside" if bill.unpriced else ""
    each = money.per_thousand_words(bill.cost_usd / priced, estimated=True)
    total = money.total(bill.cost_usd, estimated=True)
    return f"{what} would cost {total} ({each}){beside}{_loading(bill, money)}{_time(bill)}; {done}"


def _loading(bill: Bill, money: Money) -> str:
    if not bill.loads:
        return ", nothing to load"
    counts = "beside it, counted in what was compared" if bill.loads_included else "not in it"
    if bill.loads == bill.loads_unpriced:
        return f"; loading is {counts}, its price unknown"
    unknown = f" and {bill.loads_unpriced} unknown" if bill.loads_unpriced else ""
    models = counted(bill.loads, "model")
    price = money.total(bill.load_cost_usd, estimated=True)
    return f"; loading {models} is {counts}: {price}{unknown}"


def _time(bill: Bill) -> str:
    if bill.untimed == bill.pictures:
        return "; the time is not known"
    beside = f", {bill.untimed} of unknown time beside" if bill.untimed else ""
    return f"; {duration(bill.seconds)}{beside}"


def supply_words(told: Mapping[str, Any], money: Money) -> str:
    """`40 prompts more with 8 functions: ~2 minutes, ~$0.0004`, of a `supply` in JSON."""
    what = f"{counted(told['prompts'], 'prompt')} more with "
    what += counted(len(told["functions"]), "function")
    if (bill := told["bill"]) is None:
        return f"{what}: fewer than two of its functions are installed"
    time, price = "of unknown time", "of unknown price"
    if bill["seconds"] is not None and not bill["untimed"]:
        time = duration(bill["seconds"])
    if bill["cost_usd"] is not None and not bill["unpriced"]:
        price = money.total(bill["cost_usd"], estimated=True)
    return f"{what}: {time}, {price}"


def duration(seconds: float) -> str:
    """`~12 s`, `~3 minutes`, `~1.5 hours`."""
    if seconds < 90:
        return f"~{seconds:.2g} s"
    if seconds < 5400:
        return f"~{seconds / 60:.0f} minutes"
    return f"~{seconds / 3600:.1f} hours"
