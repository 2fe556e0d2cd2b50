"""Prices and routes a prompt without touching the device: the card, and nothing more.

It loads no torch, so the command line and the app's own process use it directly; the engine
uses the same code, so what was shown is what is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from cems_tui.catalog.fit import Fit, Room, Verdict, fit, footprint_on, leaves, of_picture
from cems_tui.domain.bill import BillLine
from cems_tui.domain.capabilities import Obstacle, Wanted, obstacles
from cems_tui.domain.decision import DialMeaning, Offer, Policy, RoutingDecision
from cems_tui.domain.function import Catalog, Expected, GenerationFunction
from cems_tui.domain.note import Note, one_of_each_kind
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Request, new_id
from cems_tui.errors import ModelMissing, OutOfMemory, UnknownName, UsageError
from cems_tui.generation.cost_model import Observation
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.decide.route import Asked, route
from cems_tui.routing.evaluation.verdict import refusal
from cems_tui.services.refusal import unfollowed
from cems_tui.settings import Settings

_FITS: dict[Verdict, bool | None] = {
    "fits": True,
    "fits with offload": False,
    "does not fit": False,
    "unknown": None,
}
ANOTHER_ROUTER = (
    "`cems router ls` shows those there are, `cems router use NAME` asks another, and "
    '`cems config set routing.router ""` leaves the choice to the program.'
)
_LEAST_BYTES = 2
"""Of a number while drawing: no precision that runs holds it in fewer."""


class CostModel(Protocol):
    """What a picture takes on this machine."""

    def predict(
        self, function: GenerationFunction, width: int, height: int, there: Collection[str]
    ) -> Expected: ...

    def weights(self, function: GenerationFunction) -> Mapping[str, int] | None: ...

    def learn(self, observation: Observation) -> None: ...


class NoteSource(Protocol):
    """Somebody who has something to say of a request before a function draws it."""

    def notes(self, request: Request, function: GenerationFunction) -> Sequence[Note]:
        """What the user should know, each of another kind; nothing where all is well.

        It is asked for every prompt that is priced, also while one is being typed: it may read
        the request and small files, and takes well under a millisecond.
        """
        ...


class Planner:
    """Turns a request into a decision; the same request gives the same decision."""

    def __init__(
        self,
        catalog: Catalog,
        cost_model: CostModel,
        pricing: Pricing,
        shelf: RouterShelf,
        settings: Settings,
        note_sources: Sequence[NoteSource],
        room: Callable[[], Room] | None,
    ) -> None:
        """Every part is handed in.

        Args:
            room: what the device offers now; None does not ask whether anything fits.
        """
        self.catalog = catalog
        self.pricing = pricing
        self.settings = settings
        self._cost_model = cost_model
        self.shelf = shelf
        self._note_sources = note_sources
        self._room = room

    def function(self, name: str) -> GenerationFunction:
        """The function of that name; UnknownName suggests near ones."""
        return self.catalog.function(name)

    def expected(
        self,
        function: GenerationFunction,
        width: int,
        height: int,
        resident: Collection[str] = (),
    ) -> Expected:
        """What a picture of that size takes on this machine.

        Args:
            resident: names of the models on the device: what they share is not loaded again.
        """
        return self._cost_model.predict(function, width, height, self._there(resident))

    def _there(self, resident: Collection[str]) -> frozenset[str]:
        """The networks of resident models, by content."""
        found: set[str] = set()
        for name in resident:
            for function in self.catalog.of_model(name)[:1]:
                found |= (self._cost_model.weights(function) or {}).keys()
        return frozenset(found)

    @property
    def weight_budget_bytes(self) -> int | None:
        """What weights may hold on the device; None where nobody asked it."""
        return None if self._room is None else self._room().weight_bytes

    def bill_line(self, decision: RoutingDecision) -> BillLine:
        """What the picture of a decision would cost; all unknown where nothing is chosen."""
        chosen = decision.chosen
        if chosen is None:
            return BillLine("", None, None)
        return BillLine(
            self.catalog.function(chosen.function).model.name,
            chosen.cost_usd,
            chosen.seconds,
            chosen.load_cost_usd,
            chosen.load_seconds,
        )

    def new_id(self) -> str:
        """A fresh id for a request."""
        return new_id()

    def learn(self, observation: Observation) -> None:
        """Price with what was just measured too."""
        self._cost_model.learn(observation)

    def relearn(self, cost_model: CostModel) -> None:
        """Price with another cost model from now on."""
        self._cost_model = cost_model

    def restock(self, catalog: Catalog) -> None:
        """Choose among another catalog's functions from now on: something was pulled or removed."""
        self.catalog = catalog

    def default_router(self) -> Checkpoint | None:
        """The router that is asked when nobody names one, over the installed functions."""
        return self._named_or_default(None, [f.name for f in self.catalog.installed()])

    def check(self, requests: Sequence[Request]) -> None:
        """Refuse requests that nothing installed could follow, before the first picture.

        Raises:
            UnknownName: a function or pool member that the catalog does not have.
            ModelMissing: one that is not installed.
            UsageError: a pinned function outside the pool, or one that cannot follow the request,
                as none of the pool can.
        """
        for request in requests:
            self._check_installed(request)
            self._check_followed(request, pinned_only=False)

    def check_pinned(self, requests: Sequence[Request]) -> None:
        """Refuse requests that the function they name cannot follow.

        Raises:
            UnknownName: a function that the catalog does not have.
            UsageError: it cannot follow the request.
        """
        for request in requests:
            self._check_followed(request, pinned_only=True)

    def _check_installed(self, request: Request) -> None:
        for name in _named(request):
            function = self.catalog.function(name)
            if not function.installed:
                raise ModelMissing(
                    f"{name} is not installed",
                    f"`cems pull {function.model.name}` fetches it; `cems ls` shows what is.",
                )

    def _check_followed(self, request: Request, *, pinned_only: bool) -> None:
        if request.policy.kind == "pinned":
            names: Sequence[str] = [str(request.policy.value)]
        elif pinned_only:
            return
        else:
            names = request.pool or [function.name for function in self.catalog.installed()]
        functions = [self.catalog.function(name) for name in names]
        found = _obstacles(request, functions)
        if functions and len(found) == len(functions):
            raise unfollowed((name, found[name]) for name in names)

    def decide(
        self,
        request: Request,
        resident: frozenset[str],
        *,
        installed_only: bool,
        at_once: bool = False,
    ) -> RoutingDecision:
        """The priced and routed card of a request.

        Args:
            resident: names of the models on the device now.
            installed_only: whether only installed functions may be chosen (to generate), or also
                those named by the pool or known to the named router (to plan).
            at_once: whether a router that reads a text encoder answers from letters alone; the
                decision then says that it is provisional.

        Raises:
            UnknownName: the request names a function or router that nothing knows.
            ModelMissing: `installed_only`, and the request names one that is not installed.
            BudgetReached: no candidate is priced within the budget asked for.
        """
        began = time.perf_counter()
        if installed_only:
            self._check_installed(request)
        pool = request.pool
        if (
            request.policy.kind == "pinned"
            and pool is not None
            and request.policy.value not in pool
        ):
            raise UsageError(
                f"{request.policy.value} is not in the pool", "Add it to --pool, or drop --pool."
            )
        installed = self.catalog.installed()
        checkpoint = self._named_or_default(
            request.router, request.pool or [function.name for function in installed]
        )
        allowed = self._allowed(request, checkpoint, installed, installed_only)
        card = [f for f in self.catalog.values() if f.installed or f.name in allowed]
        blocked = _obstacles(request, [f for f in card if f.name in allowed])
        blocked |= _obstacles(request, [f for f in card if f.name not in allowed])
        there = self._there(resident)
        room = None if self._room is None else self._room()
        offers = [
            self._offer(f, request, resident, there, room, f.name in allowed, blocked.get(f.name))
            for f in card
        ]
        at_once = at_once and checkpoint is not None and checkpoint.answers_at_once
        letters = at_once
        sizes = {f.name: ratio for f in card if (ratio := _size_ratio(request, f)) is not None}
        estimates, unread = None, list[Note]()
        if checkpoint is not None:
            try:
                estimates = checkpoint.estimate(request.prompt, at_once=letters, sizes=sizes)
            except OutOfMemory as error:
                if not checkpoint.answers_at_once:
                    raise
                letters = True
                unread.append(Note("memory", f"{error}: only the prompt's letters were read"))
                estimates = checkpoint.estimate(request.prompt, at_once=True, sizes=sizes)
        encode_ms = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        policy, lambda_per_usd, dial = _on_the_dial(request.policy, checkpoint, offers)
        decision = route(
            request.prompt,
            offers,
            estimates,
            policy,
            lambda_per_usd,
            request.load_cost,
            load_share=1.0 / max(1, request.load_pictures),
            asked=Asked(
                router=checkpoint.name if checkpoint else None,
                metric=checkpoint.metric if checkpoint else None,
                encode_ms=encode_ms if checkpoint else None,
            ),
            policy_is_explicit=request.policy_is_explicit,
            spread=checkpoint.paired if checkpoint else None,
            notes=[*self._unverified(checkpoint, request, installed, allowed), *unread],
        )
        route_ms = (time.perf_counter() - began) * 1000
        decision = replace(decision, notes=self._notes(request, decision))
        if checkpoint is None:
            return replace(decision, route_ms=route_ms)
        return replace(
            decision,
            route_ms=route_ms,
            dial=dial,
            router_sha256=self.shelf.digest(checkpoint.name),
            scorer=checkpoint.card.instrument,
            refusal=refusal(checkpoint.card),
            features="instant" if letters else checkpoint.card.feature_set,
            provisional=at_once,
        )

    def _notes(self, request: Request, decision: RoutingDecision) -> tuple[Note, ...]:
        """What the user should know of the request first, then of the decision: one of a kind."""
        if decision.choice is None:
            return decision.notes
        function = self.catalog.function(decision.choice)
        asked = [note for source in self._note_sources for note in source.notes(request, function)]
        return one_of_each_kind((*asked, *decision.notes))

    def _unverified(
        self,
        checkpoint: Checkpoint | None,
        request: Request,
        installed: Sequence[GenerationFunction],
        allowed: frozenset[str],
    ) -> list[Note]:
        """Which functions that could be chosen may differ from those the router was trained on."""
        if checkpoint is None:
            return []
        pinned = request.policy.kind == "pinned"
        names = {str(request.policy.value)} if pinned else allowed
        told = self.shelf.notes(checkpoint, installed)
        return [Note("unverified", text) for name, text in told.items() if name in names]

    def _named_or_default(self, name: str | None, functions: Sequence[str]) -> Checkpoint | None:
        if name:
            return self.shelf.named(name)
        chosen = self.settings.routing.router
        if not chosen:
            return self.shelf.default(functions)
        try:
            return self.shelf.named(chosen)
        except UnknownName as error:
            asked = f"{error}, which the setting routing.router asks for"
            raise UnknownName(asked, ANOTHER_ROUTER) from error

    def _allowed(
        self,
        request: Request,
        checkpoint: Checkpoint | None,
        installed: Sequence[GenerationFunction],
        installed_only: bool,
    ) -> frozenset[str]:
        if request.pool is not None:
            for name in request.pool:
                self.catalog.function(name)
            return frozenset(request.pool)
        names = {function.name for function in installed}
        if not installed_only:
            if request.router is not None and checkpoint is not None:
                names |= {name for name in checkpoint.functions if name in self.catalog}
            if request.policy.kind == "pinned":
                names.add(self.catalog.function(str(request.policy.value)).name)
        return frozenset(names)

    def _offer(
        self,
        function: GenerationFunction,
        request: Request,
        resident: frozenset[str],
        there: frozenset[str],
        room: Room | None,
        allowed: bool,
        blocked: Obstacle | None,
    ) -> Offer:
        wanted = _wanted(request, function)
        expected = self._cost_model.predict(function, wanted.width, wanted.height, there)
        fits = None if room is None else self._fits(function, expected, wanted, room)
        if blocked is None and fits is not None and fits.verdict == "does not fit":
            blocked = _too_big(fits, wanted)
        cost = self.pricing.of(expected)
        is_resident = function.model.name in resident
        return Offer(
            function=function.name,
            cost_usd=cost.usd,
            cost_source=cost.source,
            cost_interval=cost.interval,
            load_cost_usd=self.pricing.load_usd(
                expected.load_seconds, expected.load_bytes, resident=is_resident
            ),
            seconds=expected.seconds,
            memory_bytes=expected.memory_bytes,
            load_seconds=0.0 if is_resident else expected.load_seconds,
            installed=function.installed,
            resident=is_resident,
            fits=_FITS[fits.verdict] if fits is not None else None,
            allowed=allowed,
            blocked_by=None if blocked is None else blocked.words,
            blocked_kind=None if blocked is None else blocked.kind,
            evicts=self._evicts(function, expected, room),
            energy_wh=expected.energy_wh,
            energy_usd=self.pricing.energy_usd(expected.energy_wh),
        )

    def _fits(
        self, function: GenerationFunction, expected: Expected, wanted: Wanted, room: Room
    ) -> Fit:
        """Whether the device holds the model and a picture of that size.

        What is on the device now leaves for another one: it counts as free.
        """
        pixels = wanted.width * wanted.height
        numbers = function.capabilities.numbers_per_pixel
        weights = self._cost_model.weights(function)
        return fit(
            of_picture(
                expected,
                footprint_on(function.model, room),
                area=pixels / (function.width * function.height),
                least_bytes=None if numbers is None else numbers * _LEAST_BYTES * pixels,
                largest_bytes=max(weights.values()) if weights else None,
            ),
            room,
        )

    def _evicts(
        self, function: GenerationFunction, expected: Expected, room: Room | None
    ) -> tuple[str, ...] | None:
        """Who would leave the device for it; None where what it holds, or the room, is unknown."""
        if room is None:
            return None
        model, needed = function.model.name, self._cost_model.weights(function)
        if needed is None and expected.held_bytes is not None:
            needed = {model: expected.held_bytes}
        if needed is None:
            return None
        return leaves(model, needed, expected.most_beside_bytes, room)


