"""What a careful user found wrong before the first release, kept from coming back."""

from __future__ import annotations

import pytest

from cems_tui.bench.prompt_sets import parse_prompts
from cems_tui.cli.generating import bill_line
from cems_tui.errors import UsageError


def test_a_dial_too_large_for_a_float_is_a_usage_error() -> None:
    line = b'{"prompt": "x", "tradeoff": 1' + b"0" * 400 + b"}"
    with pytest.raises(UsageError, match="line 1: its tradeoff 1000.* is out of range"):
        parse_prompts(line, "p.txt")


def test_a_bill_without_a_known_price_says_so_instead_of_zero() -> None:
    assert bill_line(1, 0.0, 1) == "1 picture: the price is not known yet; nothing was generated"
    assert bill_line(3, 0.5, 1).startswith("3 pictures would cost $0.5")
    assert "1 unpriced beside" in bill_line(3, 0.5, 1)
