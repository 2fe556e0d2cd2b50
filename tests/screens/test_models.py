"""The models screen under a pilot: what is shown, asked, pulled, paused and removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui import paths
from cems_tui.app_engine import AppPlanner
from cems_tui.errors import DownloadError, UsageError
from cems_tui.models.queue import Pull, Pulls
from cems_tui.models.remove import Removal
from cems_tui.profile import Profile
from cems_tui.services import models
from cems_tui.services.engine.protocol import EngineReady
from cems_tui.services.library import GROUPS, Library, ModelFacts, Part, Resident, grouped
from cems_tui.views.model_list import steps
from screens.app import CemsApp
from screens.dialogs import JumpDialog, Question, TextDialog
from screens.models.model_list import LEGENDS, ModelShelf, matching, window
from screens.models.screen import ModelsScreen
from screens.services.library import LibraryState
from screens.studio.prompt import PromptBox
from tests.models.fake_hub import FakeHub, Fault
from tests.models.hub_fixtures import UNET, online, pipeline_files
from tests.screens.fakes_screens import FakeEngine, make_app, screen_text, studio, until
from tests.services.fakes_models import LIBRARY, FakeKeeper, plan, under_way

__all__ = ["online"]

SIZES = [(80, 24), (160, 48)]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def told(app: CemsApp) -> list[str]:
    """The titles of what the app notified of."""
    return [notification.title for notification in app._notifications]


def library(app: CemsApp) -> LibraryState:
    assert app.services.library is not None
    return app.services.library.state


def shelf_of(app: CemsApp) -> ModelShelf:
    assert isinstance(app.screen, ModelsScreen)
    return app.screen.query_one(ModelShelf)


async def open_models(pilot: Pilot[None], model: str = "") -> CemsApp:
    """The models screen, read, with the cursor on a model."""
    app = pilot.app
    assert isinstance(app, CemsApp)
    await until(pilot, lambda: library(app).library)
    await pilot.press("f4")
    await until(pilot, lambda: isinstance(app.screen, ModelsScreen) and app.screen.library)
    await until(pilot, lambda: app.focused is shelf_of(app))
    if model:
        shelf_of(app).model = model
        await pilot.pause()
    return app


async def dialog(pilot: Pilot[None], words: str) -> Question:
    await until(pilot, lambda: isinstance(pilot.app.screen, Question))
    await until(pilot, lambda: words in screen_text(pilot))
    assert isinstance(pilot.app.screen, Question)
    return pilot.app.screen


# --- the list --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_every_group_is_listed_and_no_word_is_cut(size: tuple[int, int]) -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=size) as pilot:
        await open_models(pilot)
        seen = screen_text(pilot)
        await pilot.press("G")
        await pilot.pause()
        seen += screen_text(pilot)
        for word in (
            "installed · 3",
            "fits this machine",
            "too big",
            "laion-aesthetic",
            "◇G",
            "NC",
        ):
            assert word in seen
        assert any(legend in seen for legend in LEGENDS)
        assert "holds 8 of 11 models" in seen
        assert size == SIZES[0] or "holds 8 of 11 models · 38.4 GB free" in seen


async def test_the_keys_of_lists_move_the_cursor_over_models_only() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        shelf = shelf_of(app)
        assert shelf.model == "starter-base"
        await pilot.press("j", "down", "j")
        assert shelf.model == "sd-turbo"
        await pilot.press("k", "up")
        assert shelf.model == "starter-small"
        await pilot.press("G")
        assert shelf.model == "laion-aesthetic"
        await pilot.press("j", "g")
        assert shelf.model == "starter-base"


async def test_a_search_narrows_the_list_and_esc_leads_back_step_by_step() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        await pilot.press("slash", *"turbo nc")
        assert app.focused is not None
        assert app.focused.id == "find"
        await until(pilot, lambda: [f.name for f in shelf_of(app).shown] == ["sdxl-turbo"])
        await pilot.press("enter")
        assert app.focused is shelf_of(app)
        assert "1 of 13" in screen_text(pilot)
        await pilot.press("escape")
        assert len(shelf_of(app).shown) == 13
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is studio(app))
        assert isinstance(app.focused, PromptBox)


async def test_a_search_that_finds_nothing_says_so() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        await pilot.press("slash", *"[/x]")
        await until(pilot, lambda: "nothing here matches “[/x]”" in screen_text(pilot))


async def test_the_details_follow_the_cursor_and_enter_shows_all_of_what_is_installed() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(160, 48)) as pilot:
        await open_models(pilot, "amused-512")
        seen = screen_text(pilot)
        assert "hardly earns its disk" in seen
        assert "it drew 12 of 148 pictures here" in seen
        assert "amused-512@12 · 0.49 s measured here" in seen
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        assert "transformer/model.fp16.safetensors" in screen_text(pilot)


async def test_a_list_that_cannot_be_read_says_why_in_its_place() -> None:
    keeper = FakeKeeper()
    keeper.error = UsageError("the ledger [/x] is newer", "Upgrade this one.")
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f4")
        await until(pilot, lambda: "✗ the ledger [/x] is newer" in screen_text(pilot))
        assert "Upgrade this one." in screen_text(pilot)


async def test_what_is_on_the_device_is_told_by_component_or_not_at_all() -> None:
    engine = FakeEngine()
    keeper = FakeKeeper()
    app = make_app(engine, keeper=keeper)
    async with app.run_test(size=(160, 48)) as pilot:
        await open_models(pilot)
        assert "the engine has not told yet what it holds" in screen_text(pilot)
        engine.say(EngineReady("", frozenset()))
        await until(pilot, lambda: "nothing is on the device" in screen_text(pilot))
        keeper.held = Resident(
            frozenset({"amused-512"}), (Part("transformer", 1_600_000_000), Part("vae", 90_000_000))
        )
        engine.say(EngineReady("01J", frozenset({"amused-512"})))
        await until(pilot, lambda: "transformer 1.6 GB" in screen_text(pilot))
        assert "1.7 of 9.6 GB" in screen_text(pilot)
        assert "● amused-512" in screen_text(pilot)


# --- going there and back --------------------------------------------------------------------


async def test_the_app_still_opens_on_the_prompt_and_says_what_the_machine_can_hold() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: studio(app).holds)
        await pilot.pause()
        assert app.screen is studio(app)
        assert isinstance(app.focused, PromptBox)
        assert "this machine can hold 8 of 11 models · F4 Models" in screen_text(pilot)


async def test_ctrl_o_and_a_letter_lead_to_the_models_and_to_the_studio() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: library(app).library)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpDialog))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, JumpDialog))
        await pilot.press("s")
        await until(pilot, lambda: app.screen is studio(app))


async def test_one_can_go_there_and_back_as_often_as_one_likes() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        for _ in range(2):
            await pilot.press("f3")
            await until(pilot, lambda: app.screen is studio(app))
            await pilot.press("f4")
            await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
            assert shelf_of(app).model == "sd-turbo"
        assert "sd-turbo" in screen_text(pilot)


async def test_the_tabs_can_be_clicked() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: library(app).library)
        tabs = screen_text(pilot).splitlines()[0]
        await pilot.click("#status", offset=(tabs.index("Models"), 0))
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        await pilot.click("#status", offset=(tabs.index("Studio"), 0))
        await until(pilot, lambda: app.screen is studio(app))


async def test_the_palette_leads_there() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: library(app).library)
        await pilot.press("ctrl+p", *"models")
        await until(
            pilot, lambda: "Models" in screen_text(pilot) and "Quit" not in screen_text(pilot)
        )
        await pilot.pause(0.2)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))


async def test_f4_does_not_go_past_a_dialog() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: library(app).library)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        await pilot.press("f4")
        assert isinstance(app.screen, TextDialog)


async def test_ctrl_g_among_the_models_draws_the_prompt() -> None:
    engine = FakeEngine()
    app = make_app(engine, keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one(PromptBox).insert("a cat")
        await open_models(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: engine.submitted)
        assert engine.submitted[0].prompt == "a cat"
        assert app.screen is studio(app)


# --- pulling ---------------------------------------------------------------------------------


async def test_a_pull_is_asked_with_files_bytes_disk_and_licence_and_then_queued() -> None:
    keeper = FakeKeeper()
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        await pilot.press("enter")
        await dialog(pilot, "enter pulls · esc closes")
        seen = screen_text(pilot)
        assert "2.4 GB; 167.0 MB is here already" in seen
        assert "38.4 GB free, 36.0 GB left then" in seen
        assert "unet/model.fp16.safetensors" in seen
        assert "Apache-2.0" in seen
        await pilot.press("enter")
        await until(pilot, lambda: keeper.queue.added)
        assert keeper.queue.added == [("sd-turbo", False)]
        assert "waiting" in screen_text(pilot)


async def test_a_licence_that_asks_is_agreed_to_with_y_and_not_with_enter() -> None:
    keeper = FakeKeeper()
    keeper.planned["sdxl-turbo"] = plan("sdxl-turbo", noncommercial=True, licence="sai-nc")
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sdxl-turbo")
        await pilot.press("enter")
        asked = await dialog(pilot, "y agrees to the licence")
        assert "sai-nc · noncommercial use only" in screen_text(pilot)
        await pilot.press("enter")
        assert app.screen is asked
        await pilot.press("y")
        await until(pilot, lambda: keeper.queue.added == [("sdxl-turbo", True)])


async def test_a_licence_that_was_agreed_to_is_not_asked_again() -> None:
    models = tuple(
        replace(facts, accepted="sai-nc") if facts.name == "sdxl-turbo" else facts
        for facts in LIBRARY.models
    )
    keeper = FakeKeeper(replace(LIBRARY, models=models))
    keeper.planned["sdxl-turbo"] = plan("sdxl-turbo", noncommercial=True, licence="sai-nc")
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sdxl-turbo")
        await pilot.press("enter")
        await dialog(pilot, "enter pulls · esc closes")


async def test_a_refused_licence_pulls_nothing() -> None:
    keeper = FakeKeeper()
    keeper.planned["sdxl-turbo"] = plan("sdxl-turbo", noncommercial=True, licence="sai-nc")
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sdxl-turbo")
        await pilot.press("enter")
        await dialog(pilot, "y agrees to the licence")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        assert not keeper.queue.added


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            DownloadError("the Hub cannot be reached [/x]", "Check the network."),
            "Check the network.",
        ),
        (DownloadError("org/sd-turbo is gated", "Accept its conditions at https://…"), "is gated"),
        (plan("sd-turbo", free_bytes=1_000_000_000), "1.4 GB too little"),
    ],
)
async def test_what_stands_in_the_way_of_a_pull_is_said_and_it_cannot_be_begun(
    answer: object, words: str
) -> None:
    keeper = FakeKeeper()
    keeper.planned["sd-turbo"] = answer  # type: ignore[assignment]
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        await pilot.press("enter")
        asked = await dialog(pilot, words)
        await pilot.press("enter", "y")
        assert app.screen is asked
        await pilot.press("escape")
        assert not keeper.queue.added


async def test_p_pauses_and_resumes_and_x_cancels() -> None:
    keeper = FakeKeeper(pulls=under_way())
    app = make_app(keeper=keeper)
    async with app.run_test(size=(160, 48)) as pilot:
        await open_models(pilot, "sdxl-turbo")
        assert "2.8 of 6.9 GB · 30.0 MB/s · 2:18 left" in screen_text(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "paused at 40 %, p resumes" in screen_text(pilot))
        await pilot.press("p")
        await until(pilot, lambda: keeper.queue.added == [("sdxl-turbo", True)])
        await pilot.press("x")
        await until(pilot, lambda: keeper.queue.pulls.of("sdxl-turbo") is None)
        assert "ssd-1b  paused at 41 %, p resumes" in screen_text(pilot)


async def test_pulls_go_on_while_another_screen_is_open_and_failures_are_told_there() -> None:
    keeper = FakeKeeper(pulls=under_way())
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        await pilot.press("escape")
        failed = under_way().failing("sdxl-turbo", "no room [/x] is left", "Free some space.")
        keeper.queue.tell(failed)
        await until(pilot, lambda: "no room [/x] is left" in told(app))
        await pilot.press("f4")
        await until(pilot, lambda: "✗ no room [/x] is left" in screen_text(pilot))
        assert "enter tries again." in screen_text(pilot)


async def test_one_key_pulls_the_recommended_set_after_its_reasons_and_total() -> None:
    keeper = FakeKeeper()
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        assert "P pulls the recommended set: 2 models, ~9.5 GB" in screen_text(pilot)
        await pilot.press("P")
        await dialog(pilot, "~9.5 GB in all, 2 models")
        assert "adds at most 0.19 with routing" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: keeper.queue.added == [("sd-turbo", False)])
        await pilot.press("P")
        await dialog(pilot, "y agrees and pulls all")
        await pilot.press("y")
        await until(pilot, lambda: ("sdxl-turbo", True) in keeper.queue.added)


async def test_where_nothing_is_recommended_the_key_says_why() -> None:
    keeper = FakeKeeper(
        replace(LIBRARY, recommended=(), recommended_note="This machine draws on its CPU.")
    )
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        await pilot.press("P")
        asked = await dialog(pilot, "This machine draws on its CPU.")
        await pilot.press("enter")
        assert app.screen is asked


async def test_a_model_that_came_is_told_and_the_card_is_asked_anew() -> None:
    from cems_tui.models.events import Installed
    from cems_tui.models.queue import QueueUpdate

    keeper = FakeKeeper()
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one(PromptBox).insert("a cat")
        await until(pilot, lambda: studio(app).decision)
        await open_models(pilot)
        models = tuple(
            replace(f, group="installed") if f.name == "sd-turbo" else f for f in LIBRARY.models
        )
        keeper.library = replace(LIBRARY, models=models)
        before = studio(app)._question
        came = Installed("sd-turbo", Path("/m"), 1, 1, 1.0, ("sd-turbo@1",))
        keeper.queue._listener(QueueUpdate(Pulls(), came))
        await until(pilot, lambda: "installed · 4" in screen_text(pilot))
        assert "sd-turbo is installed" in told(app)
        assert studio(app)._question > before


async def test_y_copies_the_command_that_does_the_same() -> None:
    app = make_app(keeper=FakeKeeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        await pilot.press("y")
        assert app.clipboard == "cems pull sd-turbo"
        shelf_of(app).model = "amused-512"
        await pilot.press("y")
        assert app.clipboard == "cems show amused-512"


async def test_quitting_while_a_pull_runs_pauses_it_and_says_how_to_go_on() -> None:
    keeper = FakeKeeper(pulls=under_way())
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot)
        await pilot.press("ctrl+q")
    assert keeper.queue.closed
    assert any("ssd-1b: paused at 41 %" in line for line in app.parting_words())


# --- removing --------------------------------------------------------------------------------


async def test_an_error_that_nobody_foresaw_is_in_the_log_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keeper = FakeKeeper()

    def fails(model: str) -> Removal:
        raise RuntimeError(f"no way to remove {model}")

    monkeypatch.setattr(keeper, "removal", fails)
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "amused-512")
        await pilot.press("d")
        await until(pilot, paths.current().log_file.exists)
    text = paths.current().log_file.read_text()
    assert "Traceback" in text
    assert "no way to remove amused-512" in text


async def test_d_asks_and_says_what_is_freed_and_who_else_uses_the_files() -> None:
    keeper = FakeKeeper()
    keeper.removals["amused-512"] = Removal(
        "amused-512", (Path("/models/amused"),), 1_400_000_000, ("my-amused",), ()
    )
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "amused-512")
        await pilot.press("d")
        await dialog(pilot, "y removes it")
        assert "1.4 GB" in screen_text(pilot)
        assert "its files: my-amused uses them too" in screen_text(pilot)
        await pilot.press("enter")
        assert not keeper.removed
        await pilot.press("y")
        await until(pilot, lambda: keeper.removed == ["amused-512"])
        await until(pilot, lambda: "amused-512 is removed" in told(app))


async def test_what_others_link_to_stays() -> None:
    keeper = FakeKeeper()
    keeper.removals["amused-512"] = Removal("amused-512", (), 0, (), (), ("my-amused",))
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "amused-512")
        await pilot.press("d")
        await dialog(pilot, "my-amused links to its files")
        await pilot.press("y")
        await pilot.pause()
        assert not keeper.removed


async def test_d_means_nothing_on_what_is_part_of_the_program() -> None:
    keeper = FakeKeeper()
    app = make_app(keeper=keeper)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "starter-base")
        await pilot.press("d")
        await pilot.pause(0.1)
        assert isinstance(app.screen, ModelsScreen)


# --- against a Hub on a real socket ----------------------------------------------------------


@pytest.fixture
def hub(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that has sd-turbo, as the app asks it."""
    real = models.Hub
    with FakeHub({"stabilityai/sd-turbo": pipeline_files()}) as hub:
        monkeypatch.setattr(models, "Hub", lambda: real(hub.url))
        yield hub


