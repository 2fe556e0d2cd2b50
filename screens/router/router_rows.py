"""A router as a line of the list, its card as facts, its curve as a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from cems_tui.text import one_line, visible
from cems_tui.views.figures import UNKNOWN
from screens import figures
from screens.widgets.facts import Fact
from screens.widgets.paged_list import Look

if TYPE_CHECKING:
    from cems_tui.services.app.router_desk import Estimate, Learning, RouterFacts

BAR_CELLS, SHARE_CELLS, VERDICT_CELLS = 11, 12, 17
SIGNS = {"ties": "≈", "worse": "✗", "not evaluated": "?"}
LEARNING_CELLS = 21
WIDE, ROOMY = 110, 130
"""Cells from which on a row says more, and from which on names have more room."""

SCALE = (-0.2, 0.4)
"""Of the share of the oracle's gain, the ends of the bar."""


def header(width: int) -> Content:
    """The titles of the columns."""
    names, kinds = _cells(width)
    words = f"    {'router':<{names}} {'kind':<{kinds}} {'knows':<7} "
    words += (
        f"{'gain, of what can be had':<{BAR_CELLS + SHARE_CELLS + 1}} {'worth':<{VERDICT_CELLS}}"
    )
    if width > WIDE:
        words += f"{'prompts':>8}  quality beside the best function"
    return Content.styled(words, "$muted")


def line(facts: RouterFacts, look: Look[RouterFacts]) -> Content:
    """One row."""
    card = facts.card
    knows = f"{facts.installed} of {len(card.functions)}"
    sign = SIGNS.get(facts.verdict_words, "✓")
    style = {"≈": "$muted", "✗": "$error", "?": "$muted"}.get(sign, "$quality")
    names, kinds = _cells(look.width)
    share, bar = UNKNOWN, " " * BAR_CELLS
    found = facts.recovered
    if found is not None:
        share = f"{100 * found.value:.0f} % {100 * found.low:.0f}…{100 * found.high:.0f}"
        bar = figures.interval_bar(found.value, (found.low, found.high), SCALE, BAR_CELLS)
    made = Content.assemble(
        ("›" if look.pointed else " ", "bold"),
        ("▸" if facts.asked else " ", "bold $quality"),
        "  ",
        (one_line(card.name, names).ljust(names), "bold"),
        f" {one_line(card.kind, kinds):<{kinds}} {knows:<7} ",
        (bar, "$quality"),
        f" {share.replace('-', '−'):<{SHARE_CELLS}} ",
        (f"{sign} {facts.verdict}".ljust(VERDICT_CELLS), style),
    )
    if look.width > WIDE:
        made += Content(f"{card.training.prompts:>8,}  {estimate_words(facts.against_single)}")
    return made


def _cells(width: int) -> tuple[int, int]:
    """Cells of the name and of the kind."""
    return (24, 12) if width > ROOMY else (12, 8)


def estimate_words(found: Estimate | None) -> str:
    """`+0.002 (−0.012 … 0.018)`."""
    if found is None:
        return UNKNOWN
    text = f"{found.value:+.3f} ({found.low:.3f} … {found.high:.3f})"
    return text.replace("-", "−")


def card_facts(facts: RouterFacts) -> list[Fact]:
    """The card for people, the verdict first."""
    card, told = facts.card, facts.card.evaluation
    found = []
    if facts.verdict_sentences is not None:
        found.append(Fact("verdict", visible(facts.verdict_sentences), "$quality"))
    if facts.refusal is not None:
        found.append(Fact("refused", visible(facts.refusal), "$warning"))
    if facts.learning is not None:
        found += learning_facts(facts.learning)
    coverage = told.get("coverage") or {}
    if coverage.get("value") is not None:
        said = f"said {coverage['nominal']:.0%}, found {coverage['value']:.1%}"
        found.append(Fact("intervals", said.replace("%", " %")))
    if told.get("top1") is not None:
        found.append(Fact("picks", f"the best function for {100 * told['top1']:.0f} % of them"))
    learned = f"{card.training.prompts:,} prompts, {card.training.readings:,} scores"
    found += [
        Fact("learned", f"{learned}; figures are of prompts it had not seen"),
        Fact("predicts", visible(card.metric)),
        Fact("knows", ", ".join(map(visible, card.functions))),
        Fact("made", card.created[:16].replace("T", " ") + (", shipped" if facts.shipped else "")),
    ]
    return found


def learning_facts(learning: Learning) -> list[Fact]:
    """Beside the router in use: by how much, from how many prompts, and what would settle it."""
    found = []
    if learning.beside is not None:
        found.append(Fact("beside", visible(learning.beside)))
    ends = [(one.low, one.high) for _, one in learning.curve]
    scale = figures.shared_scale([*ends, (0.0, 0.0)])
    for number, (prompts, one) in enumerate(learning.curve):
        bar = figures.interval_bar(one.value, (one.low, one.high), scale, LEARNING_CELLS, mark=0.0)
        words = f"from {prompts:>5,} prompts {bar} {estimate_words(one)}"
        found.append(Fact("" if number else "gains", words))
    if learning.beside is not None:
        found.append(Fact("more", more_words(learning.more_prompts)))
    return found


def more_words(more: int | None) -> str:
    """What more prompts would bring: None is nothing that shows, 0 is settled."""
    if more is None:
        return "nothing shows that more prompts like these would tell them apart"
    if not more:
        return "settled: more prompts are not needed"
    return f"about {more:,} prompts more would settle it, if they go on like these"
