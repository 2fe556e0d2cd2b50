"""A router that reads a text encoder answers twice: from letters as you type, then in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.request import Request
from screens.studio.dial import TradeoffDial
from screens.studio.price_card import CandidatesTable
from screens.studio.prompt import PromptBox
from tests.screens.fakes_app import FakePlanner, decision_for
from tests.screens.fakes_screens import make_app, studio, until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    return tmp_path


class TwoAnswers(FakePlanner):
    """Its router reads a text encoder; remembers which questions were to be answered at once."""

    def __init__(self, answer: Callable[[Request], RoutingDecision] = decision_for) -> None:
        super().__init__(answer)
        self.at_once: list[tuple[str, bool]] = []

    def decide(
        self, request: Request, resident: frozenset[str], *, at_once: bool = False
    ) -> RoutingDecision:
        self.at_once.append((request.prompt, at_once))
        said = super().decide(request, resident)
        return replace(said, provisional=at_once, features="instant" if at_once else "text")


def title(table: CandidatesTable) -> str:
    return str(table.border_title)


async def test_letters_answer_first_and_the_encoder_when_the_hands_rest() -> None:
    planner = TwoAnswers()
    app = make_app(planner=planner)
    async with app.run_test(size=(100, 30)) as pilot:
        seen: list[RoutingDecision] = []
        app.screen.watch(studio(app), "decision", lambda made: seen.append(made) if made else None)
        app.screen.query_one(PromptBox).insert("a cat")
        await until(pilot, lambda: seen and not seen[-1].provisional)
        assert [one.provisional for one in seen] == [True, False]
        assert planner.at_once == [("a cat", True), ("a cat", False)]
        assert "letters" not in title(app.screen.query_one(CandidatesTable))


async def test_typing_on_puts_the_encoder_off() -> None:
    planner = TwoAnswers()
    app = make_app(planner=planner)
    async with app.run_test(size=(100, 30)) as pilot:
        box, table = app.screen.query_one(PromptBox), app.screen.query_one(CandidatesTable)
        box.insert("a")
        await until(pilot, lambda: "from the letters so far" in title(table))
        box.insert(" cat")
        await until(pilot, lambda: ("a cat", False) in planner.at_once)
        await until(pilot, lambda: not (studio(app).decision or seen_none()).provisional)
        full = [prompt for prompt, at_once in planner.at_once if not at_once]
        assert full[-1] == "a cat"


def seen_none() -> RoutingDecision:
    raise AssertionError("there was a card")


async def test_the_dial_does_not_take_back_what_the_encoder_said() -> None:
    planner = TwoAnswers()
    app = make_app(planner=planner)
    async with app.run_test(size=(100, 30)) as pilot:
        app.screen.query_one(PromptBox).insert("a cat")
        await until(pilot, lambda: ("a cat", False) in planner.at_once)
        await until(pilot, lambda: not (studio(app).decision or seen_none()).provisional)
        asked = len(planner.at_once)
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("right")
        await until(pilot, lambda: len(planner.at_once) > asked)
        assert planner.at_once[asked:] == [("a cat", False)]


async def test_a_router_of_letters_alone_is_asked_once() -> None:
    planner = FakePlanner()
    app = make_app(planner=planner)
    async with app.run_test(size=(100, 30)) as pilot:
        app.screen.query_one(PromptBox).insert("a cat")
        await until(pilot, lambda: studio(app).decision)
        await pilot.pause(0.6)
        assert len(planner.asked) == 1
