"""Doctor, settings and benchmarks as drawn; `--snapshot-update` accepts a changed one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.services.app.settings_desk import SettingsDesk
from cems_tui.services.doctor import Finding
from screens.services.defaults import Defaults, Desks
from tests.screens.fakes_screens import make_app, until
from tests.screens.test_bench import desk, fill
from tests.screens.test_doctor import ShortDoctor


class KnownDoctor(ShortDoctor):
    """The same without what names a folder."""

    def examine(self) -> list[Finding]:
        return [one for one in super().examine() if one.subject != "config"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[routing]\ntradeoff = 0.4\n[app]\ncolour = 3\n")


async def shown(pilot: Pilot[None], key: str) -> None:
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen.query("#findings, #settings, #benches"))
    await until(pilot, lambda: pilot.app.screen._list.row)  # type: ignore[attr-defined]


async def doctor(pilot: Pilot[None]) -> None:
    await shown(pilot, "f10")


async def settings(pilot: Pilot[None]) -> None:
    await shown(pilot, "f9")


async def bench(pilot: Pilot[None]) -> None:
    Path("config.toml").unlink()
    fill(Path.cwd())
    await shown(pilot, "f8")
    await until(pilot, lambda: pilot.app.screen._facts)  # type: ignore[attr-defined]


def _settled(reach: Callable[[Pilot[None]], Awaitable[object]]) -> Callable[[Pilot[None]], object]:
    async def settle(pilot: Pilot[None]) -> None:
        await reach(pilot)
        await pilot.pause()
        await pilot.pause()

    return settle


@pytest.mark.parametrize(
    ("reach", "size", "theme"),
    [
        (doctor, (80, 24), "dark"),
        (doctor, (160, 48), "light"),
        (settings, (80, 24), "light"),
        (settings, (160, 48), "dark"),
        (bench, (80, 24), "dark"),
        (bench, (160, 48), "light"),
    ],
    ids=lambda one: (
        f"{one[0]}x{one[1]}" if isinstance(one, tuple) else getattr(one, "__name__", one)
    ),
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    reach: Callable[[Pilot[None]], Awaitable[object]],
    size: tuple[int, int],
    theme: str,
) -> None:
    desks = Desks(
        doctor=KnownDoctor, settings=lambda: SettingsDesk(Path("config.toml")), benches=desk
    )
    app = make_app(defaults=Defaults(theme=theme), desks=desks)
    assert snap_compare(app, run_before=_settled(reach), terminal_size=size)
