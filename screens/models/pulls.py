"""The pulls: what is fetched now, how fast, what waits, what went wrong."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.models.queue import Pull, Pulls
from cems_tui.services.library import Library
from cems_tui.text import byte_count, counted, one_line, visible
from screens import figures
from screens.commands import key_of
from screens.models.commands import PAUSE, PULL, RECOMMENDED
from screens.models.model_facts import of_bytes, pull_words

BAR_CELLS = 20
LINES = 4
"""As many are shown where the layout leaves the height to us."""


class PullsLine(Widget):
    """The running pull with bytes, speed and time; then the paused, the failed, the waiting."""

    pulls: reactive[Pulls] = reactive(Pulls(), layout=True)
    library: reactive[Library | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="pulls")

    def watch_pulls(self, pulls: Pulls) -> None:
        running = "1 running" if pulls.running else "idle"
        waiting = f", {len(pulls.waiting)} waiting" if pulls.waiting else ""
        self.border_title = f"Pulls · {running}{waiting}"

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return min(LINES, len(self._lines(width)))

    def render(self) -> Content:
        width, height = self.content_size
        return Content("\n").join(self._lines(width)[:height])

    def _lines(self, width: int) -> list[Content]:
        """What needs action, what runs, what is paused; what waits where there is room."""
        pulls, again = self.pulls, key_of(PAUSE, self.app)
        made: list[Content] = []
        for pull in pulls.failed:
            made += _failed(pull, key_of(PULL, self.app)).wrap(max(20, width))
        if pulls.running is not None:
            made += running(pulls.running, len(pulls.waiting), width)
        made += [_held("‖", pull, pull_words(pull, again), width) for pull in pulls.paused]
        made += [_held("○", pull, pull_words(pull, again), width) for pull in pulls.waiting]
        return made or [Content.styled(one_line(self._idle(), width), "$muted")]

    def _idle(self) -> str:
        chosen = () if self.library is None else self.library.recommended
        if not chosen:
            return f"nothing is pulled · {key_of(PULL, self.app)} pulls what is under the cursor"
        total = byte_count(sum(one.bytes or 0 for one in chosen))
        models = counted(len(chosen), "model")
        return f"{key_of(RECOMMENDED, self.app)} pulls the recommended set: {models}, ~{total}"


def running(pull: Pull, waiting: int, width: int) -> list[Content]:
    """The running pull in a line: a bar, bytes, speed, time left; why it waits below."""
    after = []
    if pull.done_bytes is not None and pull.total_bytes:
        after.append(of_bytes(pull.done_bytes, pull.total_bytes))
    if pull.bytes_per_second is not None:
        after.append(figures.speed(pull.bytes_per_second))
    if pull.seconds_left is not None:
        after.append(f"{figures.clock(pull.seconds_left)} left")
    if waiting:
        after.append(f"{waiting} waiting")
    tail = " · ".join(after) or "asking the Hub"
    share = "" if pull.share is None else f"{figures.percent(pull.share):>5}"
    phase = "" if pull.state in ("downloading", "asking") else f"{pull.state} "
    spare = width - 2 - len(phase) - len(share) - len(tail) - 4
    name = one_line(pull.model, max(8, spare - 6))
    bar = max(4, min(BAR_CELLS, spare - len(name)))
    done = round(bar * (pull.share or 0.0))
    lines = [
        Content.assemble(
            ("● ", "bold $quality"),
            (name, "bold"),
            f"  {phase}",
            ("━" * done, "$quality"),
            ("─" * (bar - done), "$muted"),
            (share, "bold"),
            f"  {tail}",
        ).truncate(width, ellipsis=True)
    ]
    if pull.note:
        lines.append(Content.styled(one_line(f"  {visible(pull.note)}", width), "$warning"))
    return lines


def _held(sign: str, pull: Pull, words: str, width: int) -> Content:
    text = Content.assemble(
        (f"{sign} ", "$muted"), (visible(pull.model), "bold"), (f"  {words}", "$muted")
    )
    return text.truncate(width, ellipsis=True)


def _failed(pull: Pull, key: str) -> Content:
    todo = " ".join(part for part in (visible(pull.hint), f"{key} tries again.") if part)
    return Content.assemble(
        ("✗ ", "bold $error"), (visible(pull.note), "bold $error"), (" · ", ""), todo
    )
