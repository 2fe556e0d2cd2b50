"""What the engine is doing, in a line; what waits and what failed below, where there is room."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.text import one_line
from screens import figures
from screens.jobs import Failure, Job, Work

BAR_CELLS = 20
REFRESH_SECONDS = 0.25
"""How often the clock of a running job is redrawn; nothing moves when nothing runs."""


class ProgressLine(Widget):
    """The running job with its step and time, the count of what waits, the last failure."""

    work: reactive[Work] = reactive(Work())
    now = reactive(0.0)
    """The screen's clock, seconds."""

    def __init__(self) -> None:
        super().__init__(id="progress")

    def watch_work(self, work: Work) -> None:
        self.set_class(bool(work.jobs), "busy")
        waiting = len(work.waiting)
        running = "1 running" if work.running else "idle"
        self.border_title = f"Queue · {running}{f', {waiting} waiting' if waiting else ''}"

    def render(self) -> Content:
        width, height = self.content_size
        lines = self.lines(width)
        shown = lines if len(lines) <= height else lines[:height]
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in shown)

    def lines(self, width: int) -> list[Content]:
        """What needs action first, then what runs, then what waits."""
        work = self.work
        lines = []
        if work.lost is not None:
            lines.append(
                Content.assemble(
                    ("✗ ", "bold $error"),
                    (
                        f"{one_line(work.lost.message, 200)} · F5 starts a fresh engine",
                        "bold $error",
                    ),
                )
            )
            lines.append(Content.styled(one_line(work.lost.hint, 300), "$text-muted"))
        if work.running is not None:
            lines.append(self._under_way(work.running, len(work.waiting), width))
        elif work.jobs:
            lines.append(self._held(work))
        if work.failure is not None and work.lost is None:
            lines += _failed(work.failure)
        if not lines:
            lines.append(Content.styled(_idle(work), "$text-muted"))
        if work.note:
            lines.append(Content.styled(f"! {one_line(work.note, 300)}", "$warning"))
        lines += [_waits(job) for job in work.waiting]
        return [line for line in lines if line.plain]

    def _held(self, work: Work) -> Content:
        doing = "waiting for a fresh engine" if work.lost else "the engine is starting"
        return Content.assemble(
            ("○ ", ""), f"{doing} · {len(work.waiting)} waiting", ("", "$text-muted")
        )

    def _under_way(self, job: Job, waiting: int, width: int) -> Content:
        spent = "" if job.began is None else figures.clock(max(0.0, self.now - job.began))
        behind = f" · {waiting} waiting" if waiting else ""
        head = f"{one_line(job.function or '…', 24)}  "
        tail = f" {_phase(job):<11} "
        room = width - len(head) - len(tail) - BAR_CELLS - len(spent) - len(behind) - 4
        prompt = one_line(job.request.prompt, max(0, room)) if room >= 8 else ""
        done = round(BAR_CELLS * job.step / job.steps) if job.steps else 0
        return Content.assemble(
            ("● ", "bold $quality"),
            (head, "bold"),
            (prompt.ljust(room) if prompt else "", "$text-muted"),
            tail,
            ("━" * done, "$quality"),
            ("─" * (BAR_CELLS - done), "$text-muted"),
            f" {spent}{behind}",
        )


def _phase(job: Job) -> str:
    return f"step {job.step}/{job.steps}" if job.phase == "drawing" else job.phase


def _idle(work: Work) -> str:
    if not work.ready and work.lost is None:
        return "the engine is starting; you can write and generate already"
    return "" if work.lost else "idle · ctrl+g generates"


def _waits(job: Job) -> Content:
    return Content.assemble(("○ ", "$text-muted"), one_line(job.request.prompt, 200))


def _failed(failure: Failure) -> list[Content]:
    message, hint = one_line(failure.message, 300), one_line(failure.hint, 300)
    if failure.cancelled:
        return [Content.styled(f"– {message}", "$text-muted")]
    return [
        Content.assemble(("✗ ", "bold $error"), (message, "bold $error"), (f" · {hint}", "")),
        Content.styled("R tries again", "$text-muted"),
    ]