def _on_the_dial(
    policy: Policy, checkpoint: Checkpoint | None, offers: Sequence[Offer]
) -> tuple[Policy, float | None, DialMeaning | None]:
    """The policy with its place on the dial, λ there at today's prices, and what it gives.

    λ is calibrated on the training prompts; what the place gives was measured on held-out ones.
    """
    if policy.kind not in ("balanced", "tradeoff") or checkpoint is None:
        return policy, None, None
    able = [offer for offer in offers if offer.allowed and offer.blocked_by is None]
    prices = {offer.function: offer.cost_usd for offer in able}
    tick = checkpoint.balanced_dial(prices)
    if policy.kind == "balanced":
        policy = Policy("balanced", tick)
    place = float(policy.value or 0.0)
    shares: tuple[float | None, float | None] = (None, None)
    told, curve, estimated = checkpoint.card.balanced, checkpoint.curve, False
    if set(checkpoint.functions) <= {name for name, usd in prices.items() if usd is not None}:
        if policy.kind == "balanced" and told is not None:
            shares, estimated = (told.quality_share, told.cost_share), told.expected
        elif curve is not None:
            shares = curve.shares_at(place)
    return policy, checkpoint.lambda_at(place, prices), DialMeaning(tick, *shares, estimated)


def _named(request: Request) -> tuple[str, ...]:
    pinned = (str(request.policy.value),) if request.policy.kind == "pinned" else ()
    return (*pinned, *(request.pool or ()))


def _wanted(request: Request, function: GenerationFunction) -> Wanted:
    """What a request asks of a function: its own settings where the request says nothing."""
    return Wanted(
        width=request.width or function.width,
        height=request.height or function.height,
        guidance=function.guidance,
        negative=bool(request.negative.strip()),
    )


def _obstacles(request: Request, functions: Sequence[GenerationFunction]) -> dict[str, Obstacle]:
    asked = {f.name: (f.capabilities, _wanted(request, f)) for f in functions}
    return obstacles(asked, request.prompt, pinned=request.policy.kind == "pinned")


def _too_big(fits: Fit, wanted: Wanted) -> Obstacle:
    reason = fits.reason[0].lower() + fits.reason[1:].rstrip(".")
    size = f"{wanted.width}x{wanted.height}"
    return Obstacle("memory", f"is too big for this machine at {size}: {reason}")


def _size_ratio(request: Request, function: GenerationFunction) -> float | None:
    """Pixels asked for each pixel of the function's own size; None where the size is that."""
    asked = request.width or function.width, request.height or function.height
    own = function.width, function.height
    return None if asked == own else (asked[0] * asked[1]) / (own[0] * own[1])
