"""The line of the long work that runs: how far, how long, its bill; a click stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.text import visible
from cems_tui.views.figures import DOLLARS, Money
from screens import figures
from screens.commands import STOP_RUN, key_of
from screens.services.long_run import DRAWS, SHORT

if TYPE_CHECKING:
    from screens.services.defaults import Services
    from screens.services.long_run import LongJob

BAR_CELLS = 16
EPOCH_CELLS = 10
LEVELS = "▁▂▃▄▅▆▇█"


class JobLine(Widget):
    """There only while something runs, and afterwards until its end was seen."""

    DEFAULT_CSS = """
    JobLine { height: 1; display: none; }
    JobLine.told { display: block; }
    """
    job: reactive[LongJob | None] = reactive(None)

    def __init__(self, money: Money = DOLLARS) -> None:
        super().__init__(id="job")
        self._money = money
        self._stop_at = 0

    def on_mount(self) -> None:
        services: Services = self.app.services  # type: ignore[attr-defined]
        if services.long_run is not None:
            services.long_run.changed.subscribe(self, self._told)
            self._told(services.long_run.state)

    def _told(self, job: LongJob | None) -> None:
        self.job = job
        self.set_class(job is not None, "told")
        self.screen.refresh_bindings()

    def render(self) -> Content:
        self._stop_at = 0
        if self.job is None:
            return Content("")
        line = job_line(self.job, self._money, self.content_size.width)
        if not self.job.runs or self.job.stopping:
            return line
        ending = Content.assemble((f"  {key_of(STOP_RUN, self.app)}", "bold $quality"), " stops")
        self._stop_at = line.cell_length
        return line + ending

    def on_click(self, event: events.Click) -> None:
        if self._stop_at and event.x >= self._stop_at:
            self.app.action_stop_run()  # type: ignore[attr-defined]


def job_line(job: LongJob, money: Money, width: int) -> Content:
    """`● bench mine ━━━━╸──── 24 % of 600 · 0:07 left · $0.0009 of ~$0.004 · ✗ 2`."""
    if not job.runs:
        return _ended(job)
    short = visible(SHORT[job.kind].format(job.name))
    share = job.share
    if share is None:
        told = visible(job.said) or ("starting …" if job.kind in DRAWS else "learning …")
        return Content.assemble((" ● ", "$quality"), f"{short}  {told}")
    filled = round(BAR_CELLS * share)
    parts = _of_epochs(job) if job.epochs else _of_pictures(job, money)
    if job.stopping:
        parts.insert(1, "stopping after this picture" if job.kind in DRAWS else "stopping")
    head = Content.assemble(
        (" ● ", "$quality"),
        f"{short}  ",
        ("━" * filled, "$quality"),
        ("─" * (BAR_CELLS - filled), "$muted"),
        " ",
    )
    room = max(8, width - head.cell_length - len("  ctrl+x stops"))
    while len(" · ".join(parts)) > room and len(parts) > 1:
        parts.pop()
    return head + Content(" · ".join(parts))


def _of_pictures(job: LongJob, money: Money) -> list[str]:
    """How far, how long, what it has cost of what it was said to."""
    parts = [f"{figures.percent(job.share or 0.0)} of {job.total:,}"]
    if (left := job.seconds_left) is not None:
        parts.append(f"{figures.clock(left)} left")
    promised = job.promise.cost_usd
    if job.spent_usd:
        spent = money.total(job.spent_usd)
        parts.append(
            spent if promised is None else f"{spent} of {money.total(promised, estimated=True)}"
        )
    if job.failed:
        parts.append(f"✗ {job.failed}")
    return parts


def _of_epochs(job: LongJob) -> list[str]:
    """The loss on what is learned from and the reading on what is held out, epoch by epoch."""
    last = job.epochs[-1]
    own = [one for one in job.epochs if one.network == last.network]
    parts = [f"epoch {last.number} of {last.of}"]
    if last.networks > 1:
        parts[0] = f"network {last.network} of {last.networks}, {parts[0]}"
    if (left := job.seconds_left) is not None:
        parts.insert(0, f"{figures.clock(left)} left")
    parts.append(f"loss {last.loss:.3f} {levels([one.loss for one in own])}")
    parts.append(f"{last.measure} {last.held_out:.3f} {levels([one.held_out for one in own])}")
    return parts


def levels(values: list[float]) -> str:
    """The last values as heights: `▇▆▅▃▃▂`."""
    shown = values[-EPOCH_CELLS:]
    low, high = min(shown), max(shown)
    if high <= low:
        return LEVELS[0] * len(shown)
    steps = len(LEVELS) - 1
    return "".join(LEVELS[round((one - low) / (high - low) * steps)] for one in shown)


def _ended(job: LongJob) -> Content:
    called = visible(job.called)
    if job.ended == 0:
        short = "" if job.number or job.kind != "shadow" else f": {visible(job.said)}"
        return Content.assemble((" ✓ ", "$quality"), f"the {called} is done{short}")
    if job.stopping:
        on = "; p goes on with it" if job.kind == "bench" else ""
        return Content(f" ■ the {called} was stopped{on}")
    text, hint = job.problem or (f"it ended with {job.ended}", "")
    return Content.assemble((" ✗ ", "$error"), f"{visible(text)} {visible(hint)}")
