"""The words, units and signs of the list of models, whoever draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cems_tui.catalog.fit import Verdict
from cems_tui.domain.pricing import GIGABYTE
from cems_tui.services.library import Group, ModelFacts
from cems_tui.text import visible
from cems_tui.views.figures import UNKNOWN, column
from cems_tui.views.price_card import INSTALLED, MISSING, RESIDENT

GATED, NONCOMMERCIAL = "◇G", "NC"
SIGNS = "○ installed  ⇣ to be pulled  ~ estimated  ◇G gated  NC noncommercial"
"""What the signs of a row mean."""

TITLES: dict[Group, str] = {
    "installed": "installed",
    "fits": "fits this machine",
    "offload": "drawn with in parts, which takes longer",
    "unknown": "size not known before it is pulled",
    "too big": "too big for this machine",
    "support": "support: scorers and text towers",
}
FIT: dict[Verdict, str] = {
    "fits": "fits",
    "fits with offload": "in parts",
    "does not fit": "too big",
    "unknown": UNKNOWN,
}
"""How this machine holds a model, beside its name."""

DISK, MEMORY, STEPS, ADDS, LICENCE = "disk GB", "mem GB", "steps", "adds", "licence"
STEPS_CELLS = 13


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as both windows list it, cell by cell; an empty cell says that nothing is known."""

    model: str
    sign: str
    """Where its weights are: on the device, on the disk, nowhere."""

    name: str
    marks: str
    disk: str
    memory: str
    here: str
    """How this machine holds it; a star where it is recommended."""

    adds: str
    gives: str
    """The steps of its functions, or the role of what only helps."""

    family: str
    licence: str


def rows(
    models: Sequence[ModelFacts],
    resident: frozenset[str] = frozenset(),
    steps_cells: int = STEPS_CELLS,
) -> list[ModelRow]:
    """The rows of a list, their sizes with as many decimals as the column needs.

    Args:
        resident: the models on the device.
        steps_cells: room for the steps of a model's functions.
    """
    disks = gigabytes([f.disk_bytes for f in models], [f.disk_estimated for f in models])
    memories = gigabytes([f.memory_bytes for f in models], [f.memory_estimated for f in models])
    return [
        ModelRow(
            model=facts.name,
            sign=sign(facts, resident),
            name=visible(facts.name),
            marks=marks(facts),
            disk=disk,
            memory=memory,
            here=_here(facts),
            adds=facts.adds,
            gives=visible(facts.model.role)
            or steps([one.function.steps for one in facts.functions], steps_cells),
            family=visible(facts.model.family),
            licence=visible(facts.model.licence),
        )
        for facts, disk, memory in zip(models, disks, memories, strict=True)
    ]


def _here(facts: ModelFacts) -> str:
    word = FIT[facts.fit] if facts.fits_now else "not now"
    return word + (" ★" if facts.recommended is not None else "")


def sign(facts: ModelFacts, resident: frozenset[str] = frozenset()) -> str:
    """Where its weights are."""
    if facts.name in resident:
        return RESIDENT
    return INSTALLED if facts.model.installed else MISSING


def marks(facts: ModelFacts) -> str:
    """What its licence asks, in letters."""
    told = [(GATED, facts.model.gated), (NONCOMMERCIAL, facts.model.noncommercial)]
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
