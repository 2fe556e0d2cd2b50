"""What a vote was about, told after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui.text import counted, visible
from cems_tui.views.figures import Money, seconds
from cems_tui.views.scales import labels
from screens import figures
from screens.widgets.facts import Fact

if TYPE_CHECKING:
    from cems_tui.bench.desk.ballot_desk import Told
    from cems_tui.domain.generation import Generation

SAID = {"left": "left", "right": "right", "tie": "the same", "both bad": "both bad"}


def facts(told: Told, money: Money) -> list[Fact]:
    """Both pictures, the answer, and how far scorers and prices agree with all votes."""
    called = labels((s.metric, s.scorer) for one in (told.left, told.right) for s in one.scores)
    found = [
        Fact("left", _made(told.left, called, money)),
        Fact("right", _made(told.right, called, money)),
        Fact("you", SAID[told.answer], "$quality"),
    ]
    so_far = []
    names = labels((one.metric, one.scorer) for one in told.scorers)
    for one in told.scorers:
        share = _share(one.agreed, one.interval)
        so_far.append(f"{names[one.metric, one.scorer]} agrees with {share} of {one.votes}")
    if told.cheaper is not None:
        share = _share(told.cheaper.count / told.cheaper.of, told.cheaper.interval)
        so_far.append(f"the cheaper one was better in {share} of {told.cheaper.of}")
    votes = counted(told.votes, "vote")
    return [*found, Fact("so far", "; ".join([votes, *so_far]))]


def _share(value: float, interval: tuple[float, float]) -> str:
    low, high = (figures.percent(one) for one in interval)
    return f"{figures.percent(value)} ({low} … {high})"


def _made(one: Generation, called: dict[tuple[str, str | None], str], money: Money) -> str:
    scores = [f"{called[s.metric, s.scorer]} {s.value:.3f}" for s in one.scores]
    parts = [
        visible(one.executed),
        money.per_thousand(one.cost_usd),
        seconds(one.seconds.total),
        f"seed {one.seed}",
        *(scores or ["not scored"]),
    ]
    expected = next((c for c in one.decision.candidates if c.function == one.executed), None)
    if expected is not None and expected.quality is not None:
        promised = f"promised {expected.quality:.2f}"
        if expected.interval is not None:
            promised += f" ({expected.interval[0]:.2f} … {expected.interval[1]:.2f})"
        parts.append(promised)
    return "  ".join(parts)
