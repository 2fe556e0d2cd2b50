"""The blind comparison: before the key nothing tells what the pictures are, after it all does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from PIL import Image, PngImagePlugin
from textual.pilot import Pilot
from textual.widget import Widget

from cems_tui.bench.desk.ballot_desk import BallotDesk, bare
from cems_tui.domain.score import Score
from cems_tui.profile import Profile
from cems_tui.store.database import open_store
from cems_tui.store.receipts import write_png
from screens.app import CemsApp
from screens.blind.screen import BlindScreen
from screens.services.defaults import Desks
from screens.widgets.facts import FactSheet
from tests.screens.fakes_screens import make_app, screen_text, until
from tests.store.records import generation

DEAR, CHEAP = "dear@9", "cheap@1"
SIZE = (80, 24)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def fill(home: Path, prompts: int = 2) -> None:
    """Prompts drawn by a dear and a cheap function each."""
    with open_store(home / "cems.db") as store:
        session = store.session()
        for number in range(prompts):
            for function, price, value in ((DEAR, 9e-6, 1.5), (CHEAP, 1e-6, 1.0)):
                made = generation(
                    session,
                    home,
                    id=f"01{function[:1].upper()}{number}",
                    prompt=f"prompt {number}",
                    executed=function,
                    cost_usd=price,
                    seed=987654321,
                    scores=(Score("mixed", value, "m:1"),),
                )
                write_png(Image.new("RGB", (8, 8), "red"), made.image, made.to_json())
                store.add_generation(made)


def blind_app() -> CemsApp:
    return make_app(desks=Desks(ballots=Profile.current().ballot_desk))


async def opened(pilot: Pilot[None]) -> BlindScreen:
    await pilot.press("f11")
    await until(pilot, lambda: isinstance(pilot.app.screen, BlindScreen))
    screen = pilot.app.screen
    assert isinstance(screen, BlindScreen)
    await until(pilot, lambda: screen.query("#blind-prompt") and not screen._busy)
    return screen


def answers(home: Path) -> list[str]:
    with open_store(home / "cems.db") as store:
        return [vote.answer for vote in store.votes.all()]


def told_by(widget: Widget) -> Iterator[str]:
    """Every text that a widget holds: names, titles, attributes, what is known of its picture."""
    for name, value in vars(widget).items():
        if isinstance(value, Image.Image):
            yield repr(value.info)
            yield repr(getattr(value, "filename", ""))
        elif not isinstance(value, Widget) and name not in ("_desk", "_open_desk", "_services"):
            yield f"{name}={value!r}"
    yield f"{widget.id} {widget.classes} {widget.tooltip} {widget.border_title}"


async def test_before_the_key_nothing_tells_what_the_pictures_are(home: Path) -> None:
    fill(home)
    app = blind_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await until(pilot, lambda: len(screen.query(".picture-image")) == 2)
        held = [text for widget in screen.walk_children() for text in told_by(widget)]
        seen = [screen_text(pilot), app.clipboard, app.title, app.sub_title, *held]
        log = home / "state" / "cems.log"
        seen.append(log.read_text() if log.exists() else "")
        for secret in (DEAR, CHEAP, "dear", "cheap@", "987654321", "01D0", "01C0", ".png", "1e-06"):
            assert not [text for text in seen if secret in text], secret
        await pilot.press("left")
        await until(pilot, lambda: screen._voted)
        await pilot.pause()
        assert DEAR in screen_text(pilot)
        assert "seed 987654321" in screen_text(pilot)


async def test_after_the_key_it_is_told_how_scorer_and_price_agree(home: Path) -> None:
    fill(home)
    app = blind_app()
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await opened(pilot)
        await pilot.press("right")
        await until(pilot, lambda: screen._voted)
        facts = {one.name: one.text for one in screen.query_one(FactSheet).facts}
        chosen_dear = DEAR in facts["right"]
        assert facts["you"] == "right"
        assert ("mixed agrees with 100 %" in facts["so far"]) is chosen_dear
        assert ("better in 0 %" in facts["so far"]) is chosen_dear
        assert answers(home) == ["right"]


async def test_ties_and_both_bad_are_votes_and_undo_takes_the_last_back(home: Path) -> None:
    fill(home)
    app = blind_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("down")
        await until(pilot, lambda: screen._voted)
        await pilot.press("left")
        assert answers(home) == ["tie"]
        await pilot.press("space")
        await until(pilot, lambda: screen._asked)
        await pilot.press("up")
        await until(pilot, lambda: screen._voted)
        assert answers(home) == ["tie", "both bad"]
        await pilot.press("u")
        await until(pilot, lambda: screen._asked)
        assert answers(home) == ["tie"]


async def test_a_click_on_a_picture_is_a_vote_for_it(home: Path) -> None:
    fill(home)
    app = blind_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.click("#right-side", offset=(20, 6))
        await until(pilot, lambda: screen._voted)
        assert answers(home) == ["right"]


async def test_without_a_pair_it_says_how_to_get_one(home: Path) -> None:
    app = blind_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        assert "draws a picture again with another" in screen_text(pilot)
        await pilot.press("left")
        await pilot.pause()
        assert not (home / "cems.db").exists()


def test_the_sides_are_drawn_by_chance(home: Path) -> None:
    fill(home, 1)
    profile = Profile.current()
    desk = BallotDesk(profile.history, profile.records, Random(5))
    lefts = Counter[str]()
    for _ in range(100):
        assert desk.next() is not None
        assert desk._asked is not None
        lefts[desk._asked.left.executed] += 1
    expected = 50.0
    chi = sum((lefts[name] - expected) ** 2 / expected for name in (DEAR, CHEAP))
    assert chi < 10.83  # one in a thousand


def test_a_bare_picture_holds_nothing_but_its_pixels(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("receipt", "dear@9")
    file = tmp_path / "dear.png"
    Image.new("RGB", (4, 4), "blue").save(file, pnginfo=text)
    found = bare(file)
    assert found.info == {}
    assert found.getpixel((0, 0)) == (0, 0, 255)
