"""Prices and routes a prompt without touching the device: the card, and nothing more.

It loads no torch, so the command line and the app's own process use it directly; the engine
uses the same code, so what was shown is what is done.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from cems_tui.domain.decision import Offer, Policy, RoutingDecision
from cems_tui.domain.function import Catalog, Expected, GenerationFunction
from cems_tui.domain.note import Note, one_of_each_kind
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.request import Request, new_id
from cems_tui.errors import ModelMissing, UsageError
from cems_tui.generation.cost_model import Observation
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.checkpoints.shelf import RouterShelf
from cems_tui.routing.decide.route import Asked, route
from cems_tui.routing.evaluation.verdict import refusal
from cems_tui.settings import Settings


class CostModel(Protocol):
    """What a picture takes on this machine."""

    def predict(self, function: GenerationFunction, width: int, height: int) -> Expected: ...

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
        weight_budget_bytes: int | None,
    ) -> None:
        self.catalog = catalog
        self.pricing = pricing
        self.settings = settings
        self._cost_model = cost_model
        self.shelf = shelf
        self._note_sources = note_sources
        self._budget_bytes = weight_budget_bytes

    def function(self, name: str) -> GenerationFunction:
        """The function of that name; UnknownName suggests near ones."""
        return self.catalog.function(name)

    def expected(self, function: GenerationFunction, width: int, height: int) -> Expected:
        """What a picture of that size takes on this machine."""
        return self._cost_model.predict(function, width, height)

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
        """Refuse requests that no decision could follow, before the first picture.

        Raises:
            UnknownName: a function or pool member that the catalog does not have.
            ModelMissing: one that is not installed.
            UsageError: a pinned function outside the pool.
        """
        for request in requests:
            for name in _named(request):
                function = self.catalog.function(name)
                if not function.installed:
                    raise ModelMissing(
                        f"{name} is not installed",
                        f"`cems pull {function.model.name}` fetches it; `cems ls` shows what is.",
                    )

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
            self.check([request])
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
        offers = [self._offer(f, request, resident, f.name in allowed) for f in card]
        at_once = at_once and checkpoint is not None and checkpoint.answers_at_once
        estimates = checkpoint.estimate(request.prompt, at_once=at_once) if checkpoint else None
        encode_ms = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        decision = route(
            request.prompt,
            offers,
            estimates,
            request.policy,
            self._lambda(request.policy, checkpoint, offers),
            request.load_cost,
            asked=Asked(
                router=checkpoint.name if checkpoint else None,
                metric=checkpoint.metric if checkpoint else None,
                encode_ms=encode_ms if checkpoint else None,
            ),
            policy_is_explicit=request.policy_is_explicit,
            notes=self._unverified(checkpoint, request, installed, allowed),
        )
        route_ms = (time.perf_counter() - began) * 1000
        decision = replace(decision, notes=self._notes(request, decision))
        if checkpoint is None:
            return replace(decision, route_ms=route_ms)
        return replace(
            decision,
            route_ms=route_ms,
            router_sha256=self.shelf.digest(checkpoint.name),
            refusal=refusal(checkpoint.card),
            features="instant" if at_once else checkpoint.card.feature_set,
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
        named = name or self.settings.routing.router or None
        return self.shelf.named(named) if named else self.shelf.default(functions)

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
        allowed: bool,
    ) -> Offer:
        expected = self.expected(
            function, request.width or function.width, request.height or function.height
        )
        cost = self.pricing.of(expected)
        is_resident = function.model.name in resident
        return Offer(
            function=function.name,
            cost_usd=cost.usd,
            cost_source=cost.source,
            load_cost_usd=self.pricing.load_usd(
                expected.load_seconds, expected.load_bytes, resident=is_resident
            ),
            seconds=expected.seconds,
            memory_bytes=expected.memory_bytes,
            load_seconds=0.0 if is_resident else expected.load_seconds,
            installed=function.installed,
            resident=is_resident,
            fits=is_resident or self._fits(expected),
            allowed=allowed,
        )

    def _fits(self, expected: Expected) -> bool | None:
        """Whether the weights are within what weights may hold; None when that is unknown.

        Where only the peak of a run is known it stands in for the weights.
        """
        needed = expected.load_bytes if expected.load_bytes is not None else expected.memory_bytes
        if needed is None or self._budget_bytes is None:
            return None
        return needed <= self._budget_bytes

    def _lambda(
        self, policy: Policy, checkpoint: Checkpoint | None, offers: Sequence[Offer]
    ) -> float | None:
        """λ of the dial: calibrated on the training prompts at today's prices."""
        if policy.kind != "tradeoff" or checkpoint is None:
            return None
        prices = {offer.function: offer.cost_usd for offer in offers if offer.allowed}
        return checkpoint.lambda_at(float(policy.value or 0.0), prices)


def _named(request: Request) -> tuple[str, ...]:
    pinned = (str(request.policy.value),) if request.policy.kind == "pinned" else ()
    return (*pinned, *(request.pool or ()))
