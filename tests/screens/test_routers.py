"""The place for routers: the shipped cards told, walked, used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from cems_tui.domain.job import Epoch
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.services.app.router_desk import RouterFacts, facts_of
from cems_tui.services.routers import Change
from screens.app import CemsApp
from screens.dialogs import TextDialog, TextQuestion
from screens.router.dialogs import PairsDialog, TrainForm
from screens.router.screen import RouterScreen
from screens.services.defaults import Desks
from screens.studio.dial import TradeoffDial
from screens.widgets.dial_curve import CurvePlot
from screens.widgets.facts import FactSheet
from tests.screens.fakes_screens import make_app, runs, screen_text, until

SIZE = (160, 48)


class FakeDesk:
    """The shipped cards, and one that only ties; remembers what it is asked."""

    def __init__(self) -> None:
        cards = Profile.current().shelf().cards()
        shipped = [
            facts_of(one, asked=one.name == "starter", shipped=True, installed=4) for one in cards
        ]
        figures = {**cards[0].evaluation, "verdict": "ties", "verdict_words": "ties"}
        tying = replace(cards[0], name="mine", evaluation=figures)
        self.rows = (*shipped, facts_of(tying, asked=False, shipped=False, installed=4))
        self.used: list[tuple[str, bool]] = []
        self.benched: tuple[str, ...] = ("mine", "other")
        self.asked_about: list[tuple[str, ...]] = []
        self.pairs = 40
        self.billed: list[str] = []

    def facts(self) -> tuple[RouterFacts, ...]:
        return self.rows

    def use(self, name: str, *, force: bool) -> Change:
        refusal = next(one.refusal for one in self.rows if one.key == name)
        if refusal is not None and not force:
            raise UsageError(refusal, "Use it nevertheless: --force.")
        self.used.append((name, force))
        return Change("starter", name)

    def rollback(self) -> Change:
        raise UsageError("no other router was in use before", "`cems router use NAME` chooses one.")

    def benches(self) -> tuple[str, ...]:
        return self.benched

    def evaluate(self, name: str, bench: str) -> dict[str, Any]:
        self.asked_about.append((name, bench))
        figures = next(one.card.evaluation for one in self.rows if one.key == name)
        words = {"verdict_in_words": "beats the best single function", "notes": ("few prompts",)}
        latency = {"latency_ms": {"p50": 0.63, "p95": 0.94}}
        return {**figures, "router": name, "metric": "mixed", **latency, **words}

    def difference(self, a: str, b: str, bench: str) -> dict[str, Any]:
        self.asked_about.append((a, b, bench))
        hands = {"a": "base@20", "b": "turbo@1", "quality_delta": -0.0112, "cost_delta_usd": -1e-6}
        changes = [{**hands, "prompt": f"prompt {n} [/x]"} for n in range(50)]
        told = {"a": a, "b": b, "metric": "mixed", "prompts": 120, "changed": 50, "notes": ()}
        return {**told, "changes": changes, "quality_delta": None, "cost_delta_usd": 2e-6}

    def calibrate(self, name: str) -> dict[str, Any]:
        return {"router": f"{name}-calibrated", "of": name, "in_use": True}

    def prospect(self, name: str) -> dict[str, Any]:
        if name == "mine":
            raise UsageError("there is no such metric", "Name another.")
        missing = 0 if self.pairs >= 120 else 120 - self.pairs
        bill = {"seconds": 95.0, "untimed": 0, "cost_usd": 0.0004, "unpriced": 0, "pictures": 234}
        supply = {"prompts": missing, "functions": ["base@20", "turbo@1"], "bill": bill}
        return {
            "router": name, "metric": "mixed", "functions": ["base@20", "turbo@1"],
            "pairs": self.pairs, "needed": 120, "missing": missing, "singles": 7, "seen": 0,
            "enough": self.pairs >= 30, "supply": supply if missing else None,
        }  # fmt: skip

    def bench_bill(self, words: Sequence[str]) -> dict[str, Any]:
        self.billed = list(words)
        if not self.pairs:
            raise UsageError("there is no prompt in the history", "Draw some.")
        return {"pictures": 234, "seconds": 95.0, "cost_usd": 0.0004}

    def free_device(self) -> None:
        """Nobody holds one."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    monkeypatch.setenv("CEMS_HOME", str(tmp_path))
    monkeypatch.delenv("NO_COLOR", raising=False)
    return FakeDesk()


