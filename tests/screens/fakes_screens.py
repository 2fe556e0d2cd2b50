"""The app with an engine that says what a test tells it to, and the states worth looking at."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from textual.pilot import Pilot

from cems_tui import paths
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.request import Event, Failed, Generated, Loading, Request, Routed, Step
from cems_tui.errors import GenerationError
from cems_tui.services.engine.protocol import EngineLost, EngineReady, Started
from screens.app import CemsApp
from screens.studio.screen import StudioScreen
from screens.widgets.facts import FactSheet
from tests.patience import PATIENCE
from tests.screens.fakes_app import (
    PROMPT,
    FakePlanner,
    decision_for,
    generation,
    nothing_installed,
    picture,
)

RESIDENT = frozenset({"starter-base"})


class FakeEngine:
    """Remembers what it was asked; its events are what a test says."""

    def __init__(self) -> None:
        self.submitted: list[Request] = []
        self.cancelled: list[str] = []
        self.restarts = 0
        self.broken = False
        self.opened = False
        self._said: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def say(self, *events: Event) -> None:
        for event in events:
            self._said.put(event)

    def submit(self, request: Request) -> None:
        if self.broken:
            raise GenerationError("the engine is not running", "Start a fresh engine.")
        self.submitted.append(request)

    def open(self) -> None:
        self.opened = True

    def cancel(self, request: str) -> None:
        self.cancelled.append(request)

    def restart(self) -> None:
        self.restarts += 1
        self._said.put(None)
        self._said = queue.SimpleQueue()

    def events(self) -> Iterator[Event]:
        said = self._said
        while (event := said.get()) is not None:
            yield event


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def make_app(
    engine: FakeEngine | None = None, planner: FakePlanner | None = None, **options: object
) -> CemsApp:
    """An app on half-cell pictures, with a clock that stands still."""
    from textual_image.widget import HalfcellImage

    made = planner or FakePlanner()
    options.setdefault("clock", Clock())
    options.setdefault("planner_factory", lambda: made)
    return CemsApp(engine or FakeEngine(), new_image=HalfcellImage, **options)  # type: ignore[arg-type]


def screen_text(pilot: Pilot[None]) -> str:
    """Every character on the screen."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def studio(app: CemsApp) -> StudioScreen:
    screen = app.get_screen_stack("studio")[0]
    assert isinstance(screen, StudioScreen)
    return screen


async def until(
    pilot: Pilot[None], condition: Callable[[], object], seconds: float = PATIENCE
) -> None:
    """Lets the app run until the condition holds."""
    for _ in range(int(seconds / 0.02)):
        await pilot.pause()
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("the condition never held")


async def write(pilot: Pilot[None], prompt: str = PROMPT) -> None:
    """A prompt in the box, as if pasted, with its card answered."""
    from screens.studio.prompt import PromptBox

    screen = studio(pilot.app)  # type: ignore[arg-type]
    box = screen.query_one(PromptBox)
    box.insert(prompt)
    await until(pilot, lambda: screen.decision or screen.card_error)


def engine_of(pilot: Pilot[None]) -> FakeEngine:
    engine = pilot.app.services.engine.process  # type: ignore[attr-defined]
    assert isinstance(engine, FakeEngine)
    return engine


async def submit(pilot: Pilot[None], count: int = 1) -> list[Request]:
    """ctrl+g that often; the requests that reached the engine."""
    engine = engine_of(pilot)
    for _ in range(count):
        await pilot.press("ctrl+g")
    await until(pilot, lambda: len(engine.submitted) >= count)
    return engine.submitted[-count:]


async def idle(pilot: Pilot[None]) -> None:
    engine_of(pilot).say(EngineReady("", frozenset()))
    await until(pilot, lambda: studio(pilot.app).under_way.ready)  # type: ignore[arg-type]


async def card(pilot: Pilot[None]) -> None:
    await idle(pilot)
    await write(pilot)


async def generating(pilot: Pilot[None]) -> None:
    await card(pilot)
    first, *_ = await submit(pilot, 3)
    engine_of(pilot).say(
        Started(first.id),
        Routed(first.id, decision_for(first)),
        Loading(first.id, "starter-base@8", 0.4),
        Step(first.id, "starter-base@8", 5, 8),
    )
    await until(pilot, lambda: studio(pilot.app).under_way.jobs[0].step == 5)  # type: ignore[arg-type]


