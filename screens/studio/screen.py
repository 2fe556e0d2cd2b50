"""The studio: a prompt, its live price card, the queue and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.reactive import var
from textual.screen import Screen
from textual.timer import Timer

from cems_tui.domain.decision import Policy, RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import MAX_SEED, Request, new_id
from cems_tui.errors import CemsError
from cems_tui.services.refusal import refusal_of
from cems_tui.text import checked_prompt, counted, one_line
from screens.background import in_background
from screens.commands import Command, bindings, key_of
from screens.dialogs import Answer, PictureDialog, Question, StopQuestion, TextDialog, TextQuestion
from screens.failures import log_traceback
from screens.messages import DialSet, Remixed
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.services.library import LibraryState
from screens.services.planner import Planner
from screens.services.wildcards import wildcard
from screens.studio.commands import STUDIO
from screens.studio.dial import TradeoffDial
from screens.studio.draft_command import draft_command
from screens.studio.picture import PicturePane
from screens.studio.price_card import CandidatesTable
from screens.studio.progress import REFRESH_SECONDS, ProgressLine
from screens.studio.prompt import PromptBox
from screens.studio.prompt_variants import lines_of, variants
from screens.studio.queue_pane import QueuePane, QueueRow
from screens.studio.request_line import FIELDS, RequestLine
from screens.totals import SessionTotals
from screens.widgets import explanation_facts, receipt
from screens.widgets.facts import Fact
from screens.widgets.keys import KeyLine
from screens.widgets.status import StatusLine
from screens.widgets.thumbnails import shown, thumbnail
from screens.widgets.too_small import TooSmall
from screens.work import Work

DEBOUNCE_SECONDS = 0.06
"""A pause in typing this long asks for a new card."""

FEW = 12
"""Pictures that are drawn at a key without another question."""

MOST_LISTED = 10
"""Prompts that a question lists."""

REST_SECONDS = 0.4
"""Hands that rest this long let a text encoder read what only letters were read of."""


class StudioScreen(Screen[None]):
    """Composes the widgets, shows them how things stand, and turns keys into requests."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(STUDIO)
    JUMPS: ClassVar[dict[str, str]] = {
        "p": "prompt",
        "t": "dial",
        "r": "request",
        "c": "candidates",
        "u": "queue",
        "i": "picture",
    }
    AUTO_FOCUS = "#prompt"

    decision: var[RoutingDecision | None] = var(None)
    card_error: var[tuple[str, str] | None] = var(None)
    generation: var[Generation | None] = var(None)
    under_way: var[Work] = var(Work())
    made: var[tuple[Generation, ...]] = var(())
    totals: var[SessionTotals] = var(SessionTotals())
    pinned: var[str | None] = var(None)
    left_out: var[frozenset[str]] = var(frozenset())
    """Functions that the user does not want."""

    in_distribution: var[bool | None] = var(None)
    holds: var[str] = var("")
    """What this machine can hold, and where to see it; empty until that is known."""

    now = var(0.0)

    @dataclass
    class Decided(Message):
        """The planner answered, or failed, the question with that number."""

        number: int
        decision: RoutingDecision | None = None
        error: tuple[str, str] | None = None

    @dataclass
    class Remembered(Message):
        """What was drawn before this run."""

        prompts: Sequence[str]

    @dataclass
    class Explained(Message):
        """The words for a dialog that is open are there."""

        dialog: TextDialog
        facts: list[Fact]

    def __init__(self, services: Services, more_models: Command) -> None:
        """`more_models` leads to where models are pulled."""
        super().__init__()
        self._engine = services.engine
        self._library = services.library
        self._queue = services.queue
        self._planner_factory = services.planner_factory
        self._planner: Planner | None = None
        self._making = Lock()
        self._new_image = services.new_image
        self._clock = services.clock
        self._defaults = services.defaults
        self._more_models = more_models
        self._question = 0
        self._asking = False
        self._debounce: Timer | None = None
        self._rest: Timer | None = None
        self._ticking: Timer | None = None

    def compose(self) -> ComposeResult:
        studio = StudioScreen
        yield StatusLine("studio", self._defaults.money).data_bind(totals=studio.totals)
        with Container(id="body"):
            with Container(id="left"):
                yield PromptBox().data_bind(in_distribution=studio.in_distribution)
                yield TradeoffDial(self._defaults.tradeoff).data_bind(
                    decision=studio.decision, pinned=studio.pinned
                )
                yield RequestLine(self._defaults.money)
                yield CandidatesTable(self._defaults.money).data_bind(
                    decision=studio.decision, error=studio.card_error
                )
                yield QueuePane(self._defaults.money)
            yield PicturePane(self._new_image, self._defaults.money).data_bind(
                generation=studio.generation, holds=studio.holds
            )
        yield ProgressLine().data_bind(work=studio.under_way, now=studio.now)
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self._ticking = self.set_interval(REFRESH_SECONDS, self._tick, pause=True)
        self._engine.changed.subscribe(self, self._follow_engine)
        if self._queue is not None:
            self._queue.changed.subscribe(self, lambda _: self._tell_queue())
        self._follow_engine(self._engine.state)
        if self._library is not None:
            self._library.changed.subscribe(self, self._follow_library)
            self._library.stock.subscribe(self, lambda _: self._reconsider())
            self._follow_library(self._library.state)

        self.call_after_refresh(in_background, self._get_ready, "memory")

    def _get_ready(self) -> None:
        """The planner, before the first letter; and what was drawn in earlier runs."""
        try:
            self.post_message(self.Remembered(self._asked_planner().recent_prompts()))
        except CemsError:
            return  # the card says what is wrong with the database, with the first letter

    @on(Remembered)
    def _remembered(self, message: Remembered) -> None:
        message.stop()
        self._prompt.remember(message.prompts, older=True)

    def _asked_planner(self) -> Planner:
        """The planner, made by whichever thread needs it first."""
        with self._making:
            if self._planner is None:
                self._planner = self._planner_factory()
            return self._planner

    # --- the live price card ---------------------------------------------------------------

    @on(PromptBox.Edited)
    @on(TradeoffDial.Turned)
    def _reconsider(self) -> None:
        """Asks the planner once the hands rest; older questions no longer count."""
        self._question += 1
        for timer in (self._debounce, self._rest):
            if timer is not None:
                timer.stop()
        self._debounce = self.set_timer(DEBOUNCE_SECONDS, self._ask)

    def _ask(self, *, at_once: bool = True) -> None:
        if self._asking:
            return  # one question at a time: a thread cannot be stopped, so the next waits for it
        prompt = self._prompt.text
        if not prompt.strip():
            self._answer(self.Decided(self._question))
            return
        try:
            first = variants(checked_prompt(prompt), wildcard, most=1)[0]
            request = self._request("", first)  # the card is that of the first it means
        except CemsError as error:
            self._answer(self.Decided(self._question, error=(str(error), error.hint)))
            return
        shown = self.decision
        if shown is not None and not shown.provisional and shown.prompt == request.prompt:
            at_once = False  # the encoder has read this prompt: only the dial was turned
        self._asking = True
        resident = self.under_way.resident
        in_background(partial(self._decide, self._question, request, resident, at_once), "card")

    def _decide(
        self, number: int, request: Request, resident: frozenset[str], at_once: bool
    ) -> None:
        try:
            decided = self._asked_planner().decide(request, resident, at_once=at_once)
            answer = self.Decided(number, decided)
        except CemsError as error:
            answer = self.Decided(number, error=(str(error), error.hint))
        except Exception as error:
            # typing must go on whatever a planner does; its words stand in the card's place
            log_traceback(error)
            text = f"the price card failed: {type(error).__name__}: {error}"
            answer = self.Decided(number, error=(text, "You can generate nevertheless."))
        self.post_message(answer)

    @on(Decided)
    def _decided(self, message: Decided) -> None:
        message.stop()
        self._asking = False
        if message.number != self._question:
            self._ask()
            return
        self._answer(message)
        if message.decision is not None and message.decision.provisional:
            self._rest = self.set_timer(REST_SECONDS, lambda: self._ask(at_once=False))

    def _answer(self, answer: Decided) -> None:
        self.card_error = answer.error
        self.decision = answer.decision
        self.in_distribution = answer.decision.in_distribution if answer.decision else None

    # --- how things stand ------------------------------------------------------------------

    def _follow_engine(self, state: EngineState) -> None:
        resident = self.under_way.resident
        self.now = self._clock()
        self.under_way, self.totals = state.work, state.totals
        self._tell_queue()
        if state.made is not self.made:
            self.made = state.made
            self.generation = state.made[0]
        if self.under_way.resident != resident:
            self._reconsider()

    def _tell_queue(self) -> None:
        outlook = None if self._queue is None else self._queue.state
        self.query_one(QueuePane).tell(self._engine.state, outlook)
        self.refresh_bindings()

    @on(QueuePane.Put)
    def _put(self, message: QueuePane.Put) -> None:
        message.stop()
        if self._queue is not None:
            self._queue.move([message.row.key], first=message.first)

    @on(QueuePane.Paused)
    def _pause(self, message: QueuePane.Paused) -> None:
        message.stop()
        if self._queue is None:
            return
        if message.row.state == "paused":
            self._queue.resume([message.row.key])
        else:
            self._queue.pause([message.row.key])

    def _follow_library(self, state: LibraryState) -> None:
        """What this machine can hold, where there is more than it has."""
        library = state.library
        if library is None:
            return
        if all(facts.model.installed for facts in library.drawing):
            self.holds = ""
            return
        count = f"{library.holdable} of {len(library.drawing)} models"
        where = f"{key_of(self._more_models, self.app)} {self._more_models.title}"
        self.holds = f"this machine can hold {count} · {where}"

    def watch_under_way(self, before: Work, now: Work) -> None:
        if self._ticking is not None:
            (self._ticking.resume if now.running else self._ticking.pause)()
        self.refresh_bindings()

    def _tick(self) -> None:
        self.now = self._clock()

    # --- what the user does ----------------------------------------------------------------

    @on(CandidatesTable.Pinned)
    def _pin(self, message: CandidatesTable.Pinned) -> None:
        self.pinned = None if self.pinned == message.function else message.function
        self._reconsider()

    @on(CandidatesTable.Forbidden)
    def _leave_out(self, message: CandidatesTable.Forbidden) -> None:
        self.left_out = self.left_out ^ {message.function}
        if self.pinned in self.left_out:
            self.pinned = None
        self._reconsider()

    @on(RequestLine.Changed)
    def _ask_otherwise(self, message: RequestLine.Changed) -> None:
        message.stop()
        self._reconsider()

    @on(RequestLine.Edit)
    def _edit(self, message: RequestLine.Edit) -> None:
        message.stop()
        self.action_edit(message.field.name)

    def action_edit(self, name: str) -> None:
        """Asks for the value of a field of the request."""
        line, money = self.query_one(RequestLine), self._defaults.money
        field = next(field for field in FIELDS if field.name == name)

        def taken(text: str | None) -> None:
            if text is not None:
                line.set(field.read(text, money))

        told = field.text(line.extras, money)
        asked = TextQuestion(field.title, field.hint, told, lambda text: field.read(text, money))
        self.app.push_screen(asked, taken)

    @on(QueuePane.Chosen)
    def _show_row(self, message: QueuePane.Chosen) -> None:
        message.stop()
        if message.row.made is not None:
            self.generation = message.row.made

    @on(CandidatesTable.Opened)
    def _open_decision(self, message: CandidatesTable.Opened) -> None:
        facts = receipt.decision_receipt(message.decision, self._defaults.money)
        self.app.push_screen(TextDialog("Decision", facts))

    @on(PicturePane.Opened)
    def _open_receipt(self, message: PicturePane.Opened) -> None:
        made = message.generation
        try:
            picture = shown(self._new_image(), thumbnail(made.image))
        except OSError:
            picture = None  # the pane says why; the receipt is still worth reading
        facts = receipt.receipt(made, self._defaults.money)
        self.app.push_screen(PictureDialog(picture, receipt.title(made), facts))

    @on(Explained)
    def _explained(self, message: Explained) -> None:
        message.stop()
        message.dialog.tell(message.facts)

    def action_why(self) -> None:
        """Of the picture if that is focused, else of the card."""
        if self.generation is not None and self._picture.has_focus:
            self._tell_why(self.generation.decision, None)
        elif self.decision is not None:
            self._tell_why(self.decision, self._defaults.load_cost)

    def _tell_why(self, decision: RoutingDecision, load_cost: bool | None) -> None:
        dialog = TextDialog("Why", explanation_facts.asking(decision))
        self.app.push_screen(dialog)
        self._explain(decision, load_cost, dialog)

    @work(thread=True, group="why", exclusive=True, exit_on_error=False)
    def _explain(
        self, decision: RoutingDecision, load_cost: bool | None, dialog: TextDialog
    ) -> None:
        try:
            explained = self._asked_planner().explain(decision, load_cost)
            told = explanation_facts.facts(decision, explained, self._defaults.money)
        except Exception as error:
            # a router can be of any kind; reading on must go on whatever it does
            log_traceback(error)
            told = explanation_facts.failed(decision, error)
        self.post_message(self.Explained(dialog, told))

    def action_generate(self) -> None:
        """Draws the prompt, with every key in it that was typed before this one."""
        self._prompt.call_later(self._generate)

    def _generate(self) -> None:
        self._prompt.write_typed()
        try:
            prompt = checked_prompt(self._prompt.text)
        except CemsError as error:
            self.notify(error.hint, title=str(error), severity="warning", markup=False)
            return
        lines = lines_of(prompt)
        if len(lines) > 1:
            facts = [Fact(f"{number}", one_line(line, 200)) for number, line in enumerate(lines, 1)]
            asked = Question(
                f"{len(lines)} lines", facts[:MOST_LISTED],
                f"enter draws each of {len(lines)} lines · y draws them as one prompt · esc closes",
                ("yes", "agreed"),
            )  # fmt: skip
            self.app.push_screen(asked, partial(self._draw_lines, prompt))
        else:
            self._draw_all([prompt])

    def _draw_lines(self, prompt: str, answer: Answer | None) -> None:
        if answer in ("yes", "agreed"):
            self._draw_all(lines_of(prompt) if answer == "yes" else [prompt])

    def _draw_all(self, texts: Sequence[str]) -> None:
        """Every prompt that the texts mean; more than a few are asked about before."""
        prompts = [one for text in texts for one in variants(text, wildcard)]
        self._prompt.remember([self._prompt.text])
        pictures = len(prompts) * self.query_one(RequestLine).extras.count
        if pictures <= FEW:
            for prompt in prompts:
                self._draw(prompt)
            return

        def drawn(answer: Answer | None) -> None:
            if answer == "yes":
                for prompt in prompts:
                    self._draw(prompt)

        facts = [Fact("", one_line(prompt, 200)) for prompt in prompts[:MOST_LISTED]]
        keys = f"enter draws {counted(pictures, 'picture')} · esc closes"
        self.app.push_screen(Question(f"{pictures} pictures?", facts, keys, ("yes",)), drawn)

    def _draw(self, prompt: str) -> None:
        """Asks for the pictures of one prompt."""
        extras = self.query_one(RequestLine).extras
        for number in range(extras.count):
            request = self._request(new_id(), prompt)
            if extras.seed is not None:
                request = replace(request, seed=(extras.seed + number) % (MAX_SEED + 1))
            if (refused := self._refused(request)) is not None:
                self.notify(refused.hint, title=str(refused), severity="warning", markup=False)
                return
            self._engine.submit(request)

    def action_cancel_job(self) -> None:
        """The queue's row if that is focused; else what runs, the hard way when it was asked
        before; else what waits last."""
        if (row := self._row) is not None:
            if row.made is None and self._queue is not None:
                self._queue.cancel([row.key])
            elif row.state in ("drawing", "waiting"):
                self._engine.cancel(row.key)
            return
        under_way = self._engine.state.work
        running, waiting = under_way.running, under_way.waiting
        if running is not None and running.phase == "stopping":
            self.action_fresh_engine()
        elif running is not None:
            self._engine.cancel(running.request.id)
        elif waiting:
            self._engine.cancel(waiting[-1].request.id)

    def action_cancel_all(self) -> None:
        jobs = self._engine.state.work.jobs
        if jobs:
            self.app.push_screen(StopQuestion(jobs), self._cancel_all)

    def _cancel_all(self, answer: Answer | None) -> None:
        if answer == "yes" and self._queue is not None:
            self._queue.cancel_all()
        elif answer == "yes":
            for job in reversed(self._engine.state.work.jobs):
                self._engine.cancel(job.request.id)

    @property
    def _row(self) -> QueueRow | None:
        """The row of the queue that the user is on."""
        queue = self.query_one(QueuePane)
        return queue.row if queue.has_focus else None

    def action_zoom(self) -> None:
        """What is focused as large as the window, the picture while one types; and back."""
        if self.maximized is not None:
            self.minimize()
            return
        focused = self.focused
        zoomed = self._picture if focused is None or focused is self._prompt else focused
        self.maximize(zoomed, container=False)

    def action_copy_command(self) -> None:
        if self.generation is not None and self._picture.has_focus:
            text = receipt.as_command(self.generation)
        else:
            extras = self.query_one(RequestLine).extras
            text = draft_command(self._prompt.text, self._policy, extras)
        self.app.copy_to_clipboard(text)
        self.notify(text, title="Copied", markup=False)

    def action_remix(self) -> None:
        if self.generation is not None:
            self._prompt.text = self.generation.prompt
            self._prompt.focus()

    @on(DialSet)
    def _dial_set(self, message: DialSet) -> None:
        """Another place says where the dial is to stand; nothing overrules it then."""
        self.pinned = None
        self.query_one("#dial", TradeoffDial).turn(message.dial)

    @on(Remixed)
    def _remixed(self, message: Remixed) -> None:
        """A picture of the past: its prompt into the box, its settings into the request's line,
        its function pinned if it was."""
        made = message.generation
        size = made.width, made.height
        settings = {"seed": made.seed, "size": size, "negative": made.negative}
        self.query_one(RequestLine).set(settings)
        pinned = made.decision.policy.kind == "pinned"
        self.generation, self.pinned = made, made.executed if pinned else None
        self.action_remix()

    def action_retry(self) -> None:
        """The queue's row again, with a seed of its own; else what failed last."""
        row = self._row
        if row is not None and row.state == "failed" and self._queue is not None:
            self._queue.retry([row.key])
            return
        if row is not None and row.request is not None:
            self._engine.submit(replace(row.request, id=new_id()))
            return
        if row is not None and row.made is not None:
            self._engine.submit(replace(self._request(new_id(), row.made.prompt), seed=None))
            return
        failure = self._engine.state.work.failure
        if failure is not None and failure.request is not None:
            self._engine.submit(replace(failure.request, id=new_id()))

    def action_fresh_engine(self) -> None:
        self._engine.restart()

    def action_back(self) -> None:
        if self.maximized is not None:
            self.minimize()
        self._prompt.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        match action:
            case "cancel_job":
                return bool(self.under_way.jobs)
            case "why":
                return self.decision is not None or self.generation is not None
            case "remix":
                return self.generation is not None
            case "cancel_all":
                return bool(self.under_way.jobs)
            case "zoom":
                return self.generation is not None or self.focused is not self._prompt
            case "edit":
                return self.decision is not None
            case "retry":
                if self._row is not None:
                    return self._row.request is not None or self._row.made is not None
                failure = self.under_way.failure
                return failure is not None and failure.request is not None
        return True

    def _refused(self, request: Request) -> CemsError | None:
        """Why no function can draw it, by the card; None while no card answers this request."""
        decision = self.decision
        if decision is None or (decision.prompt, decision.policy) != (
            request.prompt,
            request.policy,
        ):
            return None
        return refusal_of(decision)

    # --- helpers ---------------------------------------------------------------------------

    @property
    def _prompt(self) -> PromptBox:
        return self.query_one("#prompt", PromptBox)

    @property
    def _picture(self) -> PicturePane:
        return self.query_one("#picture", PicturePane)

    @property
    def _policy(self) -> Policy:
        if self.pinned is not None:
            return Policy.pinned(self.pinned)
        budget = self.query_one(RequestLine).extras.budget_usd
        if budget is not None:
            return Policy("budget", budget)
        return self.query_one("#dial", TradeoffDial).policy

    @property
    def _pool(self) -> tuple[str, ...] | None:
        """Who may draw: those of the settings that the user has not left out."""
        if not self.left_out:
            return self._defaults.pool
        known = self._defaults.pool or tuple(
            sorted(c.function for c in self.decision.candidates if c.installed)
            if self.decision is not None
            else ()
        )
        return tuple(name for name in known if name not in self.left_out)

    def _request(self, name: str, prompt: str) -> Request:
        defaults, extras = self._defaults, self.query_one(RequestLine).extras
        return Request(
            id=name,
            prompt=prompt,
            policy=self._policy,
            policy_is_explicit=True,  # the dial is in sight: it means what it says
            pool=self._pool,
            negative=extras.negative,
            width=None if extras.size is None else extras.size[0],
            height=None if extras.size is None else extras.size[1],
            load_pictures=extras.count,
            router=defaults.router,
            load_cost=defaults.load_cost,
        )
