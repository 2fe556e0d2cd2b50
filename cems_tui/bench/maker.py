"""Makes a benchmark's pictures with a session: drawn, scored, priced, and not kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cems_tui.bench.plan import Cell
from cems_tui.errors import GenerationError, OutOfMemory
from cems_tui.events import Event, Request
from cems_tui.generation.function import Catalog, GenerationFunction
from cems_tui.judging import judged
from cems_tui.parts import Judges
from cems_tui.pricing import Pricing
from cems_tui.routing.decision import Policy
from cems_tui.session import Drawn, Session, job_of, measured_seconds


class SessionMaker:
    """Draws with a session's engine; writes no picture and no row."""

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        pricing: Pricing,
        metrics: Sequence[str],
        emit: Callable[[Event], None],
        judges: Judges | None = None,
    ) -> None:
        """Args: judges: read every picture; one line-up, whichever model drew it."""
        self._session = session
        self._catalog = catalog
        self._pricing = pricing
        self._metrics = frozenset(metrics)
        self._emit = emit
        self._judges = judges

    def make(self, function: str, prompt: str, seed: int, stop: Callable[[], bool]) -> Cell:
        """The measured cell of one prompt, function and seed.

        Raises:
            Interrupted: `stop` said so.
            CemsError: it could not be drawn or scored.
        """
        chosen = self._catalog.function(function)
        request = Request("benchmark", prompt, Policy.pinned(function), seed=seed)
        drawn = self._draw(request, chosen, stop)
        found = judged(self._judges, drawn.picture.image, prompt, chosen.model.name)
        if found.error is not None:
            raise GenerationError(f"{function} drew seed {seed}, but scoring failed: {found.error}")
        seconds = measured_seconds(drawn).billed
        return Cell(
            seconds=seconds,
            memory_bytes=drawn.memory_bytes,
            cost_usd=self._pricing.cost(seconds, drawn.memory_bytes, "measured").usd,
            scores=tuple(score for score in found.scores if score.metric in self._metrics),
        )

    def _draw(
        self, request: Request, function: GenerationFunction, stop: Callable[[], bool]
    ) -> Drawn:
        """The picture; where the device is full, once more without the scorers on it."""
        job = job_of(request, function)

        def draw() -> Drawn:
            return self._session.draw(
                request.id, function, job, self._emit, stop, time.perf_counter()
            )

        try:
            return draw()
        except OutOfMemory:
            if self._judges is None or not self._judges.free():
                raise
        return draw()
