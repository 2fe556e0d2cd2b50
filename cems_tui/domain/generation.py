"""A generated picture as everybody sees it: the CLI's JSON, the row, the receipt in the PNG."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.function import UNMEASURED, Provenance, StageBytes
from cems_tui.domain.score import Score


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where the time went. None is not measured."""

    load: float | None
    encode: float | None
    denoise: float | None
    decode: float | None
    score: float | None
    total: float
    start: float | None = None
    """Making the process ready, before `load`: 0 where it was; None where it was not told."""

    @property
    def other(self) -> float | None:
        """What no part accounts for: deciding, telling, making room; None where one is unknown."""
        parts = (self.start, self.load, self.encode, self.denoise, self.decode)
        if any(part is None for part in parts):
            return None
        known = sum(part for part in parts if part is not None) + (self.score or 0.0)
        return max(0.0, self.total - known)

    def to_json(self) -> dict[str, float | None]:
        """Every part and the total, which is their sum where all are known."""
        return {**asdict(self), "other": self.other}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Seconds:
        """The seconds that `to_json` wrote."""
        return cls(**{name: value for name, value in row.items() if name != "other"})

    @property
    def billed(self) -> float | None:
        """Encode + denoise + decode: what the price counts; scoring is not billed."""
        parts = (self.encode, self.denoise, self.decode)
        if any(part is None for part in parts):
            return None
        return sum(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Generation:
    """One picture: what was asked, what was decided, what came out, what it cost."""

    id: str
    """A ULID: sorts by time."""

    session: str
    prompt: str
    negative: str
    function: str
    """What the decision chose."""

    executed: str
    """What ran; differs from `function` only when a fallback did."""

    fallback: str | None
    """What was tried beyond the plain way, as the device had no room: others freed, latents decoded
    in tiles, another function than the chosen one; None when nothing was."""

    image: Path
    """Absolute."""

    seed: int
    width: int
    height: int
    steps: int
    guidance: float
    sampler: str
    model: str
    seconds: Seconds
    peak_memory_bytes: int | None
    energy_wh: float | None
    cost_usd: float | None
    cost_source: Provenance | None
    load_cost_usd: float | None
    scores: tuple[Score, ...]
    decision: RoutingDecision
    created: str
    """UTC, ISO 8601."""

    load_bytes: int | None = None
    """Bytes of weights that were loaded for it: 0 when resident, None when not known."""

    precision: str | None = None
    """What the weights were held in, such as `float32`; None where it was not recorded."""

    contention: float | None = None
    """Share of the drawing that waited for a processor that others had; None is not measured."""

    held_bytes: int | None = None
    """Device bytes that the model's weights held, shared or not; None when not known."""

    stage_bytes: StageBytes = UNMEASURED
    """Peak device bytes of each stage beside the weights."""

    energy_usd: float | None = None
    """What `energy_wh` cost, beside the price; None where nobody said what electricity costs."""

    score_error: str | None = None
    """Why there are no scores although they were asked for; None when nothing failed."""

    @property
    def priced(self) -> bool:
        return self.cost_usd is not None

    @property
    def foreseen_score(self) -> Score | None:
        """The score on the scale that the router predicted on; None where it was not read, or by
        another instrument."""
        decision = self.decision
        for score in self.scores:
            same = decision.scorer is None or decision.scorer == score.scorer
            if score.metric == decision.metric and same:
                return score
        return None

    @property
    def cold(self) -> bool:
        """Whether it was the first after its model was loaded: such a picture takes longer."""
        return bool(self.seconds.load)

    def to_json(self) -> dict[str, Any]:
        """The object `cems generate --json` prints."""
        return {
            "id": self.id,
            "session": self.session,
            "created": self.created,
            "prompt": self.prompt,
            "negative": self.negative,
            "function": self.function,
            "executed": self.executed,
            "fallback": self.fallback,
            "image": str(self.image),
            "seed": self.seed,
            "width": self.width,
            "height": self.height,
            "steps": self.steps,
            "guidance": self.guidance,
            "sampler": self.sampler,
            "model": self.model,
            "seconds": self.seconds.to_json(),
            "peak_memory_bytes": self.peak_memory_bytes,
            "energy_wh": self.energy_wh,
            "energy_usd": self.energy_usd,
            "cost_usd": self.cost_usd,
            "cost_source": self.cost_source,
            "priced": self.priced,
            "load_cost_usd": self.load_cost_usd,
            "load_bytes": self.load_bytes,
            "held_bytes": self.held_bytes,
            "stage_bytes": self.stage_bytes.to_json(),
            "precision": self.precision,
            "cold": self.cold,
            "contention": self.contention,
            "scores": {score.metric: score.value for score in self.scores},
            "scorers": {score.metric: score.scorer for score in self.scores},
            "lower_is_better": [s.metric for s in self.scores if not s.higher_is_better],
            "score_error": self.score_error,
            "router": self.decision.router,
            "decision": self.decision.to_json(),
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Generation:
        """The record that `to_json` wrote: rows and PNG receipts are read back with it."""
        lower = row.get("lower_is_better", ())
        return cls(
            id=row["id"],
            session=row["session"],
            created=row["created"],
            prompt=row["prompt"],
            negative=row["negative"],
            function=row["function"],
            executed=row["executed"],
            fallback=row["fallback"],
            image=Path(row["image"]),
            seed=row["seed"],
            width=row["width"],
            height=row["height"],
            steps=row["steps"],
            guidance=row["guidance"],
            sampler=row["sampler"],
            model=row["model"],
            seconds=Seconds.from_json(row["seconds"]),
            peak_memory_bytes=row["peak_memory_bytes"],
            energy_wh=row["energy_wh"],
            cost_usd=row["cost_usd"],
            cost_source=row["cost_source"],
            load_cost_usd=row["load_cost_usd"],
            load_bytes=row.get("load_bytes"),
            held_bytes=row.get("held_bytes"),
            stage_bytes=StageBytes.from_json(row.get("stage_bytes")),
            precision=row.get("precision"),
            contention=row.get("contention"),
            energy_usd=row.get("energy_usd"),
            scores=tuple(
                Score(metric, value, row["scorers"][metric], metric not in lower)
                for metric, value in row["scores"].items()
            ),
            score_error=row.get("score_error"),
            decision=RoutingDecision.from_json(row["decision"]),
        )


def now() -> str:
    """The present moment, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
