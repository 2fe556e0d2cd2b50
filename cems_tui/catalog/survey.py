"""What this machine can hold: every model with its verdict, its size and what it would add.

Verdicts are of the machine while nothing else runs on it, whatever does now; what fits into what
is free now is told apart from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cems_tui.catalog.fit import VERDICTS, Room, Verdict, fit, in_use
from cems_tui.catalog.recommend import Candidate, Evidence, Gain, Recommendation, recommend
from cems_tui.domain.function import Catalog, Footprint, Model


@dataclass(frozen=True, slots=True)
class Holding:
    """One model, as this machine sees it."""

    model: Model
    verdict: Verdict
    reason: str
    """Why, in one sentence that names the numbers; in a second one that it is not so now."""

    fits_now: bool
    """Whether it is held as well in what other programs leave free now."""

    download_bytes: int | None
    """Bytes that pulling it fetches; None when not known, or when it is part of the program."""

    gain: Gain | None
    """What it would add to the other installed ones by the CEMS scores; None: no evidence."""

    recommended: str | None
    """Why it is worth pulling here, in one sentence; None when it is not recommended."""

    draws: bool = True
    """Whether it draws pictures; scorers and text towers do not."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The machine, its models in catalog order, and the recommended set."""

    room: Room
    """As it is now."""

    holdings: tuple[Holding, ...]
    recommendation: Recommendation

    @property
    def sentence(self) -> str:
        """How many of the models that draw this machine holds."""
        drawing = [one for one in self.holdings if one.draws]
        whole = sum(one.verdict == "fits" for one in drawing)
        parts = sum(one.verdict == "fits with offload" for one in drawing)
        more = f", {parts} more in parts" if parts else ""
        late = sum(not one.fits_now for one in drawing)
        now = f"; {late} of them not now: {in_use(self.room)}" if late else ""
        return f"this machine can hold {whole} of {len(drawing)} models{more}{now}"

    def of(self, model: str) -> Holding | None:
        """The holding of the model of that name."""
        return next((one for one in self.holdings if one.model.name == model), None)


def survey(
    catalog: Catalog,
    footprint_of: Callable[[Model], Footprint],
    evidence: Evidence,
    room: Room,
    disk_free_bytes: int,
) -> Survey:
    """What the machine holds of a catalog.

    Args:
        catalog: the models there are.
        footprint_of: what a model takes of this device, as well as it is known.
        evidence: what scores say of sets of functions.
        room: what the device offers.
        disk_free_bytes: free where models go.
    """
    candidates = [
        _candidate(catalog, model, footprint_of(model), room.idle)
        for model in catalog.models().values()
    ]
    now = [fit(footprint_of(one.model), room) for one in candidates]
    recommendation = recommend(candidates, evidence, room.idle, disk_free_bytes)
    reasons = {pick.model: pick.reason for pick in recommendation.picks}
    holdings = tuple(
        Holding(
            model=one.model,
            verdict=one.fit.verdict,
            reason=one.fit.reason if fits_now else f"{one.fit.reason} Not now: {in_use(room)}.",
            fits_now=fits_now,
            download_bytes=one.model.footprint.download_bytes,
            gain=evidence.gain(one.functions, _others(candidates, one)),
            recommended=reasons.get(one.model.name),
            draws=bool(one.functions),
        )
        for one, at_once in zip(candidates, now, strict=True)
        for fits_now in (VERDICTS.index(at_once.verdict) <= VERDICTS.index(one.fit.verdict),)
    )
    return Survey(room, holdings, recommendation)


def _candidate(catalog: Catalog, model: Model, footprint: Footprint, room: Room) -> Candidate:
    functions = catalog.of_model(model.name)
    return Candidate(
        model=model,
        functions=tuple(function.name for function in functions),
        fit=fit(footprint, room),
        fewest_steps=min((function.steps for function in functions), default=None),
    )


def _others(candidates: Sequence[Candidate], but: Candidate) -> list[str]:
    """The installed functions of every other model."""
    return [
        name
        for one in candidates
        if one is not but and one.model.installed
        for name in one.functions
    ]