async def pull_sd_turbo(pilot: Pilot[None]) -> None:
    await open_models(pilot, "sd-turbo")
    await pilot.press("enter")
    await dialog(pilot, "enter pulls · esc closes")
    await pilot.press("enter")


async def test_a_pulled_model_can_be_chosen_and_a_removed_one_no_more(hub: FakeHub) -> None:
    app = make_app(keeper=Profile.current().keeper(), planner=AppPlanner(Profile.current()))  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        app.screen.query_one(PromptBox).insert("a cat")
        await until(pilot, lambda: studio(app).decision)
        await pull_sd_turbo(pilot)
        await until(pilot, lambda: "sd-turbo@1" in candidates(app))
        assert Profile.current().catalog()["sd-turbo@1"].installed
        await until(pilot, lambda: facts_of(app, "sd-turbo").group == "installed")
        await pilot.press("d")
        await dialog(pilot, "y removes it")
        await pilot.press("y")
        await until(pilot, lambda: "sd-turbo@1" not in candidates(app))
        assert not Profile.current().catalog()["sd-turbo@1"].installed


async def test_a_pull_paused_resumed_quit_and_resumed_fetches_no_byte_twice(hub: FakeHub) -> None:
    hub.fail(UNET, Fault(hang_after=200_000), times=2)
    app = make_app(keeper=Profile.current().keeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await pull_sd_turbo(pilot)
        await until(pilot, lambda: hub.bytes_sent(UNET) >= 200_000)
        await pilot.press("p")
        await until(pilot, lambda: library(app).pulls.paused)
        await pilot.press("p")
        await until(pilot, lambda: hub.bytes_sent(UNET) >= 400_000)
        await pilot.press("ctrl+q")
    assert any("sd-turbo: paused at" in line for line in app.parting_words())
    again = make_app(keeper=Profile.current().keeper())
    async with again.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        await until(pilot, lambda: "paused at 57 %, p resumes" in screen_text(pilot))
        await pilot.press("p")
        await until(pilot, lambda: facts_of(again, "sd-turbo").group == "installed")
    assert hub.bytes_sent(UNET) <= len(pipeline_files()[UNET]) + 2 * 65536


async def test_a_cancelled_pull_keeps_its_bytes_until_d_removes_them(
    hub: FakeHub, home: Path
) -> None:
    hub.fail(UNET, Fault(hang_after=200_000))
    app = make_app(keeper=Profile.current().keeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await pull_sd_turbo(pilot)
        await until(pilot, lambda: hub.bytes_sent(UNET) >= 200_000)
        await pilot.press("x")
        await until(pilot, lambda: not library(app).pulls.pulls)
        await until(pilot, lambda: facts_of(app, "sd-turbo").fetched_bytes)
        assert "% here" in screen_text(pilot)
        await pilot.press("d")
        await dialog(pilot, "y removes it")
        await pilot.press("y")
        await until(pilot, lambda: not facts_of(app, "sd-turbo").fetched_bytes)
    assert not list((home / "models" / ".partial").rglob("*.part"))


async def test_without_a_hub_a_pull_says_so_and_the_app_goes_on(hub: FakeHub) -> None:
    await asyncio.to_thread(hub.die)
    app = make_app(keeper=Profile.current().keeper())
    async with app.run_test(size=(80, 24)) as pilot:
        await open_models(pilot, "sd-turbo")
        await pilot.press("enter")
        await dialog(pilot, "✗")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))


