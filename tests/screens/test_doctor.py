"""The place of the doctor: what is wrong is told first, and one key mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from cems_tui.profile import Profile
from cems_tui.services.doctor import Doctor, Finding, Remedy
from screens.app import CemsApp
from screens.doctor.finding_rows import terminal_finding
from screens.doctor.screen import DoctorScreen
from screens.picture_widgets import PictureWidgets
from screens.services.defaults import Desks
from screens.terminal import Answers
from screens.widgets.facts import FactSheet
from tests.screens.fakes_screens import make_app, until
from tests.screens.test_routers import toasts

SIZE = (80, 24)


class ShortDoctor:
    """The doctor of the profile that looks at its settings alone, which is quick; what pictures
    depend on beside them is told as found on a machine."""

    def examine(self) -> list[Finding]:
        real = Profile.current().doctor
        rest = [
            Finding("device", "ok", "cpu x86_64: 23.1 of 25.3 GB free"),
            Finding(
                "models",
                "note",
                "this machine can hold 22 of 24 models",
                "`cems pull --recommended` fetches sd-turbo, 2.6 GB.",
                remedy=Remedy("pull", "pulls what is worth its 2.6 GB", "cems pull --recommended"),
            ),
            Finding(
                "versions",
                "problem",
                "not installed: pyiqa",
                "Run pip install again.",
                2,
                Remedy("copy", "installs them", "pip install pyiqa"),
            ),
        ]
        return [*rest, *real._config()]

    def mend(self, remedy: Remedy) -> None:
        Profile.current().doctor.mend(remedy)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def doctor_app() -> CemsApp:
    return make_app(desks=Desks(doctor=ShortDoctor))


async def opened(pilot: Pilot[None]) -> DoctorScreen:
    await pilot.press("f10")
    await until(pilot, lambda: isinstance(pilot.app.screen, DoctorScreen))
    screen = pilot.app.screen
    assert isinstance(screen, DoctorScreen)
    await until(pilot, lambda: screen.query("#findings") and screen._list.row)
    await pilot.pause()
    return screen


def point_at(screen: DoctorScreen, subject: str) -> None:
    rows = [screen._list.at(place) for place in range(screen._list.count)]
    screen._list.point([row.finding.subject for row in rows if row].index(subject))


async def test_what_needs_one_comes_first_and_its_line_is_copied(home: Path) -> None:
    app = doctor_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        assert screen._list.row is not None
        assert screen._list.row.finding.subject == "versions"
        facts = screen.query_one("#remedy FactSheet", FactSheet).facts
        assert ("in a shell", "pip install pyiqa") in {(one.name, one.text) for one in facts}
        await pilot.press("enter")
        assert app.clipboard == "pip install pyiqa"


async def test_a_setting_that_cannot_be_followed_is_taken_out_once_one_agrees(home: Path) -> None:
    file = home / "config.toml"
    file.write_text("# mine\n[routing]\nbogus = 3\n[device]\nleave_gb = 1 # for the browser\n")
    app = doctor_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        point_at(screen, "config")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.is_modal)
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.is_modal)
        assert "bogus" in file.read_text()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.is_modal)
        await pilot.press("enter")
        await until(pilot, lambda: "bogus" not in file.read_text())
        assert "# for the browser" in file.read_text()
        await until(pilot, lambda: "1 problem" in str(screen._list.border_subtitle))
        assert any("cems config set routing.bogus --default" in told for told in toasts(app))


async def test_what_is_done_elsewhere_leads_there(home: Path) -> None:
    from tests.services.fakes_models import FakeKeeper

    app = make_app(desks=Desks(doctor=ShortDoctor), keeper=FakeKeeper())
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("n")
        assert screen._list.row is not None
        assert screen._list.row.finding.subject == "models"
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "models")


async def test_the_mouse_mends(home: Path) -> None:
    app = doctor_app()
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.click("#findings", offset=(5, 1), times=2)
        assert app.clipboard == "pip install pyiqa"


async def test_what_is_fine_offers_no_key_to_mend_it(home: Path) -> None:
    app = doctor_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        assert "enter" in screen.active_bindings
        point_at(screen, "device")
        await pilot.pause()
        offered = [b.binding.description for b in screen.active_bindings.values() if b.enabled]
        assert "mend" not in offered
        await pilot.press("y")
        assert app.clipboard == "cems doctor"


@pytest.mark.parametrize(
    ("way", "answers", "status", "words"),
    [
        ("auto", Answers(kitty=True, complete=True), "ok", "Kitty's protocol"),
        ("auto", Answers(sixel=True, complete=True), "ok", "Sixel"),
        ("auto", Answers(complete=True), "note", "neither Kitty's protocol nor Sixel"),
        ("auto", Answers(), "note", "did not answer"),
        ("unicode", Answers(), "ok", "as letters, as app.image says"),
    ],
)
def test_the_protocol_of_the_terminal_is_named(
    way: str, answers: Answers, status: str, words: str
) -> None:
    found = terminal_finding(PictureWidgets(way, answers))
    assert found is not None
    assert found.status == status
    assert words in found.detail


def doctor_of(home: Path) -> Doctor:
    return Profile.current().doctor


def test_a_device_that_is_not_here_is_mended_by_its_default(home: Path) -> None:
    file = home / "config.toml"
    file.write_text('[generation]\ndevice = "mps"\n')
    found = [one for one in doctor_of(home)._device() if one.status == "problem"]
    [remedy] = [one.remedy for one in found]
    assert remedy is not None
    assert remedy.command == "cems config set generation.device --default"
    doctor_of(home).mend(remedy)
    assert all(one.status != "problem" for one in doctor_of(home)._device())


def test_what_others_may_read_is_closed_to_them(home: Path) -> None:
    home.chmod(0o755)
    pictures = home / "pictures"
    pictures.mkdir(mode=0o755)
    (pictures / "a.png").write_bytes(b"")
    (pictures / "a.png").chmod(0o644)
    [found] = doctor_of(home)._privacy()
    assert found.remedy is not None
    doctor_of(home).mend(found.remedy)
    assert (pictures / "a.png").stat().st_mode & 0o077 == 0
    [after] = doctor_of(home)._privacy()
    assert after.status == "ok"


def test_what_needs_the_network_is_not_the_doctors_to_do(home: Path) -> None:
    pulls = Remedy("pull", "pulls it", "cems pull --recommended")
    with pytest.raises(ValueError, match="not the doctor's"):
        doctor_of(home).mend(pulls)
    assert replace(pulls, kind="copy") != pulls
