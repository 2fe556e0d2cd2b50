"""Savings that add up: one price scale, routed pictures alone, quality beside the money."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.savings import (
    PricedFunction,
    RoutedPicture,
    Savings,
    Scale,
    savings_of,
)
from cems_tui.views.figures import DOLLARS
from cems_tui.views.savings import savings_lines

MINE = Scale("starter", "mixed", "sha256:1")
OTHER = Scale("mine", "nima", "sha256:2")
NAMES = ("cheap@1", "middle@4", "dear@20")

functions = st.builds(
    PricedFunction,
    st.just(""),
    st.floats(1e-9, 1e3),
    st.none() | st.floats(-5.0, 5.0),
    st.none() | st.floats(0.0, 1.0).map(lambda half: (-half, half)),
)


@st.composite
def pictures(draw: st.DrawFn) -> RoutedPicture:
    able = tuple(
        PricedFunction(name, one.cost_usd, one.quality, one.interval)
        for name in NAMES
        for one in [draw(functions)]
    )
    return RoutedPicture(draw(st.sampled_from([MINE, OTHER])), draw(st.sampled_from(able)), able)


def picture(ran: str, *, scale: Scale = MINE) -> RoutedPicture:
    """Three functions of rising price and quality."""
    able = tuple(
        PricedFunction(name, usd, quality, (quality - 0.1, quality + 0.1))
        for name, usd, quality in zip(NAMES, (1.0, 4.0, 20.0), (1.0, 1.5, 1.4), strict=True)
    )
    return RoutedPicture(scale, next(one for one in able if one.function == ran), able)


def test_where_nothing_was_routed_exactly_nothing_was_saved() -> None:
    assert savings_of([], 0) == Savings(0.0, 0, 0, 0, 0.0, 0.0)
    assert savings_of([], 0, 3, 0.5).estimated_usd == 0.0
    assert savings_of([], 2).estimated_usd is None, "routed, and no price is known"


def test_routing_stands_against_three_simple_ways_with_money_and_quality() -> None:
    found = savings_of([picture("middle@4"), picture("cheap@1")], 2)
    cheapest, best, dearest = found.against
    assert (cheapest.against, cheapest.function, cheapest.saved_usd) == ("cheapest", "cheap@1", -3)
    assert (best.against, best.function, best.saved_usd) == ("best single", "middle@4", 3)
    assert (dearest.against, dearest.function, dearest.saved_usd) == ("dearest", "dear@20", 35)
    assert found.estimated_usd == dearest.saved_usd
    assert dearest.saved_share == pytest.approx(35 / 40)
    assert [one.quality[0].gained for one in found.against] == pytest.approx([0.25, -0.25, -0.15])
    for one in found.against:
        interval = one.quality[0].interval
        assert interval is not None
        assert interval[0] < one.quality[0].gained < interval[1]


def test_a_function_against_itself_gives_up_exactly_nothing() -> None:
    found = savings_of([picture("cheap@1")] * 3, 3)
    [change] = found.against[0].quality
    assert (found.against[0].saved_usd, change.gained, change.interval) == (0.0, 0.0, (0.0, 0.0))


def test_more_pictures_make_the_mean_change_surer() -> None:
    def width(count: int) -> float:
        [change] = savings_of([picture("cheap@1")] * count, count).against[-1].quality
        assert change.interval is not None
        return change.interval[1] - change.interval[0]

    assert width(100) == pytest.approx(width(1) / 10)


def test_qualities_of_two_routers_are_never_added() -> None:
    found = savings_of([picture("cheap@1"), picture("cheap@1", scale=OTHER)], 2)
    assert [(one.router, one.pictures) for one in found.against[-1].quality] == [
        ("mine", 1),
        ("starter", 1),
    ]


@given(st.lists(pictures(), min_size=1, max_size=8))
def test_nobody_saves_against_the_cheapest_nor_pays_more_than_the_dearest(
    made: list[RoutedPicture],
) -> None:
    found = savings_of(made, len(made))
    by_name = {one.against: one for one in found.against}
    assert by_name["cheapest"].saved_usd <= 0.0
    assert by_name["dearest"].saved_usd >= 0.0
    for one in found.against:
        assert one.usd - found.routed_usd == pytest.approx(one.saved_usd, abs=1e-6)
        assert one.saved_share is None or one.saved_share <= 1.0
    share = by_name["dearest"].saved_share
    assert share is None or 0.0 <= share <= 1.0


@given(st.lists(pictures(), min_size=1, max_size=6), st.sampled_from([0.25, 2.0, 64.0]))
def test_a_slower_machine_changes_no_share(made: list[RoutedPicture], factor: float) -> None:
    def slower(one: PricedFunction) -> PricedFunction:
        return PricedFunction(one.function, factor * one.cost_usd, one.quality, one.interval)

    scaled = [
        RoutedPicture(one.scale, slower(one.ran), tuple(map(slower, one.able))) for one in made
    ]
    before, after = savings_of(made, len(made)), savings_of(scaled, len(made))
    for one, other in zip(before.against, after.against, strict=True):
        assert other.saved_share == pytest.approx(one.saved_share or 0.0, abs=1e-9)
        assert other.quality == one.quality


def test_the_lines_say_what_was_paid_and_given_up() -> None:
    lines = list(savings_lines(savings_of([picture("cheap@1")], 1, 2, 0.5), DOLLARS))
    assert lines[0].startswith("1 picture routed; 2 pictures pinned beside, $0.500")
    assert lines[1] == "always the cheapest, cheap@1: cost the same, the same mixed"
    assert lines[3].startswith(
        "always the dearest, dear@20: saved ~$19,000.00 per 1,000 (95 %), gave up 0.400 ["
    )
    [only] = savings_lines(Savings(0.0, 0, 0, 1, 0.25, 0.0), DOLLARS)
    assert only == "nothing was routed, so nothing was saved; 1 picture pinned beside, $0.250"
