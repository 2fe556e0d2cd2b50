"""Where a router's text tower is found again, by the digest its card locks in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cems_tui.errors import WeightsError
from cems_tui.routing.card import EncoderFacts

if TYPE_CHECKING:
    from cems_tui.routing.tower import TextTower


class Towers(Protocol):
    """The text towers at hand."""

    def find(self, encoder: EncoderFacts) -> TextTower:
        """The tower of exactly that digest.

        Raises:
            WeightsError: it is not here, or what is here under its name has another digest.
        """
        ...


class NoTowers:
    """A place without text towers: instant routers need none."""

    def find(self, encoder: EncoderFacts) -> TextTower:
        raise WeightsError(
            f"the text tower {encoder.id} ({encoder.sha256}) is not at hand",
            "Install the pipeline it belongs to with `cems pull`, or choose a router that reads "
            "instant features.",
        )
