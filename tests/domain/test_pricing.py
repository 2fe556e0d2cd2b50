"""What a picture costs, checked against the published CEMS arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cems_tui.domain.function import Expected
from cems_tui.domain.pricing import UNPRICED, Pricing

PUBLISHED = {  # seconds, gigabytes, US dollars a request, US dollars for 5,000 test requests
    "sdxl-turbo@4": (0.616, 9.51, 1.02667e-4, 0.5133),
    "sd-turbo@1": (0.176, 4.64, 1.46667e-5, 0.0733),
    "amused-512@12": (0.489, 3.75, 3.26e-5, 0.1630),
    "sd-taesd@25": (1.588, 3.48, 1.05867e-4, 0.5293),
}
ROUTED_TOTAL = {"nima": (0.3833, 25.33), "clip": (0.3476, 32.28), "mixed": (0.3586, 30.14)}

seconds = st.floats(0.0, 1e4)
sizes = st.integers(0, 10**12)


@pytest.mark.parametrize("function", PUBLISHED)
def test_a_request_costs_what_cems_published(function: str) -> None:
    took, gigabytes, usd, total = PUBLISHED[function]
    price = Pricing().usd(took, round(gigabytes * 1e9))
    assert price == pytest.approx(usd, rel=1e-5)
    assert 5000 * price == pytest.approx(total, abs=5e-5)


def test_the_published_savings_follow_from_the_published_totals() -> None:
    always = 5000 * Pricing().usd(0.616, 9_510_000_000)
    savings = [100 * (1 - total / always) for total, _ in ROUTED_TOTAL.values()]
    for saving, (_, published) in zip(savings, ROUTED_TOTAL.values(), strict=True):
        assert saving == pytest.approx(published, abs=0.01)
    assert sum(savings) / len(savings) == pytest.approx(29.25, abs=0.01)


def test_gigabytes_are_decimal_and_rounded_up() -> None:
    pricing = Pricing(usd_per_gb_second=1.0)
    assert pricing.usd(1.0, 1_000_000_000) == 1.0
    assert pricing.usd(1.0, 1_000_000_001) == 2.0


@given(took=st.none() | seconds, size=st.none() | sizes)
def test_what_is_unknown_is_unpriced_and_what_is_known_is_priced(
    took: float | None, size: int | None
) -> None:
    cost = Pricing().of(Expected(took, size))
    assert cost.priced == (took is not None and size is not None)
    if not cost.priced:
        assert cost == UNPRICED
        assert cost.usd is None


@given(took=seconds, longer=seconds, size=sizes, larger=sizes)
def test_more_time_or_more_memory_is_never_cheaper(
    took: float, longer: float, size: int, larger: int
) -> None:
    pricing = Pricing()
    assert pricing.usd(took, size) <= pricing.usd(took + longer, size + larger)


@given(took=st.none() | seconds, size=st.none() | sizes)
def test_a_resident_model_loads_for_nothing(took: float | None, size: int | None) -> None:
    assert Pricing().load_usd(took, size, resident=True) == 0.0


def test_an_unknown_load_price_is_none() -> None:
    assert Pricing().load_usd(None, 10, resident=False) is None
    assert Pricing().load_usd(1.0, None, resident=False) is None
    assert Pricing().load_usd(2.0, 3_000_000_000, resident=False) == Pricing().usd(2, 3_000_000_000)
