"""Makes a benchmark's pictures with a session: drawn, scored, priced, and not kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cems_tui.bench.plan import Cell
from cems_tui.errors import GenerationError
from cems_tui.events import Event, Request
from cems_tui.generation.function import Catalog
from cems_tui.pricing import Pricing
from cems_tui.routing.decision import Policy
from cems_tui.session import Session, job_of, measured_seconds


class SessionMaker:
    """Draws with a session's engine; writes no picture and no row."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        pricing: Pricing,
        metrics: Sequence[str],
        emit: Callable[[Event], None],
    ) -> None:
        self._session = session
        self._catalog = catalog
        self._pricing = pricing
        self._metrics = frozenset(metrics)
        self._emit = emit

    def make(self, function: str, prompt: str, seed: int, stop: Callable[[], bool]) -> Cell:
        """The measured cell of one prompt, function and seed.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be drawn or scored.
        """
        chosen = self._catalog.function(function)
        request = Request("benchmark", prompt, Policy.pinned(function), seed=seed)
        drawn = self._session.draw(
            request.id, chosen, job_of(request, chosen), self._emit, stop, time.perf_counter()
        )
        scores, _, error = self._session.scores(drawn, prompt)
        if error is not None:
            raise GenerationError(f"{function} drew seed {seed}, but scoring failed: {error}")
        seconds = measured_seconds(drawn).billed
        return Cell(
            seconds=seconds,
            memory_bytes=drawn.memory_bytes,
            cost_usd=self._pricing.cost(seconds, drawn.memory_bytes, "measured").usd,
            scores=tuple(score for score in scores if score.metric in self._metrics),
        )