def candidates(app: CemsApp) -> set[str]:
    decision = studio(app).decision
    return {one.function for one in decision.candidates} if decision is not None else set()


def facts_of(app: CemsApp, name: str) -> ModelFacts:
    read = library(app).library
    assert read is not None
    found = read.of(name)
    assert found is not None
    return found


# --- decisions of drawing, without a screen --------------------------------------------------


def test_a_library_without_models_is_drawn_too() -> None:
    assert matching((), "") == ()
    assert Library().holdable == 0


def test_groups_come_in_their_order_whatever_the_catalog_s() -> None:
    shown = grouped(tuple(reversed(LIBRARY.models)))
    order = [GROUPS.index(facts.group) for facts in shown]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [((), ""), ((1,), "@1"), ((1, 2, 4), "@1 2 4"), ((10, 25, 50, 100, 250), "@10 25 50 +2")],
)
def test_steps_without_room_are_counted_not_cut(numbers: tuple[int, ...], text: str) -> None:
    assert steps(numbers) == text


@pytest.mark.parametrize(
    ("top", "at", "first"), [(0, 1, 0), (0, 9, 5), (5, 3, 2), (5, 7, 5), (9, 19, 15), (18, 19, 15)]
)
def test_the_window_moves_as_little_as_it_can_and_shows_the_cursor(
    top: int, at: int, first: int
) -> None:
    assert window(top, at, 5, 20) == first


def test_a_paused_pull_that_never_began_says_so() -> None:
    from screens.models.model_facts import pull_words

    assert pull_words(Pull("a", state="paused"), "p") == "paused before it began, p resumes"
