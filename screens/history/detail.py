"""What is told beside the list: of the picture under the cursor, of the session."""

from __future__ import annotations

import os

from cems_tui.domain.decision import Candidate
from cems_tui.domain.generation import Generation
from cems_tui.services.app.picture_gallery import Picture
from cems_tui.store.lists.picture_list import PictureRow
from cems_tui.text import visible
from cems_tui.views.figures import DOLLARS, UNKNOWN, Money, times
from screens import figures
from screens.history.picture_rows import local
from screens.widgets.facts import Fact


def of_row(row: PictureRow, money: Money = DOLLARS) -> list[Fact]:
    """What its row says, before the picture itself is read."""
    if row.damaged:
        return [
            Fact("damaged", "its row in the database says what no picture can have", "$error"),
            Fact("id", visible(row.id), "$muted"),
            Fact("", "`cems why FILE` reads the receipt in the picture itself."),
        ]
    return [
        Fact("prompt", visible(row.prompt)),
        Fact(row.metric or "quality", quality(row), "$quality"),
        Fact("price", money.per_thousand(row.cost_usd), "$cost"),
    ]


def of_picture(row: PictureRow, found: Picture, money: Money = DOLLARS) -> list[Fact]:
    """Promise and measure, what else could have been chosen, what is wrong with the file."""
    made = found.generation
    decision = made.decision
    ran = next((c for c in decision.candidates if c.function == made.executed), None)
    trouble = found.trouble.replace(f"{made.image.parent}{os.sep}", "")
    facts = [Fact("file", visible(trouble), "$error")] if trouble else []
    facts += [
        Fact("prompt", visible(made.prompt)),
        Fact(decision.metric or "quality", quality(row), "$quality"),
        Fact("price", _price(made, ran, money), "$cost"),
        Fact("seconds", _seconds(made, ran)),
    ]
    if (other := instead(made, ran)) is not None:
        facts.append(Fact("instead", other))
    if made.negative:
        facts.append(Fact("without", visible(made.negative)))
    facts.append(Fact("why", visible(decision.reason)))
    facts.append(Fact("said", _marks(found)))
    when = local(made.created)
    told = made.created if when is None else f"{when:%d %b %Y %H:%M:%S}"
    facts.append(Fact("made", visible(told), "$muted"))
    return facts


def quality(row: PictureRow) -> str:
    """`1.90, promised 1.91 (1.66 … 2.09)`, and whether that was kept."""
    measured = "not measured" if row.measured is None else f"{row.measured:.2f}"
    if row.promised is None:
        return f"{measured}, nothing was promised"
    reach = ""
    if row.interval is not None:
        reach = f" ({row.interval[0]:.2f} … {row.interval[1]:.2f})"
    kept = ""
    if row.measured is not None and row.interval is not None:
        kept = ": outside it" if row.outside else " ✓"
    return f"{measured}, promised {row.promised:.2f}{reach}{kept}"


def instead(made: Generation, ran: Candidate | None) -> str | None:
    """The next that could have been chosen: what it promised more or less, its price beside."""
    others = (
        one for one in made.decision.candidates
        if one.function != made.executed and one.allowed and one.fits is not False
    )  # fmt: skip
    other = next((one for one in others if one.quality is not None), None)
    if other is None:
        return None
    words = visible(other.function)
    if ran is not None and ran.quality is not None and other.quality is not None:
        words += f" {other.quality - ran.quality:+.2f}".replace("-", "−")
    if ran is not None and ran.cost_usd and other.cost_usd:
        words += f", {times(other.cost_usd / ran.cost_usd)} the price"
    return words


def _price(made: Generation, ran: Candidate | None, money: Money) -> str:
    if made.cost_usd is None:
        return "unpriced"
    paid = money.per_thousand(made.cost_usd, estimated=made.cost_source != "measured")
    if ran is None or ran.cost_usd is None:
        return paid
    return f"{paid}, promised {money.per_thousand(ran.cost_usd, estimated=True)}"


def _seconds(made: Generation, ran: Candidate | None) -> str:
    taken = figures.seconds(made.seconds.total)
    if made.seconds.load:
        taken += f", {figures.seconds(made.seconds.load)} of it loading"
    if ran is None or ran.seconds is None:
        return taken
    return f"{taken}, promised ~{figures.seconds(ran.seconds)} of drawing"


def _marks(found: Picture) -> str:
    marks = found.marks
    rated = UNKNOWN if marks.rating is None else f"{marks.rating} of 5"
    return f"{'★ ' if marks.starred else ''}rated {rated}"
