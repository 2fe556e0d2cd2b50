"""What a function cannot follow, in the studio: said in the card, and never queued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.domain.capabilities import ObstacleKind
from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.domain.request import Request
from screens.studio.price_card import CandidatesTable
from screens.widgets.receipt import decision_receipt
from tests.screens.fakes_app import FakePlanner, decision_for
from tests.screens.fakes_screens import (
    FakeEngine,
    make_app,
    screen_text,
    studio,
    submit,
    until,
    write,
)

BIG = "starter-base@20"
WORDS = "is too big for this machine at 64x64: its weights take 21 GB and drawing 9 GB"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    return tmp_path


def blocked(candidate: Candidate, kind: ObstacleKind, words: str) -> Candidate:
    fits = False if kind == "memory" else candidate.fits
    return replace(candidate, allowed=False, fits=fits, blocked_by=words, blocked_kind=kind)


def with_a_big_one(request: Request) -> RoutingDecision:
    """The card of a device that cannot hold one of the functions."""
    made = decision_for(request)
    candidates = tuple(
        blocked(c, "memory", WORDS)
        if c.function == BIG
        else blocked(c, "length", "reads 32 tokens of a prompt, and this one has 40 or more")
        if c.function == "starter-small@8"
        else c
        for c in made.candidates
    )
    if request.policy.value == BIG:
        made = replace(made, choice=None, reason=f"{BIG} {WORDS}")
    return replace(made, candidates=candidates)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_pinned_function_that_cannot_draw_is_refused_before_it_is_queued(
    size: tuple[int, int],
) -> None:
    engine = FakeEngine()
    app = make_app(engine, planner=FakePlanner(with_a_big_one))
    async with app.run_test(size=size) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await pilot.press("down", "space")
        await until(pilot, lambda: studio(app).decision and studio(app).decision.choice is None)
        assert f"! {BIG} is too big" in screen_text(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: list(app._notifications))
        (told,) = app._notifications
        assert told.title == f"{BIG} {WORDS}"
        assert "Choose a smaller function or size" in told.message
        assert engine.submitted == []
        await pilot.press("space")
        await until(pilot, lambda: studio(app).decision and studio(app).decision.choice)
        [request] = await submit(pilot)
        assert request.policy.kind == "balanced"


async def test_the_card_says_what_a_function_cannot_follow() -> None:
    app = make_app(planner=FakePlanner(with_a_big_one))
    async with app.run_test(size=(160, 48)) as pilot:
        await write(pilot)
        await until(pilot, lambda: "too big" in screen_text(pilot))
        text = " ".join(screen_text(pilot).split())
        assert "too long" in text
        assert f"{BIG}: is too big" in text
        facts = decision_receipt(studio(app).decision)
        assert WORDS in [fact.text for fact in facts]
