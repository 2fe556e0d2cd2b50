"""Past prompts drawn again, by lot, with functions that were not chosen, within a budget.

What comes out are pairs a router can learn from and a measured regret: neither is tinted by what
the routing itself chose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random, SystemRandom
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from cems_tui import log
from cems_tui.cancel import Stop
from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.request import Event, Request
from cems_tui.errors import BudgetReached, CemsError, DeviceBusy, Interrupted, StorageError
from cems_tui.store.shadows import SESSION, Shadow, Spent

if TYPE_CHECKING:
    from cems_tui.services.planner import Planner
    from cems_tui.settings import Shadowed
    from cems_tui.store.database import Store

Emit = Callable[[Event], None]


class Drawing(Protocol):
    """What makes pictures, as `Session`."""

    def run(self, request: Request, emit: Emit, stop: Stop) -> Generation: ...

    def resident(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What shadow pictures may take; None is no such limit."""

    cost_usd: float | None = None
    """US dollars, loading included."""

    seconds: float | None = None
    pictures: int | None = None

    @classmethod
    def of_day(cls, settings: Shadowed) -> Limits:
        """What the user allows a day."""
        return cls(
            settings.usd_per_day or None,
            settings.seconds_per_day or None,
            int(settings.pictures_per_day) or None,
        )

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return (self.cost_usd, self.seconds, self.pictures) != (None, None, None)

    def less(self, spent: Spent) -> Limits:
        """What is left of it."""
        return Limits(
            None if self.cost_usd is None else max(0.0, self.cost_usd - spent.cost_usd),
            None if self.seconds is None else max(0.0, self.seconds - spent.seconds),
            None if self.pictures is None else max(0, self.pictures - spent.pictures),
        )


@dataclass(frozen=True, slots=True)
class ShadowWork:
    """Draws lots, and says what is to be drawn for them."""

    store: Store
    planner: Planner
    chance: Random

    def next(self, left: Limits, resident: frozenset[str]) -> tuple[Shadow, Request] | None:
        """The lot whose turn it is and the picture to make for it; None where none can be drawn.

        A lot that exceeds what is left is not passed over for a cheaper one: it waits.

        Args:
            left: what it may take.
            resident: names of the models on the device.

        Raises:
            BudgetReached: it would take more than is left, or has no price to compare.
            StorageError: the rows cannot be read or written.
        """
        if left.pictures == 0:
            raise BudgetReached("the pictures of the shadow budget are drawn", HINT)
        while (lot := self.store.shadows.open() or self._draw()) is not None:
            request = Request(
                id=lot.id,
                prompt=lot.prompt,
                policy=Policy.pinned(lot.function),
                policy_is_explicit=True,
                width=lot.width,
                height=lot.height,
            )
            try:
                decision = self.planner.decide(request, resident, installed_only=True)
            except CemsError:
                decision = None
            chosen = None if decision is None else decision.chosen
            if chosen is None or chosen.fits is False or chosen.blocked_by is not None:
                self.store.shadows.end(lot.id)  # it cannot be drawn here any more
                continue
            _check(chosen.function, "price", left.cost_usd, chosen.cost_usd, chosen.load_cost_usd)
            _check(chosen.function, "time", left.seconds, chosen.seconds, chosen.load_seconds)
            return lot, request
        return None

    def waiting(self) -> int:
        """Pictures that a lot can still be drawn of."""
        return self.store.shadows.waiting(self._functions())

    def _draw(self) -> Shadow | None:
        return self.store.shadows.draw(self._functions(), self.chance)

    def _functions(self) -> Sequence[str]:
        return [one.name for one in self.planner.catalog.installed()]


HINT = "`cems shadow status` shows the budget; `cems shadow on` sets another."


def _check(
    function: str, what: str, left: float | None, each: float | None, load: float | None
) -> None:
    """Refuse what would take more than is left; what is unknown cannot be held to a limit."""
    if left is None:
        return
    if each is None:
        raise BudgetReached(
            f"the {what} of {function} is unknown, so it cannot be held to the shadow budget",
            "Set a budget of pictures instead: cems shadow on --pictures 20.",
        )
    if each + (load or 0.0) > left:
        unit = "${:.3g}" if what == "price" else "{:.3g} s"
        raise BudgetReached(
            f"{function} would take {unit.format(each + (load or 0.0))}, and "
            f"{unit.format(left)} of the shadow budget are left",
            HINT,
        )


def today() -> datetime:
    """The day that a daily budget is about, as this machine has it."""
    return datetime.now().astimezone()


LEAVES_IT_OPEN = (Interrupted, StorageError, DeviceBusy)
"""Errors that say nothing of the lot: its picture is drawn another time."""


def followed(
    store: Store, lot: Shadow, request: Request, session: Drawing, emit: Emit, stop: Stop
) -> Generation:
    """The picture of a lot, drawn; the lot has ended then, also where it cannot be drawn.

    Raises:
        CemsError: as `Session.run`.
    """
    try:
        made = session.run(request, emit, stop)
    except LEAVES_IT_OPEN:
        raise
    except CemsError:
        store.shadows.end(lot.id)
        raise
    store.shadows.end(lot.id)
    return made


IDLE_SECONDS = 10.0
"""Since the last prompt, before idle time begins."""

NOTHING_SECONDS = 60.0
"""Before it is looked again for something to draw, where there was nothing or no budget."""


class IdleShadow:
    """Draws for lots while nobody asks the engine for anything."""

    def __init__(
        self,
        settings: Callable[[], Shadowed],
        clock: Callable[[], float] = monotonic,
        chance: Random | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            settings: reads the switch and the budget: they may change while an engine lives.
        """
        self._settings = settings
        self._clock = clock
        self._chance = chance or SystemRandom()
        self._not_before = 0.0

    def asked(self) -> None:
        """Somebody asked for a picture: idle time begins anew."""
        self._not_before = self._clock() + IDLE_SECONDS

    def draw(self, store: Store, planner: Planner, session: Drawing, stop: Stop) -> bool:
        """One picture for a lot, if it is time for one; whether one was tried.

        With nothing on the device nothing is drawn: then somebody wants its memory. What fails is
        recorded and logged.

        Args:
            stop: whether somebody asks for something; the picture is drawn another time then.
        """
        if self._clock() < self._not_before or not session.resident():
            return False
        try:
            found = self._next(store, planner, session)
            if found is None:
                self._not_before = self._clock() + NOTHING_SECONDS
                return False
            lot, request = found
            owner = store.session(SESSION, command=SESSION)
            try:
                followed(
                    store, lot, replace(request, session=owner), session, lambda event: None, stop
                )
            except Interrupted:
                self.asked()
            except LEAVES_IT_OPEN:
                raise
            except CemsError as error:
                store.add_failure(
                    lot.id, owner, lot.prompt, str(error), error.exit_code, lot.function
                )
        except CemsError as error:
            log.error("nothing is drawn in idle time: %s", error)
            self._not_before = self._clock() + NOTHING_SECONDS
            return False
        return True

    def _next(
        self, store: Store, planner: Planner, session: Drawing
    ) -> tuple[Shadow, Request] | None:
        settings = self._settings()
        limits = Limits.of_day(settings)
        if not (settings.on and limits.any):
            return None
        left = limits.less(store.shadows.spent(today()))
        try:
            return ShadowWork(store, planner, self._chance).next(left, session.resident())
        except BudgetReached:
            return None
