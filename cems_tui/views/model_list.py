"""The words, units and signs of the list of models, whoever draws it."""

from __future__ import annotations

from collections.abc import Sequence

from cems_tui.catalog.fit import Verdict
from cems_tui.domain.pricing import GIGABYTE
from cems_tui.services.library import Group
from cems_tui.views.figures import UNKNOWN, column

GATED, NONCOMMERCIAL = "◇G", "NC"
SIGNS = "○ installed  ⇣ to be pulled  ~ estimated  ◇G gated  NC noncommercial"
"""What the signs of a row mean."""

TITLES: dict[Group, str] = {
    "installed": "installed",
    "fits": "fits this machine",
    "offload": "fits part by part",
    "unknown": "size not known before it is pulled",
    "too big": "too big for this machine",
    "support": "support: scorers and text towers",
}
FIT: dict[Verdict, str] = {
    "fits": "fits",
    "fits with offload": "part by part",
    "does not fit": "too big",
    "unknown": UNKNOWN,
}
"""How this machine holds a model, beside its name."""

DISK, MEMORY, STEPS, ADDS, LICENCE = "disk GB", "mem GB", "steps", "adds", "licence"
STEPS_CELLS = 13


def marks(*, gated: bool, noncommercial: bool) -> str:
    """What its licence asks, in letters."""
    told = [(GATED, gated), (NONCOMMERCIAL, noncommercial)]
    return " ".join(mark for mark, holds in told if holds)


def steps(numbers: Sequence[int | str], cells: int = STEPS_CELLS) -> str:
    """The steps of its functions: `@1 2 4`; those without room are counted: `@10 25 +2`."""
    for left_out in range(len(numbers) + 1):
        kept = [str(number) for number in numbers[: len(numbers) - left_out]]
        text = "@" + " ".join([*kept, *([f"+{left_out}"] if left_out else [])])
        if len(text) <= cells:
            return text if numbers else ""
    return ""


def gigabytes(values: Sequence[int | None], guessed: Sequence[bool]) -> tuple[str, ...]:
    """Two decimals at most; what would be nothing in them is said to be less than the last."""
    shown = [None if value is None else value / GIGABYTE for value in values]
    cells = column(shown, guessed, least=1, most=2)
    told = [f"{cell[:-4]}<0.01" if cell[-5:] in (" 0.00", "~0.00") else cell for cell in cells]
    width = max(map(len, told), default=0)
    return tuple(cell.rjust(width) for cell in told)
