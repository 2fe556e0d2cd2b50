"""The app says why a function is picked, when a prompt is strange, and when a router is refused."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui import paths
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.request import Generated, Request
from cems_tui.routing.explain.explanation import Explanation
from cems_tui.services.engine.protocol import Started
from screens.dialogs import TextDialog
from screens.studio.picture import PicturePane
from screens.studio.price_card import CandidatesTable
from screens.studio.prompt import PromptBox
from screens.widgets.facts import FactSheet
from tests.patience import PATIENCE
from tests.screens import fakes_screens as states
from tests.screens.fakes_app import (
    FakePlanner,
    decision_for,
    generation,
    nothing_installed,
    picture,
)
from tests.screens.fakes_screens import make_app, screen_text, studio, submit, until, write
from tests.screens.test_studio import WILD

SIZES = [(80, 24), (160, 48)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))


async def ask_why(pilot: Pilot[None], said: str = "would be picked") -> str:
    await pilot.press("w")
    await until(pilot, lambda: said in " ".join(screen_text(pilot).split()))
    return screen_text(pilot)


@pytest.mark.parametrize("size", SIZES)
async def test_w_says_what_spoke_for_the_pick_and_what_would_change_it(
    size: tuple[int, int],
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        text = await ask_why(pilot)
        assert "balanced; starter-base@20 at 2.5x the price" in " ".join(text.split())
        assert "“car” +0.007" in text
        assert "“night” −0.031" in text
        assert "with the dial at" in text
        assert "or without “car” and “cat”" in text
        assert "“a cat and a car”: 1.310 against 1.335" in text
        sheet = app.screen.query_one(FactSheet)
        assert sheet.size.height <= size[1] - 4  # all of it is in sight
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


async def test_w_is_a_letter_while_one_types_and_the_palette_still_tells() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        await pilot.press("w")
        assert app.screen.query_one(PromptBox).text.endswith("w")
        await app.run_action("why", default_namespace=studio(app))
        await until(pilot, lambda: "would be picked" in screen_text(pilot))


async def test_w_on_the_picture_tells_of_the_decision_that_was_taken_then() -> None:
    app = make_app()
    async with app.run_test(size=(160, 48)) as pilot:
        await states.drawn(pilot)
        box = app.screen.query_one(PromptBox)
        box.text = "three cups on a shelf"
        await until(pilot, lambda: studio(app).decision.prompt == box.text)
        app.screen.query_one(PicturePane).focus()
        await ask_why(pilot)
        first = app.screen.query_one(FactSheet).facts[0]
        assert first.text == states.PROMPT


async def test_without_a_card_there_is_nothing_to_tell() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.idle(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await pilot.press("w")
        assert len(app.screen_stack) == 1
        assert "w why" not in screen_text(pilot)


async def test_a_slow_router_is_waited_for_and_closing_the_dialog_is_safe() -> None:
    class Slow(FakePlanner):
        go = threading.Event()

        def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
            self.go.wait(PATIENCE)
            return super().explain(decision, load_cost)

    planner = Slow()
    app = make_app(planner=planner)
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await ask_why(pilot, "asking the router")
        await pilot.press("escape")
        planner.go.set()
        await pilot.pause(0.1)
        assert len(app.screen_stack) == 1
        await ask_why(pilot)


async def test_a_router_that_fails_to_explain_is_told_not_raised() -> None:
    class Broken(FakePlanner):
        def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
            raise RuntimeError("[/oops] \x1b[31m")

    app = make_app(planner=Broken())
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        text = await ask_why(pilot, "not explained")
        assert "RuntimeError: [/oops] ␛[31m" in text


async def test_an_empty_card_says_why_there_is_no_pick() -> None:
    app = make_app(planner=FakePlanner(nothing_installed))
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await ask_why(pilot, "no generation function is installed")


@pytest.mark.parametrize("size", SIZES)
async def test_a_strange_prompt_and_a_refused_router_are_said_where_one_looks(
    size: tuple[int, int],
) -> None:
    app = make_app(planner=FakePlanner(states.strange))
    async with app.run_test(size=size) as pilot:
        await write(pilot)
        text = screen_text(pilot)
        narrow = size[0] < 120
        assert (
            "! new ground" if narrow else "! unlike the training prompts: estimates lie"
        ) in text
        assert ("! mine only ties" if narrow else "! mine only ties with the best single") in text
        app.screen.query_one(CandidatesTable).focus()
        whole = " ".join((await ask_why(pilot)).split())
        assert "its quality differs by +0.003" in whole
        await pilot.press("escape", "enter")
        await until(pilot, lambda: "refused" in screen_text(pilot))


async def test_the_warning_goes_when_another_router_answers() -> None:
    answers = [states.strange, decision_for]
    app = make_app(planner=FakePlanner(lambda request: answers[0](request)))
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        assert "! mine only ties" in screen_text(pilot)
        answers.pop(0)
        app.screen.query_one(PromptBox).insert(" two")
        await until(pilot, lambda: studio(app).decision.router == "starter")
        await until(pilot, lambda: "! mine" not in screen_text(pilot))


@pytest.mark.parametrize("size", [*SIZES, (60, 20)])
async def test_a_wild_and_long_prompt_is_data_in_the_explanation_too(
    size: tuple[int, int],
) -> None:
    wild = f"{WILD} a red cat, {'car ' * 1500}"

    def with_wild_router(request: Request) -> RoutingDecision:
        return replace(decision_for(request), router="[/r]", refusal=f"[/r] only ties {WILD}")

    app = make_app(planner=FakePlanner(with_wild_router))
    async with app.run_test(size=size) as pilot:
        await write(pilot, wild)
        [request] = await submit(pilot)
        image = picture(paths.current().pictures / "wild.png")
        states.engine_of(pilot).say(
            Started(request.id), Generated(request.id, generation(request, image))
        )
        await until(pilot, lambda: studio(app).generation)
        for widget in (CandidatesTable, PicturePane):
            app.screen.query_one(widget).focus()
            await pilot.press("w")
            await until(
                pilot,
                lambda: any(f.name == "instead" for f in app.screen.query_one(FactSheet).facts),
            )
            assert isinstance(app.screen, TextDialog)
            text = screen_text(pilot)
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "[/" in text
            await pilot.press("escape")
