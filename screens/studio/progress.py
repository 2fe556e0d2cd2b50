"""What the engine is doing, in a line; what waits and what failed below, where there is room."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.generation import Generation
from cems_tui.services.engine.protocol import EngineLost
from cems_tui.text import one_line
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.commands import GENERATE, key_of
from screens.studio.commands import FRESH_ENGINE, RETRY
from screens.studio.price_card import short_name
from screens.work import Failure, Job, Work

BAR_CELLS = 20
REFRESH_SECONDS = 0.25
"""How often the clock of a running job is redrawn; nothing moves when nothing runs."""


class ProgressLine(Widget):
    """The running job with its step and time, the count of what waits, the last failure."""

    work: reactive[Work] = reactive(Work(), layout=True)
    made: reactive[tuple[Generation, ...]] = reactive(())
    """The pictures of this session, newest first; listed where there is room."""

    now = reactive(0.0)
    """The screen's clock, seconds."""

    def __init__(self, money: Money = DOLLARS) -> None:
        """`money` is what prices are told in."""
        super().__init__(id="progress")
        self._money = money

    def watch_work(self, work: Work) -> None:
        self.set_class(bool(work.jobs), "busy")
        waiting = len(work.waiting)
        running = "1 running" if work.running else "idle"
        self.border_title = f"Queue · {running}{f', {waiting} waiting' if waiting else ''}"

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """What must be seen; what waits and what is done is for spare room."""
        return len(self._now_and_needed(width))

    def render(self) -> Content:
        width, height = self.content_size
        work = self.work
        lines = self._now_and_needed(width)
        lines += [_waits(job) for job in work.waiting]
        lines += [_made(generation, width, self._money) for generation in self.made]
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines[:height])

    def _now_and_needed(self, width: int) -> list[Content]:
        """What needs action, then what runs, then what should be known."""
        work = self.work
        lines: list[Content] = []
        if work.lost is not None:
            lines += _lost(work.lost, key_of(FRESH_ENGINE, self.app))
        elif work.failure is not None:
            lines += _failed(work.failure, key_of(RETRY, self.app))
        if work.running is not None:
            lines.append(self._under_way(work.running, len(work.waiting), width))
        elif work.jobs:
            lines.append(_held(work))
        if work.note:
            lines.append(Content.styled(f"! {one_line(work.note, 300)}", "$warning"))
        if not lines:
            lines.append(Content.styled(_idle(work, key_of(GENERATE, self.app)), "$muted"))
        return [part for line in lines for part in line.wrap(max(20, width))]

    def _under_way(self, job: Job, waiting: int, width: int) -> Content:
        spent = "" if job.began is None else figures.clock(max(0.0, self.now - job.began))
        head = short_name(job.function) if job.function else "…"
        tail = f"{_phase(job):<10}"
        after = f"{spent} · {waiting} waiting" if waiting else spent
        room = width - 2 - len(head) - len(tail) - len(after) - 4
        bar = max(4, min(BAR_CELLS, room))
        done = round(bar * job.step / job.steps) if job.steps else 0
        room -= bar + 2
        prompt = f"{one_line(job.request.prompt, room):<{room}}  " if room >= 8 else ""
        return Content.assemble(
            ("● ", "bold $quality"),
            (f"{head}  ", "bold"),
            (prompt, "$muted"),
            f"{tail} ",
            ("━" * done, "$quality"),
            ("─" * (bar - done), "$muted"),
            f" {after}",
        )


def _phase(job: Job) -> str:
    if job.phase == "drawing":
        return f"step {job.step}/{job.steps}"
    if job.phase == "loading" and job.loading_seconds:
        return f"loading ~{figures.seconds(job.loading_seconds)}"
    return job.phase


def _idle(work: Work, key: str) -> str:
    if not work.ready and work.lost is None:
        return "the engine is starting; you can write and generate already"
    return "" if work.lost else f"idle · {key} generates"


def _held(work: Work) -> Content:
    doing = "waiting for a fresh engine" if work.lost else "waiting for the engine to start"
    return Content.assemble(("○ ", ""), f"{len(work.waiting)} {doing}")


def _waits(job: Job) -> Content:
    return Content.assemble(("○ ", "$muted"), one_line(job.request.prompt, 200))


def _made(generation: Generation, width: int, money: Money) -> Content:
    estimated = generation.cost_source != "measured"
    price = (
        money.per_thousand(generation.cost_usd, estimated=estimated)
        if generation.priced
        else "unpriced"
    )
    return Content.assemble(
        ("✓ ", "$quality"),
        f"{short_name(generation.executed):<16} ",
        (f"{figures.seconds(generation.seconds.total):>8} ", "$muted"),
        (f"{price:>11}  ", "$cost"),
        (one_line(generation.prompt, max(8, width)), "$muted"),
    )


def _lost(event: EngineLost, key: str) -> list[Content]:
    head = Content.assemble(
        ("✗ ", "bold $error"),
        (one_line(event.message, 200), "bold $error"),
        (f" · {key} starts a fresh engine", "bold"),
    )
    return [head, Content.styled(one_line(event.hint, 300), "$muted")] if event.hint else [head]


def _failed(failure: Failure, key: str) -> list[Content]:
    message, hint = one_line(failure.message, 300), one_line(failure.hint, 300)
    if failure.cancelled:
        return [Content.styled(f"– {message}", "$muted")]
    what = Content.assemble(("✗ ", "bold $error"), (message, "bold $error"))
    todo = [hint] if hint else []
    todo += [f"{key} tries again."] if failure.request else []
    return [Content(" · ").join([what, " ".join(todo)]) if todo else what]
