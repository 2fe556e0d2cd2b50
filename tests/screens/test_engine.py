"""What is asked of the engine is given in order, off the UI's thread, whatever the engine does."""

from __future__ import annotations

import threading

from cems_tui.domain.request import Request
from screens.services.engine import EngineState
from tests.screens.fakes_screens import (
    FakeEngine,
    engine_of,
    generating,
    lost,
    make_app,
    screen_text,
    submit,
    until,
    write,
)


class Unstartable(FakeEngine):
    """Cannot be replaced until a test says so."""

    problem: Exception | None = OSError("no memory is left")

    def restart(self) -> None:
        if self.problem is not None:
            raise self.problem
        super().restart()


async def test_an_engine_that_cannot_be_replaced_says_why_and_what_waited_still_waits() -> None:
    engine = Unstartable()
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await lost(pilot)
        before = len(engine.submitted)
        await pilot.press("f5")
        await until(pilot, lambda: "no engine could be started: no memory" in screen_text(pilot))
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "2 waiting for a fresh engine" in screen_text(pilot))
        assert len(engine.submitted) == before
        engine.problem = None
        await pilot.press("f5")
        await until(pilot, lambda: len(engine.submitted) == before + 2)


async def test_what_is_asked_while_the_engine_is_replaced_comes_after_what_waited() -> None:
    ended = threading.Event()

    class Slow(FakeEngine):
        def restart(self) -> None:
            ended.wait()
            super().restart()

    engine = Slow()
    app = make_app(engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await generating(pilot)
        _, second, third = engine.submitted
        await pilot.press("f5", "f5", "ctrl+g")
        await until(pilot, lambda: len(app.services.engine.state.work.jobs) == 3)
        assert len(engine.submitted) == 3, "nobody gets it yet, and nobody who types waits"
        ended.set()
        await until(pilot, lambda: len(engine.submitted) == 6)
        assert engine.submitted[3:5] == [second, third]
        assert engine.restarts == 1


async def test_an_engine_that_fails_as_nobody_foresaw_is_one_key_from_a_fresh_one() -> None:
    class Odd(FakeEngine):
        def submit(self, request: Request) -> None:
            raise TypeError("cannot pickle this")

    app = make_app(Odd())
    async with app.run_test(size=(80, 24)) as pilot:
        await write(pilot)
        await pilot.press("ctrl+g")
        await until(pilot, lambda: "the engine cannot be asked: TypeError" in screen_text(pilot))
        assert "F5 starts a fresh engine" in " ".join(screen_text(pilot).split())
        await pilot.press("f5")
        await until(pilot, lambda: engine_of(pilot).restarts == 1)


async def test_what_was_asked_is_held_once_whichever_screen_shows_it() -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.services.engine.state == EngineState()
        await write(pilot)
        [request] = await submit(pilot)
        state = app.services.engine.state
        assert [job.request for job in state.work.jobs] == [request]