async def opened(pilot: Pilot[None]) -> RouterScreen:
    await pilot.press("f7")
    await until(pilot, lambda: isinstance(pilot.app.screen, RouterScreen))
    screen = pilot.app.screen
    assert isinstance(screen, RouterScreen)
    await until(pilot, lambda: screen.query("#routers") and screen._list.row)
    await pilot.pause()
    return screen


def routers_app(desk: FakeDesk) -> CemsApp:
    return make_app(
        desks=Desks(routers=lambda: desk, benches=lambda: desk)  # type: ignore[arg-type,return-value]
    )


def toasts(app: CemsApp) -> list[str]:
    return [f"{one.title}: {one.message}" for one in app._notifications]


async def test_the_router_that_is_asked_is_pointed_at_with_its_card(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        assert screen._list.row is not None
        assert screen._list.row.key == "starter"
        facts = screen.query_one("#card FactSheet", FactSheet).facts
        assert facts[0].name == "verdict"
        assert "beats the best single function" in facts[0].text
        assert "dial 0.50" in str(screen.query_one(CurvePlot).border_title)


async def test_the_curve_is_walked_and_sets_the_studios_dial(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        plot = screen.query_one(CurvePlot)
        before = plot.render().plain
        await pilot.press("left", "left", "left")
        assert plot.dial == 0.35
        assert plot.render().plain != before
        assert screen._list.row is not None
        promised = screen._list.row.curve.at(0.35)
        assert promised is not None
        assert f"→ {promised[1]:.3f}" in str(plot.border_title)
        await pilot.press("s")
        await until(pilot, lambda: app.current_mode == "studio")
        await until(pilot, lambda: app.screen.query_one(TradeoffDial).value == 0.35)


async def test_a_router_that_beats_is_used_by_one_key(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("u")
        await until(pilot, lambda: desk.used == [("starter", False)])


async def test_one_that_only_ties_needs_the_key_a_second_time(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("G", "u")
        await until(pilot, lambda: screen._refused)
        assert not desk.used
        assert any("only ties" in one and "u again" in one for one in toasts(app))
        await pilot.press("k", "j")
        await pilot.pause()
        assert screen._refused is None
        await pilot.press("u")
        await until(pilot, lambda: screen._refused)
        await pilot.press("u")
        await until(pilot, lambda: desk.used == [("mine", True)])


def sheet(app: CemsApp) -> str:
    """The words of the dialog in front."""
    return "\n".join(f"{one.name} {one.text}" for one in app.screen.query_one(FactSheet).facts)


async def test_a_router_is_evaluated_on_a_benchmark_one_names(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, TextQuestion))
        await pilot.press("ctrl+u", *"nothing", "enter")
        hint = app.screen.query_one(".hint", Static)
        await until(pilot, lambda: "no benchmark 'nothing'" in str(hint.render()))
        await pilot.press("ctrl+u", *"other", "enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        assert desk.asked_about == [("starter", "other")]
        said = sheet(app)
        for one in desk.rows[-2].card.evaluation["strategies"]:
            assert f"{one['name']} {one['quality']:.4g}" in said
        assert "0.63 ms" in said
        assert "note few prompts" in said


async def test_what_a_router_would_do_otherwise_is_listed(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("d")  # the one that is asked, beside itself
        await until(pilot, lambda: any("the router that is asked" in one for one in toasts(app)))
        await pilot.press("G", "d")
        await until(pilot, lambda: isinstance(app.screen, TextQuestion))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        assert desk.asked_about == [("starter", "mine", "mine")]
        said = sheet(app)
        assert "50 of 120 prompts, starter → mine" in said
        assert "mixed —, +$0.00200/k" in said
        assert "base@20 → turbo@1  mixed −0.0112, −$0.00100/k" in said
        assert "and 10 more" in said


async def test_a_router_is_calibrated_and_without_a_benchmark_nothing_is_asked(
    desk: FakeDesk,
) -> None:
    desk.benched = ()
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot)
        await pilot.press("e")
        await until(pilot, lambda: any("no benchmark yet" in one for one in toasts(app)))
        await pilot.press("c")
        await until(pilot, lambda: any("starter-calibrated was made" in one for one in toasts(app)))


async def test_what_cannot_be_done_is_told(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.press("b")
        await until(pilot, lambda: any("no other router" in one for one in toasts(app)))
        await pilot.press("G", "T")
        await until(pilot, lambda: any("no such metric" in one for one in toasts(app)))
        assert screen._list.row is not None


async def test_the_mouse_points_and_opens(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(pilot)
        await pilot.click("#routers", offset=(5, 2))
        assert screen._list.index == 0
        row = screen._list.row
        assert row is not None
        assert screen.query_one(CurvePlot).of == row.key


def learns(*, ends: bool) -> str:
    """A program that tells what a training tells, and ends with the router it made or waits."""
    told = [Epoch(n, 6, 1.0 / n, "validation error", 2.0 / n, 1, 2).words() for n in (1, 2, 3)]
    document = {
        "router": "starter", "metric": "mixed",
        "supply": {"prompts": 340, "functions": ["base@20", "turbo@1"], "bill": {
            "seconds": 50.0, "untimed": 0, "cost_usd": 0.002, "unpriced": 0, "pictures": 680}},
    }  # fmt: skip
    lines = [f"print({one!r}, file=sys.stderr, flush=True)" for one in told]
    last = f"print({json.dumps(document)!r})" if ends else "time.sleep(60)"
    return "\n".join(["import sys, time", *lines, last])


@pytest.mark.parametrize("size", [(80, 24), SIZE], ids=["small", "large"])
async def test_a_training_shows_its_loss_as_it_learns_and_can_be_stopped(
    desk: FakeDesk, size: tuple[int, int]
) -> None:
    app = routers_app(desk)
    async with app.run_test(size=size) as pilot:
        given = runs(app, learns(ends=False))
        screen = await opened(pilot)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TrainForm))
        await pilot.press("tab", "ctrl+u", *"starter", "enter")
        form = app.screen
        await until(pilot, lambda: "already" in form.query_one(FactSheet).facts[0].text)
        await pilot.press("ctrl+u", *"fresh", "tab", "ctrl+u", *"transformer", "enter")
        await until(pilot, lambda: given)
        assert given[0] == [
            "router", "train", "--name", "fresh", "--bench", "mine", "--kind", "transformer",
            "--json",
        ]  # fmt: skip
        await until(pilot, lambda: screen.has_class("-learning"))
        run = app.services.long_run
        assert run is not None
        await until(pilot, lambda: run.state and len(run.state.epochs) == 3)
        await pilot.pause()
        said = screen_text(pilot)
        assert "The training of fresh, network 1 of 2, epoch 3 of 6" in said
        assert "loss 0.3333" in said
        assert "validation error 0.6667" in said
        assert said.count("┤") >= 2
        await pilot.press("f3")
        await until(pilot, lambda: "train fresh 25 %" in screen_text(pilot))
        await pilot.press("f7", "x")
        await until(pilot, lambda: run.running is None)
        await until(pilot, lambda: any("was stopped" in one for one in toasts(app)))
        assert not screen.has_class("-learning")


async def test_after_a_retraining_what_would_settle_it_is_one_key_away(desk: FakeDesk) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        given = runs(app, learns(ends=True))
        await opened(pilot)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, PairsDialog))
        assert "40 prompts of yours, of about 120" in sheet(app)
        assert "80 prompts more with 2 functions: ~2 minutes" in sheet(app)
        await pilot.press("enter")
        await until(pilot, lambda: given)
        assert given[0] == ["router", "retrain", "starter", "--json"]
        await until(pilot, lambda: isinstance(app.screen, PairsDialog))
        await until(pilot, lambda: "340 prompts more with 2 functions: ~50 s" in sheet(app))
        again = runs(app, "")
        await pilot.press("s")
        await until(pilot, lambda: again)
        assert again[0][:4] == ["shadow", "run", "--pictures", "340"]


async def test_what_is_missing_is_benched_by_one_key_with_its_bill_beside_it(
    desk: FakeDesk,
) -> None:
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        given = runs(app, learns(ends=False))
        await opened(pilot)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, PairsDialog))
        await until(pilot, lambda: "234 pictures, ~2 minutes" in sheet(app))
        await pilot.press("n")
        await until(pilot, lambda: given)
        assert given[0][:4] == ["bench", "run", "--name", "own"]
        assert desk.billed == ["--name", "own", *given[0][4:-3]]


async def test_without_a_prompt_in_the_history_there_is_nothing_to_bench(desk: FakeDesk) -> None:
    desk.pairs = 0
    app = routers_app(desk)
    async with app.run_test(size=SIZE) as pilot:
        given = runs(app, learns(ends=False))
        await opened(pilot)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, PairsDialog))
        await until(pilot, lambda: "no prompt in the history" in sheet(app))
        await pilot.press("n", "enter")
        await pilot.pause()
        assert isinstance(app.screen, PairsDialog)
        assert not given
