"""The job line: what runs, how far it is, what needs action; the same on every screen."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.services.engine.protocol import EngineLost
from cems_tui.text import one_line
from screens import figures
from screens.commands import GENERATE, chord_of, key_of
from screens.studio.commands import CANCEL, FRESH_ENGINE, RETRY
from screens.widgets.columns import short_name
from screens.work import Failure, Job, Work

BAR_CELLS = 20
REFRESH_SECONDS = 0.25
"""How often the clock of a running job is redrawn; nothing moves when nothing runs."""


class ProgressLine(Widget):
    """The running job with its step and time, the count of what waits, the last failure."""

    work: reactive[Work] = reactive(Work(), layout=True)
    now = reactive(0.0)
    """The screen's clock, seconds."""

    def __init__(self) -> None:
        super().__init__(id="progress")

    def watch_work(self, work: Work) -> None:
        self.set_class(bool(work.jobs), "busy")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line, and another for what needs action."""
        return len(self._now_and_needed(width))

    def render(self) -> Content:
        width, height = self.content_size
        lines = self._now_and_needed(width)
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines[:height])

    def _now_and_needed(self, width: int) -> list[Content]:
        """What needs action, then what runs, then what should be known."""
        work = self.work
        lines: list[Content] = []
        if work.lost is not None:
            lines += _lost(work.lost, key_of(FRESH_ENGINE, self.app))
        elif work.failure is not None:
            lines += _failed(work.failure, chord_of(RETRY, self.app))
        if work.running is not None:
            lines.append(self._under_way(work.running, len(work.waiting), width))
        elif work.jobs:
            lines.append(_held(work))
        if work.note:
            lines.append(Content.styled(f"! {one_line(work.note, 300)}", "$warning"))
        if not lines:
            lines.append(Content.styled(_idle(work, key_of(GENERATE, self.app)), "$muted"))
        return [part for line in lines for part in line.wrap(max(20, width))]

    @property
    def _stop_key(self) -> str:
        return chord_of(CANCEL, self.app)

    def _under_way(self, job: Job, waiting: int, width: int) -> Content:
        spent = "" if job.began is None else figures.clock(max(0.0, self.now - job.began))
        head = short_name(job.function) if job.function else "…"
        tail = f"{_phase(job):<10}"
        after = f"{spent} · {waiting} waiting" if waiting else spent
        after += f" · {self._stop_key} stops"
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
        return "the engine is starting; you can write and draw already"
    return "" if work.lost else f"idle · {key} draws"


def _held(work: Work) -> Content:
    doing = "waiting for a fresh engine" if work.lost else "waiting for the engine to start"
    return Content.assemble(("○ ", ""), f"{len(work.waiting)} {doing}")


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
