"""Whatever is written can be read, in every theme."""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import TextArea

from cems_tui.profile import Profile
from screens.services.defaults import Defaults, Desks
from screens.theme import THEMES
from tests.screens import fakes_screens as states
from tests.screens.test_bench import desk, fill
from tests.screens.test_blind import fill as fill_votes
from tests.screens.test_doctor import ShortDoctor
from tests.screens.test_models_snapshots import asked, pulling, read, recommended
from tests.screens.test_routers import FakeDesk
from tests.services.fakes_models import FakeKeeper

LEAST = 4.5
"""WCAG 2.2, 1.4.3: contrast of text."""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("reach", [read, pulling, asked, recommended], ids=lambda f: f.__name__)
async def test_every_text_of_the_models_can_be_read(
    reach: Callable[[Pilot[None]], Awaitable[None]], theme: str
) -> None:
    app = states.make_app(keeper=FakeKeeper(), defaults=Defaults(theme=theme))
    async with app.run_test(size=(120, 36)) as pilot:
        await reach(pilot)
        await pilot.pause()
        assert len(list(texts(app))) > 5
        assert poor(app) == set()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("key", ["f10", "f9", "f8", "f7"])
async def test_every_text_of_doctor_settings_benchmarks_and_routers_can_be_read(
    key: str, theme: str, tmp_path: Path
) -> None:
    fill(tmp_path)
    known_routers = FakeDesk()
    desks = Desks(
        doctor=ShortDoctor,
        settings=Profile.current().settings_desk,
        benches=desk,
        routers=lambda: known_routers,  # type: ignore[arg-type,return-value]
    )
    app = states.make_app(defaults=Defaults(theme=theme), desks=desks)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press(key)
        await states.until(
            pilot, lambda: app.screen.query("#findings, #settings, #benches, #routers")
        )
        await states.until(pilot, lambda: app.screen._list.row)  # type: ignore[attr-defined]
        await states.until(pilot, lambda: key != "f8" or app.screen._facts)  # type: ignore[attr-defined]
        await pilot.pause()
        assert len(list(texts(app))) > 5
        assert poor(app) == set()


@pytest.mark.parametrize("theme", THEMES)
async def test_every_text_of_a_blind_vote_can_be_read(theme: str, tmp_path: Path) -> None:
    fill_votes(tmp_path)
    desks = Desks(ballots=Profile.current().ballot_desk)
    app = states.make_app(defaults=Defaults(theme=theme), desks=desks)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("f11")
        await states.until(pilot, lambda: app.screen.query("#blind-prompt"))
        await states.until(pilot, lambda: not app.screen._busy)  # type: ignore[attr-defined]
        for key in ("", "left"):
            if key:
                await pilot.press(key)
                await states.until(pilot, lambda: "dear@9" in states.screen_text(pilot))
            await pilot.pause()
            assert len(list(texts(app))) > 5
            assert poor(app) == set()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(TextArea, "_draw_cursor", False)


def texts(app: App[None]) -> Iterator[tuple[str, Style]]:
    """What is written on the screen, or on the dialog in front of it, with its style.

    Frames, bars and pictures are no text; a screen under a dialog is meant to step back.
    """
    region = app.screen.region
    if app.screen.is_modal:
        region = app.screen.query(".dialog, #--container").first().region
    for strip in app.screen._compositor.render_strips()[region.y : region.bottom]:
        for segment in strip.crop(region.x, region.right):
            if segment.style is not None and any(
                unicodedata.category(letter)[0] in "LN" for letter in segment.text
            ):
                yield segment.text, segment.style


def poor(app: App[None]) -> set[tuple[str, float]]:
    """The texts that cannot be read, with their contrast."""
    return {
        (text.strip(), round(contrast(style), 2))
        for text, style in texts(app)
        if contrast(style) < LEAST
    }


def contrast(style: Style) -> float:
    """The contrast ratio of a text to what it stands on."""
    assert style.color is not None
    assert style.bgcolor is not None
    front, back = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    if style.reverse:
        front, back = back, front
    if style.dim:
        front = back.blend(front, 0.5)
    light, dark = sorted((_luminance(front), _luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Color) -> float:
    """Relative luminance of an sRGB colour, 0…1."""
    parts = (part / 255 for part in (colour.r, colour.g, colour.b))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "state",
    ["idle", "card", "generating", "drawn", "failed", "lost", "table", "nothing", "help", "strange",
     "receipt"],
)  # fmt: skip
async def test_every_text_of_the_studio_can_be_read(state: str, theme: str) -> None:
    app = states.app_for(state, defaults=Defaults(theme=theme))
    async with app.run_test(size=(120, 36)) as pilot:
        await states.STATES[state](pilot)  # type: ignore[misc]
        await pilot.pause()
        assert len(list(texts(app))) > 5
        assert poor(app) == set()
