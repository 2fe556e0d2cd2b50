"""The studio under a pilot: what is typed, priced, submitted, cancelled and shown."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from textual import events
from textual._xterm_parser import XTermParser
from textual.document._edit import Edit
from textual.pilot import Pilot

from cems_tui import paths
from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.note import Note
from cems_tui.domain.request import Failed, Generated, Noted, Request, Step
from cems_tui.errors import ModelMissing
from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started
from screens.dialogs import (
    JumpDialog,
    PictureDialog,
    Question,
    QuitQuestion,
    TextDialog,
    TextQuestion,
)
from screens.services.defaults import Defaults
from screens.studio.dial import TradeoffDial
from screens.studio.picture import PicturePane
from screens.studio.price_card import CandidatesTable
from screens.studio.progress import ProgressLine
from screens.studio.prompt import TERMINAL_KEYS, PromptBox
from tests.patience import PATIENCE
from tests.screens import fakes_screens as states
from tests.screens.fakes_app import (
    PROMPT,
    TICK,
    FakePlanner,
    FakeSession,
    decision_for,
    generation,
    nothing_installed,
    picture,
)
from tests.screens.fakes_screens import (
    FakeEngine,
    make_app,
    screen_text,
    studio,
    submit,
    until,
    write,
)

WILD = "[/oops] \x1b[31mred\x1b[0m \u202eabc 👩‍🚀 [bold]x"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


async def choose(pilot: Pilot[None], letters: str, title: str) -> None:
    """The first command of the palette once those letters are typed."""
    await pilot.press("ctrl+p", *letters)
    await until(pilot, lambda: title in screen_text(pilot) and "Quit" not in screen_text(pilot))
    await pilot.pause(0.2)
    await pilot.press("enter")


async def test_the_app_opens_on_the_prompt_box_with_nothing_in_front() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert len(app.screen_stack) == 1
        assert isinstance(app.focused, PromptBox)
        assert "Describe a picture above" in screen_text(pilot)
        assert "no pictures this session" in screen_text(pilot)


async def test_typing_asks_the_planner_once_the_hands_rest() -> None:
    planner = FakePlanner()
    app = make_app(planner=planner)
    async with app.run_test(size=(80, 24)) as pilot:
        for letter in "a cat":
            app.screen.query_one(PromptBox).insert(letter)
        await until(pilot, lambda: studio(app).decision)
        assert [request.prompt for request in planner.asked] == ["a cat"]
        assert planner.asked[0].load_cost
        assert "starter-base@8" in screen_text(pilot)
        assert "2 words · known ground" in screen_text(pilot)


async def test_an_answer_to_an_older_prompt_is_dropped_and_only_one_is_asked_at_a_time() -> None:
    gate, running, most = threading.Event(), [0], [0]

    def answer(request: Request) -> RoutingDecision:
        running[0] += 1
        most[0] = max(most[0], running[0])
        if request.prompt == "old":
            gate.wait(PATIENCE)
        running[0] -= 1
        return decision_for(request)

    planner = FakePlanner(answer)
    app = make_app(planner=planner)
    async with app.run_test() as pilot:
        box = app.screen.query_one(PromptBox)
        box.insert("old")
        await until(pilot, lambda: planner.asked)
        box.text = "new"
        await pilot.pause(0.15)
        assert studio(app).decision is None
        seen: list[str] = []
        app.screen.watch(
            studio(app), "decision", lambda made: seen.append(made.prompt) if made else None
        )
        gate.set()
        await until(pilot, lambda: studio(app).decision)
        assert seen == ["new"]
        assert most == [1]


async def test_an_emptied_prompt_empties_the_card() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await write(pilot)
        app.screen.query_one(PromptBox).text = "  "
        await until(pilot, lambda: studio(app).decision is None)
        assert "Describe a picture above" in screen_text(pilot)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModelMissing("the router [/starter] is missing"), "the router [/starter] is missing"),
        (ZeroDivisionError("division by zero"), "the price card failed: ZeroDivisionError"),
    ],
)
async def test_a_planner_that_fails_says_so_in_the_cards_place(
    error: Exception, words: str
) -> None:
    def answer(_: Request) -> RoutingDecision:
        raise error

    app = make_app(planner=FakePlanner(answer))
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        assert f"✗ {words}" in screen_text(pilot)
        assert not app._notifications


async def test_a_planner_that_cannot_be_made_says_so_and_is_tried_again() -> None:
    broken = [True]

    def factory() -> FakePlanner:
        if broken:
            raise ModelMissing("no router yet")
        return FakePlanner()

    app = make_app(planner_factory=factory)
    async with app.run_test() as pilot:
        await write(pilot, "a")
        assert "no router yet" in screen_text(pilot)
        broken.clear()
        app.screen.query_one(PromptBox).insert("b")
        await until(pilot, lambda: studio(app).decision)


async def test_turning_the_dial_prices_again_and_goes_into_the_request() -> None:
    planner, engine = FakePlanner(), FakeEngine()
    app = make_app(engine, planner, defaults=Defaults(tradeoff=0.3, load_cost=False))
    async with app.run_test() as pilot:
        await write(pilot)
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("right", "right", "left")
        await until(pilot, lambda: planner.asked[-1].policy == Policy.tradeoff(0.35))
        [request] = await submit(pilot)
        assert request.policy == Policy.tradeoff(0.35)
        assert not request.load_cost
        await pilot.press("end", "right")
        assert app.screen.query_one(TradeoffDial).value == 1.0


async def test_the_dial_starts_balanced_and_says_what_that_means() -> None:
    planner, engine = FakePlanner(), FakeEngine()
    app = make_app(engine, planner, defaults=Defaults())
    async with app.run_test(size=(160, 48)) as pilot:
        await write(pilot)
        told = "balanced · 98 % of the way, 22 % of the cost"
        await until(pilot, lambda: told in screen_text(pilot))
        assert planner.asked[-1].policy == Policy.balanced()
        [request] = await submit(pilot)
        assert request.policy == Policy.balanced()


async def test_the_arrows_stop_at_balanced_and_b_goes_back_to_it() -> None:
    planner = FakePlanner()
    app = make_app(FakeEngine(), planner, defaults=Defaults())
    async with app.run_test(size=(160, 48)) as pilot:
        await write(pilot)
        dial = app.screen.query_one(TradeoffDial)
        dial.focus()
        await until(pilot, lambda: dial.tick == TICK)
        assert dial.value is None
        await pilot.press("right")
        assert dial.value == 0.3
        await until(pilot, lambda: "0.30 · 102 % of the way" in screen_text(pilot))
        await pilot.press("left")
        assert dial.value is None
        await pilot.press("left")
        assert dial.value == 0.25
        await pilot.press("right", "right", "right")
        assert dial.value == 0.35
        await pilot.press("b")
        assert dial.value is None
        await until(pilot, lambda: planner.asked[-1].policy == Policy.balanced())
        await pilot.press("home")
        assert dial.value == 0.0
        await until(pilot, lambda: "●" in screen_text(pilot) and "┼" in screen_text(pilot))


async def test_space_pins_a_function_and_space_again_frees_it() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await pilot.press("down", "space")
        await until(pilot, lambda: "pinned" in screen_text(pilot))
        [request] = await submit(pilot)
        assert request.policy == Policy.pinned("starter-base@20")
        await until(pilot, lambda: studio(app).decision.choice == "starter-base@20")
        assert app.screen.query_one(CandidatesTable).cursor == 0, "it follows its function"
        await pilot.press("space")
        await until(pilot, lambda: studio(app).pinned is None)


async def test_ctrl_g_again_and_again_queues_and_the_count_is_shown() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.generating(pilot)
        text = screen_text(pilot)
        assert "step 5/8" in text
        assert "2 waiting" in text
        ids = [request.id for request in states.engine_of(pilot).submitted]
        assert len(set(ids)) == 3


def noted(request: Request) -> RoutingDecision:
    """The card of a prompt with something to say of it."""
    notes = (Note("no_noun", "nothing it can draw"), Note("size", "far too [b]large"))
    return replace(decision_for(request), notes=notes)


async def test_notes_stand_in_the_card_where_there_is_room() -> None:
    app = make_app(planner=FakePlanner(noted))
    async with app.run_test(size=(160, 48)) as pilot:
        await states.card(pilot)
        text = screen_text(pilot)
        assert "nothing it can draw" in text
        assert "far too [b]large" in text


async def test_on_a_small_terminal_the_card_says_that_there_are_notes_and_where() -> None:
    app = make_app(planner=FakePlanner(noted))
    async with app.run_test(size=(80, 24)) as pilot:
        await states.table_focused(pilot)
        assert "! 2 notes, enter" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "nothing it can draw" in screen_text(pilot))


async def test_a_picture_is_shown_with_its_bill_and_counted() -> None:
    app = make_app()
    async with app.run_test(size=(160, 48)) as pilot:
        await states.drawn(pilot)
        text = screen_text(pilot)
        assert "1 picture · $0.00283/k · saved ~60 % vs always starter-base@20" in text
        assert "0.21 s · 0.031 GB · $0.00283/k" in text
        assert "mixed 1.27 (expected 1.28, 1.20…1.35)" in text
        assert "▀" in text
        assert studio(app).under_way.jobs == ()


async def test_a_picture_whose_file_is_gone_is_said_not_crashed(tmp_path: Path) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        [request] = await submit(pilot)
        made = generation(request, tmp_path / "gone.png")
        states.engine_of(pilot).say(Started(request.id), Generated(request.id, made))
        await until(pilot, lambda: "cannot show gone.png" in screen_text(pilot))
        app.screen.query_one(PicturePane).focus()
        await pilot.press("enter")
        assert isinstance(app.screen, PictureDialog)


async def test_x_cancels_politely_first_and_with_a_fresh_engine_second() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.generating(pilot)
        engine = states.engine_of(pilot)
        first, second, third = engine.submitted
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("x")
        await until(pilot, lambda: engine.cancelled == [first.id])
        assert "stopping" in screen_text(pilot)
        await pilot.press("x")
        await until(pilot, lambda: engine.restarts == 1)
        await until(pilot, lambda: engine.submitted[3:] == [second, third])


async def test_x_is_a_letter_in_the_prompt_box_and_the_palette_still_cancels() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.generating(pilot)
        await pilot.press("x")
        assert app.screen.query_one(PromptBox).text == PROMPT + "x"
        assert states.engine_of(pilot).cancelled == []
        await choose(pilot, "stop", "Stop this picture")
        await until(pilot, lambda: states.engine_of(pilot).cancelled)


async def test_a_chord_stops_what_runs_while_one_writes_and_the_last_line_tells_it() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.generating(pilot)
        assert app.focused is app.screen.query_one(PromptBox)
        assert "alt+x stop" in screen_text(pilot)
        await pilot.press("alt+x")
        await until(pilot, lambda: states.engine_of(pilot).cancelled)
        assert app.screen.query_one(PromptBox).text == PROMPT


async def test_several_lines_are_offered_as_prompts_of_their_own() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await write(pilot, "a cat\n\na dog\n")
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, Question))
        assert "2 lines" in screen_text(pilot)
        await pilot.press("enter")
        engine = states.engine_of(pilot)
        await until(pilot, lambda: len(engine.submitted) == 2)
        assert [request.prompt for request in engine.submitted] == ["a cat", "a dog"]


async def test_choices_in_braces_become_a_picture_each_with_the_seed_that_was_set() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot, "a {red|blue} hat")
        assert "2 prompts" in screen_text(pilot)
        await pilot.press("alt+s")
        await until(pilot, lambda: isinstance(app.screen, TextQuestion))
        await pilot.press("4", "2", "enter")
        await until(pilot, lambda: "seed 42" in screen_text(pilot))
        await pilot.press("ctrl+g")
        engine = states.engine_of(pilot)
        await until(pilot, lambda: len(engine.submitted) == 2)
        asked = [(request.prompt, request.seed) for request in engine.submitted]
        assert asked == [("a red hat", 42), ("a blue hat", 42)]


async def test_what_cannot_be_a_seed_is_said_in_the_dialog() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        await pilot.press("alt+s")
        await until(pilot, lambda: isinstance(app.screen, TextQuestion))
        await pilot.press("m", "i", "n", "e", "enter")
        await until(pilot, lambda: "! a seed is a whole number" in screen_text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.is_modal)
        assert "seed any" in screen_text(pilot)


async def test_up_and_down_at_the_ends_call_back_earlier_prompts() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        box = app.screen.query_one(PromptBox)
        box.remember(["a dog", "a cat"])
        await write(pilot, "a draft")
        await pilot.press("up")
        assert box.text == "a dog"
        await pilot.press("up", "up")
        assert box.text == "a cat"
        await pilot.press("down", "down")
        assert box.text == "a draft"


async def test_a_function_is_left_out_and_let_in_again() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await pilot.press("down", "minus")
        assert studio(app).left_out == {"starter-base@20"}
        assert "starter-base@20" not in (studio(app)._pool or ())
        await until(pilot, lambda: not studio(app)._asking)
        await pilot.press("minus")
        assert studio(app)._pool is None


async def test_the_picture_is_zoomed_while_one_writes_and_comes_back() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.drawn(pilot)
        picture = app.screen.query_one(PicturePane)
        assert picture.size.width >= 30
        assert app.screen.query_one("#picture-frame").size.height >= 15
        await pilot.press("alt+v")
        await until(pilot, lambda: app.screen.maximized is picture and picture.size.width > 70)
        await pilot.press("alt+v")
        await until(pilot, lambda: app.screen.maximized is None)


async def test_a_picture_that_comes_while_the_app_leaves_is_no_failure(tmp_path: Path) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        pane = app.screen.query_one(PicturePane)
        request = Request("01JREQUEST0000000000000001", PROMPT, Policy.tradeoff(0.5))
        pane.generation = generation(request, picture(tmp_path / "late.png"))
        app.exit()
        with Image.open(tmp_path / "late.png") as late:
            await pane._show(PicturePane.Decoded(tmp_path / "late.png", late))
        await pilot.pause()
    assert app._exception is None


async def test_quitting_waits_for_no_planner() -> None:
    """It may import for seconds when one quits at once."""
    threads = []

    def make_planner() -> FakePlanner:
        threads.append(threading.current_thread())
        return FakePlanner()

    app = make_app(planner_factory=make_planner)
    async with app.run_test() as pilot:
        await until(pilot, lambda: threads)
    assert [thread.daemon for thread in threads] == [True]


async def test_quitting_with_work_under_way_asks() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.generating(pilot)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, QuitQuestion))
        assert "3 pictures would not be drawn" in screen_text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.is_modal)
        await pilot.press("ctrl+q", "ctrl+q")
        await until(pilot, lambda: app._exit)


async def test_the_dial_is_dragged_and_its_words_are_clicked() -> None:
    app = make_app()
    async with app.run_test(size=(160, 48)) as pilot:
        await write(pilot)
        dial = app.screen.query_one(TradeoffDial)
        start, end = dial._rail
        await pilot.click(dial, offset=(2 + 2, 0))
        assert dial.value == 0.0
        await pilot.mouse_down(dial, offset=(2 + start + 2, 0))
        await pilot.hover(dial, offset=(2 + end - 2, 0))
        await pilot.mouse_up(dial, offset=(2 + end - 2, 0))
        assert dial.value == 1.0
        await pilot.click(dial, offset=(2 + end + 10, 0))
        assert dial.value is None


async def test_a_failure_is_a_red_line_and_R_tries_again() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.failed(pilot)
        text = screen_text(pilot)
        assert "✗ starter-base@8 needs 0.1 GB, 0.0 GB is free" in text
        assert "alt+r tries again" in text
        engine = states.engine_of(pilot)
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("R")
        await until(pilot, lambda: len(engine.submitted) == 2)
        first, again = engine.submitted
        assert again.id != first.id
        assert again.prompt == first.prompt
        assert studio(app).under_way.failure is None


async def test_a_lost_engine_is_one_key_from_a_fresh_one_that_gets_what_waited() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.lost(pilot)
        assert "the engine was killed (SIGKILL) · F5 starts a fresh engine" in screen_text(pilot)
        engine = states.engine_of(pilot)
        waiting = engine.submitted[1]
        await pilot.press("f5")
        await until(pilot, lambda: engine.submitted[2:] == [waiting])
        engine.say(EngineReady("", frozenset()))
        await until(pilot, lambda: studio(app).under_way.ready)
        assert "F5 starts" not in screen_text(pilot)


async def test_what_is_asked_of_a_lost_engine_waits_for_the_fresh_one() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.lost(pilot)
        engine = states.engine_of(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "2 waiting for a fresh engine" in screen_text(pilot))
        assert len(engine.submitted) == 2
        await pilot.press("f5")
        await until(pilot, lambda: len(engine.submitted) == 4)


async def test_a_request_that_no_engine_takes_is_a_failure_not_a_crash() -> None:
    engine = FakeEngine()
    engine.broken = True
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "the engine is not running" in screen_text(pilot))
        assert studio(app).under_way.jobs == ()


async def test_nothing_installed_says_what_cems_can_offer() -> None:
    app = make_app(planner=FakePlanner(nothing_installed))
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        text = screen_text(pilot)
        assert "! no generation function is installed" in text
        assert "cems starter verify" in text
        assert "cems ls" in text


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_functions_that_no_router_knows_can_be_pinned(size: tuple[int, int]) -> None:
    def undecided(request: Request) -> RoutingDecision:
        made = decision_for(request)
        return made if request.policy.kind == "pinned" else replace(made, choice=None, reason="why")

    app = make_app(planner=FakePlanner(undecided))
    async with app.run_test(size=size) as pilot:
        await write(pilot)
        assert "! why · space pins a function" in screen_text(pilot)
        assert "cems pull" not in screen_text(pilot)
        app.screen.query_one(CandidatesTable).focus()
        await pilot.press("space")
        await until(pilot, lambda: studio(app).decision.choice)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_wild_prompt_is_data_everywhere(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        app.post_message(events.Paste(WILD))
        await until(pilot, lambda: studio(app).decision)
        first, second = await submit(pilot, 2)
        assert first.prompt == WILD
        engine = states.engine_of(pilot)
        image = picture(paths.current().pictures / "wild.png")
        engine.say(
            Started(first.id),
            Step(first.id, "[/f]@1", 1, 2),
            Noted(first.id, Note("other", WILD)),
            Generated(first.id, generation(first, image)),
            Started(second.id),
            Failed(second.id, WILD, WILD, 1),
        )
        await until(pilot, lambda: studio(app).under_way.failure)
        await until(pilot, lambda: app.screen.query_one(PicturePane).has_class("shown"))
        texts = [screen_text(pilot)]
        app.screen.query_one(PicturePane).focus()
        await pilot.press("y")
        await pilot.pause()
        texts.append(screen_text(pilot))
        await pilot.press("enter")
        await pilot.pause()
        texts.append(screen_text(pilot))
        await pilot.press("escape", "r")
        assert app.screen.query_one(PromptBox).text == WILD
        for text in texts:
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "[/oops]" in text


async def test_a_wild_error_of_the_engine_is_data_too() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        states.engine_of(pilot).say(EngineLost("", (), WILD, WILD))
        await until(pilot, lambda: studio(app).under_way.lost)
        assert "✗ [/oops] ␛[31mred" in screen_text(pilot)


@pytest.mark.parametrize("early", [True, False], ids=["before the first frame", "at once"])
async def test_editing_keys_are_followed_where_they_stood_among_the_letters(early: bool) -> None:
    keys = "a dog\x15a red cat\x1b[D\x1b[Dx"  # ctrl+u, and left twice
    app = make_app(typed=keys if early else "")
    async with app.run_test() as pilot:
        if not early:
            for event in XTermParser().feed(keys):
                app.post_message(event)
        await until(pilot, lambda: app.screen.query_one(PromptBox).text == "a red cxat")


async def test_letters_that_come_at_once_are_written_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edits: list[Edit] = []
    edit = PromptBox.edit
    monkeypatch.setattr(
        PromptBox, "edit", lambda box, made: (edits.append(made), edit(box, made))[1]
    )
    app = make_app()
    text = "a red cat and a blue dog\n" * 400
    async with app.run_test() as pilot:
        box = app.screen.query_one(PromptBox)
        for event in XTermParser().feed(text.replace("\n", "\r")):
            app.post_message(event)
        await until(pilot, lambda: box.text == text)
        assert len(edits) < len(text) / 10, "each wraps the whole line"
        await pilot.press("alt+z")
        await until(pilot, lambda: box.text != text)
        assert text.startswith(box.text), "what was typed last is taken back first"


async def test_several_lines_are_pasted_as_they_are() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        app.post_message(events.Paste("a cat\nand a dog"))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("y")
        engine = states.engine_of(pilot)
        await until(pilot, lambda: engine.submitted)
        [request] = engine.submitted
        assert request.prompt == "a cat\nand a dog"


async def test_a_chord_with_alt_is_no_letter_though_a_terminal_sends_it_with_one() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        box = app.screen.query_one(PromptBox)
        await pilot.press(*"cat")
        app.post_message(events.Paste(" and dog"))
        await until(pilot, lambda: box.text == "cat and dog")
        for key in ("alt+z", "alt+q"):  # taking back, and one that means nothing
            app.post_message(events.Key(key, key[-1]))
        await pilot.press("s")
        await until(pilot, lambda: box.text == "cats")


async def test_a_paste_of_many_lines_is_taken_back_and_put_there_again() -> None:
    app = make_app()
    lines = "a red cat and a blue dog\n" * 40
    async with app.run_test(size=(80, 24)) as pilot:
        box = app.screen.query_one(PromptBox)
        await pilot.press(*"so ")
        app.post_message(events.Paste(lines))
        await until(pilot, lambda: box.text == "so " + lines)
        await pilot.press("alt+z")
        await until(pilot, lambda: box.text == "so ")
        await pilot.press("ctrl+y")
        await until(pilot, lambda: box.text == "so " + lines)


async def test_a_whole_book_stays_in_the_clipboard_and_the_prompt_is_kept() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press(*"a cat")
        app.post_message(events.Paste("word " * 200_000))
        await until(pilot, lambda: app._notifications)
        assert [note.title for note in app._notifications] == ["Not pasted"]
        assert app.screen.query_one(PromptBox).text == "a cat"


async def test_too_long_and_empty_prompts_are_refused_with_the_reason() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+g")
        assert [note.title for note in app._notifications] == ["the prompt is empty"]
        box = app.screen.query_one(PromptBox)
        box.insert("x" * 9_500)
        await until(pilot, lambda: "9,500 of 10,000 characters" in screen_text(pilot))
        box.insert("x" * 501)
        await until(pilot, lambda: "! 10,001 characters; 10,000 is the most" in screen_text(pilot))
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert states.engine_of(pilot).submitted == []


async def test_y_copies_the_focused_pictures_command_else_the_drafts() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await states.drawn(pilot)
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("y")
        assert app.clipboard == f"cems generate '{PROMPT}'"
        app.screen.query_one(PicturePane).focus()
        await pilot.press("y")
        assert "--function starter-base@8 --seed 7" in app.clipboard


async def test_the_palette_does_what_a_letter_cannot_do_while_one_types() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        await choose(pilot, "copy", "Copy as a cems command")
        await until(pilot, lambda: app.clipboard == f"cems generate '{PROMPT}'")


async def test_f1_explains_what_is_focused_and_esc_goes_back() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one(TradeoffDial).focus()
        await pilot.press("f1")
        assert isinstance(app.screen, TextDialog)
        assert "economy (always the cheapest)" in screen_text(pilot)
        await pilot.press("escape")
        assert len(app.screen_stack) == 1
        await pilot.press("escape")
        assert isinstance(app.focused, PromptBox)


@pytest.mark.parametrize(
    ("letter", "widget"),
    [("p", PromptBox), ("t", TradeoffDial), ("c", CandidatesTable), ("i", PicturePane)],
)
async def test_ctrl_o_and_a_letter_jumps(letter: str, widget: type) -> None:
    app = make_app()
    async with app.run_test() as pilot:
        await pilot.press("ctrl+o")
        assert isinstance(app.screen, JumpDialog)
        await pilot.press(letter)
        assert isinstance(app.focused, widget)


async def test_no_key_of_the_terminal_is_bound_anywhere() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        for widget in app.screen.query("*").results():
            if widget.can_focus:
                widget.focus()
                await pilot.pause()
                assert not TERMINAL_KEYS & set(app.screen.active_bindings)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (120, 24), (120, 36), (160, 48), (60, 20)])
async def test_every_part_is_on_the_screen_whatever_its_size(size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await states.card(pilot)
        for name in ("prompt", "dial", "candidates", "progress", "picture", "keys", "status"):
            region = app.screen.query_one(f"#{name}").region
            assert region.area > 0, name
            assert region in app.screen.region, name
        assert "ctrl+p commands" in screen_text(pilot)


async def test_a_rebound_key_works_and_is_shown_everywhere() -> None:
    app = make_app(defaults=Defaults(keys={"studio.generate": "f2", "studio.retry": "f12"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await states.idle(pilot)
        assert "idle · F2 draws" in screen_text(pilot)
        assert "F2 draw" in screen_text(pilot)
        await write(pilot)
        await pilot.press("ctrl+g")
        await pilot.press("f2")
        await until(pilot, lambda: len(states.engine_of(pilot).submitted) == 1)
        await pilot.press("f1")
        assert "F12" in screen_text(pilot)
        assert "ctrl+g  " not in screen_text(pilot)


async def test_keys_that_cannot_be_followed_are_said_and_the_usual_ones_hold() -> None:
    app = make_app(defaults=Defaults(keys={"studio.generate": "ctrl+s"}))
    async with app.run_test(size=(120, 36)) as pilot:
        [told] = app._notifications
        assert "terminals keep it" in told.title
        await write(pilot)
        assert await submit(pilot)


async def test_no_color_means_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await states.failed(pilot)
        assert app.no_color
        assert "✗ starter-base@8 needs" in screen_text(pilot)
        svg = app.export_screenshot()
        assert "#3fc1b0" not in svg.lower()


async def test_the_clock_moves_only_while_something_runs() -> None:
    clock = states.Clock()
    app = make_app(clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await states.card(pilot)
        before = studio(app).now
        clock.seconds += 50
        await pilot.pause(0.4)
        assert studio(app).now == before
        [request] = await submit(pilot)
        states.engine_of(pilot).say(Started(request.id))
        await until(pilot, lambda: studio(app).under_way.running)
        clock.seconds += 7
        await until(pilot, lambda: "0:07" in screen_text(pilot))


async def test_the_app_draws_a_picture_with_a_real_engine_process() -> None:
    engine = EngineProcess(FakeSession)
    engine.start()
    try:
        app = make_app(engine)  # type: ignore[arg-type]
        async with app.run_test(size=(120, 36)) as pilot:
            await write(pilot)
            await pilot.press("ctrl+g")
            await until(pilot, lambda: studio(app).generation, 30)
            await until(pilot, lambda: "starter-base" in studio(app).under_way.resident)
            assert app.screen.query_one(ProgressLine).work.jobs == ()
    finally:
        engine.close()
