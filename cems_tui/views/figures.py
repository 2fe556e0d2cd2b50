"""Figures and money as both windows write them: few digits, aligned, unknown is `—`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

UNKNOWN = "—"

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "CHF": "CHF "}


@dataclass(frozen=True, slots=True)
class Money:
    """How US dollars are shown: in the user's currency, what a picture costs by the thousand.

    JSON holds exact US dollars; nothing of this is for it.
    """

    currency: str = "USD"
    per_usd: float = 1.0
    """Units of the currency that a US dollar buys."""

    @property
    def sign(self) -> str:
        """`$`, `€`; of a currency without a sign of its own its name and a space."""
        return _SIGNS.get(self.currency, f"{self.currency} ")

    @property
    def unit(self) -> str:
        """The title of a column of prices of a thousand pictures: `$/k`."""
        return f"{self.sign.strip()}/k"

    def thousand(self, usd: float | None) -> float | None:
        """What a thousand such pictures cost, in the currency."""
        return None if usd is None else usd * 1000 * self.per_usd

    def per_thousand(self, usd: float | None, *, estimated: bool = False) -> str:
        """The price of a picture: `$0.103/k`, `~€0.095/k`; `—` where unknown."""
        value = self.thousand(usd)
        if value is None:
            return UNKNOWN
        return f"{'~' if estimated else ''}{self._amount(value, 2, 6)}/k"

    def per_thousand_words(self, usd: float | None, *, estimated: bool = False) -> str:
        """The same in a sentence: `$0.103 per 1,000`."""
        value = self.thousand(usd)
        if value is None:
            return UNKNOWN
        return f"{'~' if estimated else ''}{self._amount(value, 2, 6)} per 1,000"

    def total(self, usd: float | None, *, estimated: bool = False) -> str:
        """A sum that is spent once, whatever it was for: `$0.00231`; `—` where unknown."""
        if usd is None:
            return UNKNOWN
        return f"{'~' if estimated else ''}{self._amount(usd * self.per_usd, 0, 12)}"

    def _amount(self, value: float, least: int, most: int) -> str:
        if value == 0:
            return f"{self.sign}0"
        size = abs(value)
        return f"{'−' if value < 0 else ''}{self.sign}{size:,.{digits(size, 3, least, most)}f}"

    def energy(self, watt_hours: float, usd: float | None, *, estimated: bool = False) -> str:
        """`0.42 Wh`, and what that costs where it is known: `~0.42 Wh, ~$0.00011`."""
        guess = "~" if estimated else ""
        told = f"{guess}{watt_hours:.{digits(watt_hours, 2, 0, 6)}f} Wh"
        return told if usd is None else f"{told}, {self.total(usd, estimated=estimated)}"


DOLLARS = Money()


def column(
    values: Sequence[float | None], estimated: Sequence[bool], least: int = 1, most: int = 4
) -> list[str]:
    """The values with their points under each other, all equally wide.

    As many decimals as the smallest value needs for two digits that count, within `least` and
    `most`. An estimated value carries `~`, an unknown one is `—` where the units would stand.
    """
    sizes = [abs(value) for value in values if value]
    decimals = digits(min(sizes), 2, least, most) if sizes else least
    texts = [
        UNKNOWN + " " * (decimals + 1)
        if value is None
        else f"{'~' if guess else ''}{value:.{decimals}f}"
        for value, guess in zip(values, estimated, strict=True)
    ]
    width = max((len(text) for text in texts), default=0)
    return [text.rjust(width) for text in texts]


def digits(value: float, figures: int, least: int, most: int) -> int:
    """The decimals that show `figures` digits that count of `value`, within bounds."""
    if value <= 0:
        return least
    return max(least, min(most, figures - 1 - floor(log10(value))))


def times(ratio: float) -> str:
    """`2.5×`, `37×`."""
    return f"{ratio:.1f}×" if ratio < 9.95 else f"{ceil(ratio - 0.5)}×"


def seconds(value: float | None) -> str:
    """`0.41 s`, `12.3 s`."""
    return UNKNOWN if value is None else f"{value:.{2 if value < 10 else 1}f} s"
