"""Doctor, settings, benchmarks, routers and votes as drawn, in every size and theme;
`--snapshot-update` accepts a changed one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.profile import Profile
from cems_tui.services.app.settings_desk import SettingsDesk
from cems_tui.services.doctor import Finding
from screens.services.defaults import Defaults, Desks
from screens.theme import THEMES
from tests.screens.fakes_screens import make_app, until
from tests.screens.test_bench import desk, fill
from tests.screens.test_blind import fill as fill_votes
from tests.screens.test_doctor import ShortDoctor
from tests.screens.test_routers import FakeDesk


class KnownDoctor(ShortDoctor):
    """The same without what names a folder."""

    def examine(self) -> list[Finding]:
        return [one for one in super().examine() if one.subject != "config"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    if "settings" in request.node.name:
        (tmp_path / "config.toml").write_text("[routing]\ntradeoff = 0.4\n[app]\ncolour = 3\n")


async def shown(pilot: Pilot[None], key: str) -> None:
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen.query("#findings, #settings, #benches, #routers"))
    await until(pilot, lambda: pilot.app.screen._list.row)  # type: ignore[attr-defined]


async def doctor(pilot: Pilot[None]) -> None:
    await shown(pilot, "f10")


async def settings(pilot: Pilot[None]) -> None:
    await shown(pilot, "f9")


async def bench(pilot: Pilot[None]) -> None:
    fill(Path.cwd())
    await shown(pilot, "f8")
    await until(pilot, lambda: pilot.app.screen._facts)  # type: ignore[attr-defined]


def _settled(reach: Callable[[Pilot[None]], Awaitable[object]]) -> Callable[[Pilot[None]], object]:
    async def settle(pilot: Pilot[None]) -> None:
        await reach(pilot)
        await pilot.pause()
        await pilot.pause()

    return settle


async def routers(pilot: Pilot[None]) -> None:
    await shown(pilot, "f7")


async def blind(pilot: Pilot[None]) -> None:
    """Before the key: both pictures are the same, so the sides, drawn by lot, are too."""
    fill_votes(Path.cwd(), prompts=1)
    await pilot.press("f11")
    await until(pilot, lambda: pilot.app.screen.query("#blind-prompt"))
    await until(pilot, lambda: not pilot.app.screen._busy)  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 48)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize(
    "reach", [doctor, settings, bench, routers, blind], ids=lambda one: one.__name__
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    reach: Callable[[Pilot[None]], Awaitable[object]],
    size: tuple[int, int],
    theme: str,
) -> None:
    known_routers = FakeDesk()
    desks = Desks(
        doctor=KnownDoctor,
        settings=lambda: SettingsDesk(Path("config.toml")),
        benches=desk,
        routers=lambda: known_routers,  # type: ignore[arg-type,return-value]
        ballots=Profile.current().ballot_desk,
    )
    app = make_app(defaults=Defaults(theme=theme), desks=desks)
    assert snap_compare(app, run_before=_settled(reach), terminal_size=size)