async def drawn(pilot: Pilot[None]) -> None:
    await card(pilot)
    [request] = await submit(pilot)
    image = picture(paths.current().pictures / "drawn.png")
    fixed = replace(request, id="01JREQUEST0000000000000001")
    engine_of(pilot).say(
        Started(request.id),
        Generated(request.id, generation(fixed, image)),
        EngineReady(request.id, RESIDENT),
    )
    screen = studio(pilot.app)  # type: ignore[arg-type]
    await until(pilot, lambda: screen.under_way.resident == RESIDENT)
    await until(pilot, lambda: screen.query_one("#picture").has_class("shown"))
    await until(pilot, lambda: screen.decision and screen.decision.candidates[0].resident)
    await until(pilot, lambda: not screen._asking)


async def failed(pilot: Pilot[None]) -> None:
    await card(pilot)
    [request] = await submit(pilot)
    engine_of(pilot).say(
        Started(request.id),
        Failed(
            request.id,
            "starter-base@8 needs 0.1 GB, 0.0 GB is free",
            "Choose a smaller function or size, or raise CEMS_DEVICE_BUDGET_MB.",
            5,
        ),
    )
    await until(pilot, lambda: studio(pilot.app).under_way.failure)  # type: ignore[arg-type]


async def lost(pilot: Pilot[None]) -> None:
    await card(pilot)
    first, second = await submit(pilot, 2)
    engine_of(pilot).say(
        Started(first.id), EngineLost(first.id, (second.id,), "the engine was killed (SIGKILL)")
    )
    await until(pilot, lambda: studio(pilot.app).under_way.lost)  # type: ignore[arg-type]


async def receipt_open(pilot: Pilot[None]) -> None:
    await drawn(pilot)
    pilot.app.screen.query_one("#picture").focus()
    await pilot.press("enter")
    await until(pilot, lambda: len(pilot.app.screen_stack) == 2)


async def figures_open(pilot: Pilot[None]) -> None:
    await card(pilot)
    pilot.app.screen.query_one("#candidates").focus()
    await pilot.press("down", "enter")
    await until(pilot, lambda: len(pilot.app.screen_stack) == 2)


async def why_open(pilot: Pilot[None]) -> None:
    """Why the card's choice is the choice."""
    await card(pilot)
    pilot.app.screen.query_one("#candidates").focus()
    await pilot.press("w")
    await until(pilot, lambda: "would be picked" in _dialog_text(pilot))


async def picture_why_open(pilot: Pilot[None]) -> None:
    await drawn(pilot)
    pilot.app.screen.query_one("#picture").focus()
    await pilot.press("w")
    await until(pilot, lambda: "would be picked" in _dialog_text(pilot))


def _dialog_text(pilot: Pilot[None]) -> str:
    sheets = pilot.app.screen.query(FactSheet)
    return "\n".join(fact.text for sheet in sheets for fact in sheet.facts)


def strange(request: Request) -> RoutingDecision:
    """The card of a prompt unlike the training prompts, by a router that only ties."""
    return replace(
        decision_for(request),
        in_distribution=False,
        router="mine",
        refusal="mine only ties with the best single function on 120 prompts: its quality "
        "differs by +0.003 [-0.012, +0.018] mixed",
    )


async def table_focused(pilot: Pilot[None]) -> None:
    await card(pilot)
    pilot.app.screen.query_one("#candidates").focus()
    await pilot.press("down")


async def help_open(pilot: Pilot[None]) -> None:
    await card(pilot)
    await pilot.press("f1")
    await pilot.pause()


async def jump_open(pilot: Pilot[None]) -> None:
    await card(pilot)
    await pilot.press("ctrl+o")
    await pilot.pause()


async def palette_open(pilot: Pilot[None]) -> None:
    await card(pilot)
    await pilot.press("ctrl+p")
    await pilot.pause(0.3)


async def empty_card(pilot: Pilot[None]) -> None:
    await card(pilot)


STATES: dict[str, Callable[[Pilot[None]], object]] = {
    "idle": idle,
    "card": card,
    "generating": generating,
    "drawn": drawn,
    "failed": failed,
    "lost": lost,
    "receipt": receipt_open,
    "figures": figures_open,
    "table": table_focused,
    "help": help_open,
    "jump": jump_open,
    "palette": palette_open,
    "nothing": empty_card,
    "why": why_open,
    "why of the picture": picture_why_open,
    "strange": table_focused,
}


def app_for(state: str, **options: object) -> CemsApp:
    """The app a state starts from."""
    if state == "nothing":
        return make_app(planner=FakePlanner(nothing_installed), **options)
    if state == "strange":
        return make_app(planner=FakePlanner(strange), **options)
    return make_app(**options)


def runs(app: CemsApp, program: str) -> list[list[str]]:
    """What the command is, in the place of `cems`; the words it gets."""
    given: list[list[str]] = []

    def command(words: Sequence[str]) -> list[str]:
        given.append(list(words))
        return [sys.executable, "-c", program]

    run = app.services.long_run
    assert run is not None
    run._command = command
    return given
