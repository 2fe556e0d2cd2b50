"""The place for benchmarks: billed, run as the command runs them, watched, read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot

from cems_tui.bench.desk.bench_desk import BenchDesk, Progress
from cems_tui.domain.bench import BenchPlan, BenchPrompt, Cell, CellKey, KeptPicture
from cems_tui.domain.score import Score
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.engine.protocol import EngineReady
from cems_tui.store.database import open_store
from screens.app import CemsApp
from screens.bench.dialogs import CellDialog, NewBench
from screens.bench.screen import BenchScreen, Matrix
from screens.dialogs import QuitQuestion
from screens.services.defaults import Desks
from screens.services.long_run import LongJob
from screens.studio.dial import TradeoffDial
from screens.widgets.dial_curve import CurvePlot
from screens.widgets.facts import FactSheet
from tests.screens.fakes_screens import FakeEngine, make_app, runs, screen_text, studio, until
from tests.screens.test_routers import toasts

SIZE = (160, 48)
GROUPS = ("one", "two")
PROMPTS = tuple(BenchPrompt.of(f"a {c} star", GROUPS[n % 2]) for n, c in enumerate("abcdef"))
FUNCTIONS = ("starter-base@4", "starter-turbo@1")
PLAN = BenchPlan("mine", PROMPTS, FUNCTIONS, (0,), ("nima", "clip"))
BILL = {
    "pictures": 12, "cost_usd": 0.00004, "seconds": 95.0, "unpriced": 0, "untimed": 2,
    "kept": 0, "reads": 0, "left_out": 0, "score_seconds": None, "picture_bytes": 12_000,
    "picture_bytes_at_most": True, "quota_left_bytes": 10**10, "free_bytes": 10**11,
}  # fmt: skip


def fill(home: Path) -> None:
    """A benchmark of twelve cells: one failed, one is to come."""
    (home / "bench-pictures").mkdir()
    with open_store(home / "cems.db") as store:
        store.benches.begin(PLAN, resume=False)
        for number, prompt in enumerate(PROMPTS):
            for function in FUNCTIONS:
                key, base = CellKey(prompt.id, function, 0), function == FUNCTIONS[0]
                if number == 5 and base:
                    continue
                error = "the device is full" if number == 4 and base else None
                image = home / "bench-pictures" / f"{prompt.id}-{base}.png"
                Image.new("RGB", (8, 8), (40 * number, 80, 90)).save(image)
                scores = (
                    Score("nima", 5 + number / 10 + 0.3 * base, "s:1"),
                    Score("clip", 80.0 + number, "s:2"),
                )
                kept = KeptPicture(str(image.relative_to(home)), 100)
                cell = Cell(0.4 if base else 0.1, 10**7, 4e-6 if base else 1e-6, scores)
                store.benches.record(
                    PLAN, key, prompt, None if error else replace(cell, picture=kept), error
                )
        store.benches.end("mine", "stopped")


class FilledDesk(BenchDesk):
    """The desk of the home; bills are told, and models asked to leave are counted."""

    freed = 0
    billed: Sequence[str] = ()

    def bill(self, words: Sequence[str]) -> dict[str, Any]:
        FilledDesk.billed = words
        if "nowhere.txt" in words:
            raise UsageError("nowhere.txt is not there", "Name a file or a set.")
        return BILL

    def free_device(self) -> None:
        FilledDesk.freed += 1


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    FilledDesk.freed = 0
    return tmp_path


def desk() -> FilledDesk:
    real = Profile.current().bench_desk()
    return FilledDesk(*(getattr(real, name) for name in BenchDesk.__dataclass_fields__))


def bench_app(engine: FakeEngine | None = None) -> CemsApp:
    return make_app(engine, desks=Desks(benches=desk))


LINE = '{{"number": {0}, "total": 3, "cost_usd": 0.001, "error": null, "read_only": false}}'
DRAWS = "\n".join(f"print({LINE.format(number)!r}, flush=True)" for number in (1, 2, 3))
WAITS = f"import time\nprint({LINE.format(1)!r}, flush=True)\ntime.sleep(60)"
FAILS = "import sys\nsys.exit('error: the disk is full\\n hint: Free some space.')"


async def opened(pilot: Pilot[None]) -> BenchScreen:
    await pilot.press("f8")
    await until(pilot, lambda: isinstance(pilot.app.screen, BenchScreen))
    screen = pilot.app.screen
    assert isinstance(screen, BenchScreen)
    await until(pilot, lambda: screen.query("#benches") and not screen._list._reading)
    return screen


async def filled(pilot: Pilot[None]) -> BenchScreen:
    screen = await opened(pilot)
    await until(pilot, lambda: screen._facts)
    await pilot.pause()
    return screen


def test_how_far_it_is_and_what_failed_is_counted_by_group_and_function(home: Path) -> None:
    fill(home)
    facts = desk().facts("mine", "mixed")
    assert facts.progress["one", FUNCTIONS[0]] == Progress(3, 2, 1)
    assert facts.progress["two", FUNCTIONS[0]] == Progress(3, 2, 0)
    assert facts.progress[None, FUNCTIONS[1]] == Progress(6, 6, 0)
    assert [one.error for one in facts.failures] == ["the device is full"]
    assert facts.router == "starter"


def test_its_figures_are_those_of_the_commands_report(home: Path) -> None:
    import json

    from cems_tui.services.app.own_command import output_of

    fill(home)
    facts = desk().facts("mine", "mixed")
    assert facts.report is not None
    told = json.loads(output_of(["bench", "report", "mine", "--router", "starter", "--json"]))
    assert json.loads(json.dumps(facts.report.to_json())) == told
    curve = facts.curve("mixed")
    assert curve is not None
    dearest = curve.at(1.0)
    assert dearest == curve.router[0]


def test_the_worst_pictures_of_a_cell_come_first(home: Path) -> None:
    fill(home)
    found = desk().cell("mine", "mixed", None, FUNCTIONS[1])
    assert [one.score for one in found] == sorted(one.score for one in found)
    assert len(found) == 6
    assert found[0].image is not None
    assert len(desk().cell("mine", "nima", "one", FUNCTIONS[1])) == 3


async def test_without_a_benchmark_it_says_how_to_make_one(home: Path) -> None:
    app = bench_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "n makes one" in screen_text(pilot)


async def test_the_matrix_tells_what_is_done_failed_and_to_come(home: Path) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await filled(pilot)
        lines = screen.query_one(Matrix).render().plain.splitlines()
        assert lines[0].split() == ["starter-…", "base@4", "turbo@1"]
        assert "✗1" in lines[1]
        assert "▒2/3" in lines[2]
        assert lines[4].startswith("wins")
        await pilot.press("f")
        await until(pilot, lambda: app.screen.is_modal)
        assert "the device is full" in app.screen.query_one(FactSheet).facts[0].text


async def test_the_curve_is_walked_and_sets_the_studios_dial(home: Path) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await filled(pilot)
        plot = screen.query_one(CurvePlot)
        plot.focus()
        await pilot.press("left", "left")
        assert plot.dial == 0.4
        assert plot.curve is not None
        place = plot.curve.at(0.4)
        assert place is not None
        assert f"→ {place[1]:.3f}" in str(plot.border_title)
        await pilot.press("s")
        await until(pilot, lambda: studio(app).query_one(TradeoffDial).value == 0.4)


async def test_a_cell_opens_by_key_and_by_mouse(home: Path) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await filled(pilot)
        matrix = screen.query_one(Matrix)
        matrix.focus()
        await pilot.press("down", "right", "enter")
        await until(pilot, lambda: isinstance(app.screen, CellDialog))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        start, _ = matrix._starts[0]
        await pilot.click(Matrix, offset=(start + 3, 3), times=2)
        await until(pilot, lambda: isinstance(app.screen, CellDialog))
        assert matrix.cursor == (1, 0)


async def test_a_new_one_tells_its_bill_before_it_starts(home: Path) -> None:
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        given = runs(app, DRAWS)
        await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewBench))
        form = app.screen
        await pilot.press("tab", "ctrl+a", "ctrl+k", *"nowhere.txt", "enter")
        await until(pilot, lambda: "not there" in form.query_one(FactSheet).facts[0].text)
        await pilot.press("ctrl+a", "ctrl+k", *"spectrum", "enter")
        await until(pilot, lambda: form._billed)  # type: ignore[attr-defined]
        facts = {one.name: one.text for one in form.query_one(FactSheet).facts}
        assert facts["pictures"] == "12"
        assert "~2 minutes, 2 of unknown time beside" in facts["time"]
        assert "not known yet" in facts["time"]
        assert facts["disk"].startswith("at most 12.0 kB")
        assert not given
        await pilot.press("enter")
        await until(pilot, lambda: given)
        assert given[0][:6] == ["bench", "run", "--name", "mine", "--prompts", "spectrum"]
        assert list(FilledDesk.billed) == ["--name", "mine", *given[0][4:-3]]
        await until(pilot, lambda: any("mine is done" in told for told in toasts(app)))


async def test_the_line_of_the_job_stands_on_every_screen_and_it_can_be_stopped(
    home: Path,
) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        given = runs(app, WAITS)
        screen = await filled(pilot)
        await pilot.press("p")
        run = app.services.long_run
        assert run is not None
        await until(pilot, lambda: run.state and run.state.number == 1)
        assert given == [["bench", "run", "--name", "mine", "--json", "--wait", "86400"]]
        await pilot.press("f3")
        await until(pilot, lambda: "bench mine 33 %" in screen_text(pilot))
        await pilot.press("f8")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("p")
        await until(pilot, lambda: run.running is None)
        assert run.state is not None
        assert run.state.stopping


async def test_why_it_ended_early_is_told(home: Path) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        runs(app, FAILS)
        await filled(pilot)
        await pilot.press("p")
        await until(pilot, lambda: any("the disk is full" in told for told in toasts(app)))


async def test_an_idle_engine_is_asked_to_leave_the_device_to_it(home: Path) -> None:
    fill(home)
    engine = FakeEngine()
    app = bench_app(engine)
    async with app.run_test(size=SIZE) as pilot:
        runs(app, WAITS)
        await filled(pilot)
        engine.say(EngineReady("", frozenset({"starter-base"})))
        await until(pilot, lambda: studio(app).under_way.resident)
        assert FilledDesk.freed == 0
        await pilot.press("p")
        await until(pilot, lambda: FilledDesk.freed == 1)
        engine.say(EngineReady("", frozenset({"starter-turbo"})))
        await until(pilot, lambda: FilledDesk.freed == 2)


async def test_the_end_of_the_app_ends_it_in_order(home: Path) -> None:
    fill(home)
    app = bench_app()
    async with app.run_test(size=SIZE) as pilot:
        runs(app, WAITS)
        await filled(pilot)
        await pilot.press("p")
        run = app.services.long_run
        assert run is not None
        await until(pilot, lambda: run.state and run.state.number == 1)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, QuitQuestion))
        assert "Quit with the benchmark mine under way?" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app._exit)
        assert any("bench run --name mine" in line for line in app.parting_words())
    assert run._process is not None
    assert run._process.poll() is not None


def told(numbers: Sequence[int]) -> Iterator[LongJob]:
    job = LongJob("bench", "mine", 0.0)
    for second, number in enumerate(numbers, start=100):
        line = {"number": number, "total": 20, "cost_usd": None, "error": None, "read_only": False}
        job = job.after(line, float(second))
        yield job


def test_the_time_left_goes_by_the_pace_of_this_run() -> None:
    first, *_, last = told([11, 12, 13, 14])
    assert first.seconds_left is None
    assert last.seconds_left == 6.0
    assert last.unpriced == 4
    assert last.words() == "bench mine 70 % · 0:06 left"
