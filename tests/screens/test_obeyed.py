"""Whatever strangers wrote, the app has its terminal obey nothing of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.content import Content
from textual.widgets import Static

from screens.widgets import receipt
from screens.widgets.obeyed import NothingObeyed
from tests.cli.hostile import EVIL, RAW
from tests.screens.fakes_app import generation, request
from tests.screens.fakes_screens import make_app, screen_text

BLACK = Color.parse("black")


def test_texts_lose_what_would_be_obeyed_and_keep_their_cells() -> None:
    style = Style(bold=True)
    drawn = Control.move_to(3, 4).segment
    segments = [Segment(f"a{EVIL}b", style), Segment("plain\t▀", style), drawn]
    told = NothingObeyed().apply(segments, BLACK)
    assert RAW.search(told[0].text) is None
    assert (told[0].cell_length, told[0].style) == (segments[0].cell_length, style)
    assert told[1:] == segments[1:]


async def test_what_no_widget_made_visible_does_not_reach_the_terminal() -> None:
    app = make_app()
    async with app.run_test() as pilot:
        shown = Static(Content(f"text {EVIL} end"))
        shown.styles.border = ("round", "white")
        await app.screen.mount(shown, before=0)
        shown.border_title = Content(f"title {EVIL}")
        shown.border_subtitle = Content(f"below {EVIL}")
        await pilot.pause()
        text = screen_text(pilot)
    assert "mailto:e" in text
    assert RAW.search(text.replace("\n", "")) is None


def test_a_picture_s_function_is_made_visible_wherever_it_is_named(tmp_path: Path) -> None:
    made = replace(
        generation(request(), tmp_path / "a.png"),
        function=f"f{EVIL}",
        executed=f"g{EVIL}",
        fallback=f"no room {EVIL}",
    )
    told = [receipt.title(made), *(f"{fact.name}{fact.text}" for fact in receipt.receipt(made))]
    assert any("g␛[31m" in text for text in told)
    assert [text for text in told if RAW.search(text.replace("\n", ""))] == []
