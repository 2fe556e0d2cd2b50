"""The words of a routing decision: offers and estimates in, candidates and a choice out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from cems_tui.domain.capabilities import ObstacleKind
from cems_tui.domain.function import Provenance
from cems_tui.domain.note import Note, NoteKind

PolicyKind = Literal["balanced", "tradeoff", "budget", "floor", "tolerance", "lambda", "pinned"]
QualitySource = Literal["router", "unknown"]
FeatureSet = Literal["instant", "text", "clip"]
"""What a router reads of a prompt: its letters alone, or beside them what a sentence encoder
(`text`) or a pipeline's CLIP text tower (`clip`) makes of it."""

FEATURE_SETS: tuple[FeatureSet, ...] = ("instant", "text", "clip")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user asked for: how much quality is worth how much money."""

    kind: PolicyKind
    value: float | str | None
    """balanced: the dial it corresponds to, None until a router has said it · tradeoff: the dial
    0..1 · budget: US dollars a picture · floor: a quality · tolerance: quality units · lambda:
    quality units per US dollar · pinned: the function's name."""

    @classmethod
    def balanced(cls) -> Policy:
        return cls("balanced", None)

    @classmethod
    def tradeoff(cls, dial: float) -> Policy:
        return cls("tradeoff", dial)

    @classmethod
    def pinned(cls, function: str) -> Policy:
        return cls("pinned", function)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a function would cost here and now. None is unknown, never 0."""

    function: str
    cost_usd: float | None
    cost_source: Provenance | None
    load_cost_usd: float | None
    seconds: float | None
    memory_bytes: int | None
    load_seconds: float | None
    installed: bool
    resident: bool
    fits: bool | None
    """Whether the device can hold it; None when its size is unknown."""

    allowed: bool
    """Whether the pool lets it be chosen."""

    blocked_by: str | None = None
    """Why it cannot follow the request, in words that go behind its name; None when it can."""

    blocked_kind: ObstacleKind | None = None

    cost_interval: tuple[float, float] | None = None
    """90 % interval of `cost_usd`; None where no run here could tell."""

    evicts: tuple[str, ...] | None = None
    """What would have to leave the device for it as things stand; None where that is not known."""

    energy_wh: float | None = None
    energy_usd: float | None = None
    """What that is in money, beside `cost_usd`; None where nobody said what electricity costs."""


@dataclass(frozen=True, slots=True)
class QualityEstimate:
    """What a router expects of one function for one prompt, in the metric's unit."""

    quality: float | None
    interval: tuple[float, float] | None
    """90 % interval for one picture."""

    probability: float | None = None
    """P(this function is the best), of classifiers only."""

    def within(self, least: float, most: float) -> QualityEstimate:
        """The estimate with its interval inside the scale; the quality stays in it."""
        if self.interval is None or self.quality is None:
            return self
        low, high = self.interval
        low, high = max(least, min(low, most)), min(most, max(high, least))
        return replace(self, interval=(min(low, self.quality), max(high, self.quality)))

    @property
    def worth(self) -> float | None:
        """What functions are compared by: quality, or of a classifier the probability."""
        return self.probability if self.quality is None else self.quality


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better or worse than the choice a candidate is expected to be for a prompt."""

    to: str
    """The choice."""

    quality: float
    """Its expected quality minus the choice's, in the metric's unit."""

    interval: tuple[float, float]
    """90 % interval of that difference: paired, so what both pictures share cancels."""

    least: float | None = None
    """What the better of the two has to be expected to be better by to be told apart; None where
    no such gain was ever borne out."""

    @property
    def told_apart(self) -> bool:
        """Whether the difference is more than another seed changes, and was borne out."""
        return self.least is not None and abs(self.quality) > self.least


@dataclass(frozen=True, slots=True)
class Candidate:
    """One generation function as the policy saw it: an offer with what was expected of it."""

    function: str
    rank: int
    """1 is the choice; then by utility, best first; the unknown and the not allowed last."""

    quality: float | None
    interval: tuple[float, float] | None
    quality_source: QualitySource
    probability: float | None
    cost_usd: float | None
    cost_source: Provenance | None
    priced: bool
    load_cost_usd: float | None
    seconds: float | None
    memory_bytes: int | None
    load_seconds: float | None
    utility: float | None
    """What the policy maximised: quality − λ·cost, in the metric's unit."""

    installed: bool
    resident: bool
    fits: bool | None
    allowed: bool
    """Whether it may be chosen: the pool lets it, and it can follow the request."""

    cost_interval: tuple[float, float] | None = None
    """90 % interval of `cost_usd`, of a picture drawn with the model at rest on a machine that
    does nothing else; None where no run here could tell."""

    blocked_by: str | None = None
    """Why it cannot follow the request, in words that go behind its name."""

    blocked_kind: ObstacleKind | None = None
    """What of the request it cannot follow."""
    difference: Difference | None = None
    """Against the choice; None for the choice itself and where it is unknown."""

    evicts: tuple[str, ...] | None = None
    """What would have to leave the device for it as things stood, models and scorers; None where
    that is not known, empty where nothing had to."""

    energy_wh: float | None = None
    """What the device takes of electricity for a picture; None where nothing measured it."""

    energy_usd: float | None = None
    """What that costs, beside `cost_usd`; None where nobody said what electricity costs."""

    @property
    def swap_share(self) -> float | None:
        """Of the wait for its first picture the share that is loading: all of a load is waited
        for, as nothing is loaded ahead. 0 where it is resident, None where it is not known."""
        if self.resident:
            return 0.0
        if self.load_seconds is None or self.seconds is None:
            return None
        wait = self.load_seconds + self.seconds
        return self.load_seconds / wait if wait > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class DialMeaning:
    """What a place on the dial gives, by the held-out prompts of the router that was asked."""

    balanced: float
    """Where the default stands, 0..1."""

    quality_share: float | None
    """Of the way from the cheapest function's mean quality to the best single one's; None where
    there is none, or where other functions are offered than the router was judged with."""

    cost_share: float | None
    """Mean cost as a share of the best single function's."""

    estimated: bool = False
    """Whether the shares are what was expected of held-out prompts, not what they scored."""


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """Every candidate, best first, and why the first one is."""

    prompt: str
    choice: str | None
    """None when there is nothing to choose from; `reason` says why."""

    router: str | None
    """The checkpoint that estimated quality; None when none was asked."""

    metric: str | None
    policy: Policy
    lambda_per_usd: float | None
    """λ in the metric's unit per US dollar; None where the policy has none."""

    reason: str
    encode_ms: float | None
    route_ms: float | None
    in_distribution: bool | None
    """None when no router looked at the prompt."""

    candidates: tuple[Candidate, ...]
    notes: tuple[Note, ...] = ()
    """What the user should know beside the reason, one of a kind: words the model
    does not know, a prompt unlike the training prompts."""

    router_sha256: str | None = None
    """`sha256:…` of the checkpoint that was asked; None where it was not recorded."""

    load_share: float | None = None
    """The share of a load price that was added to a picture's: 1 ÷ the pictures that one load
    serves; None where loads did not count, or where it was not recorded."""

    scorer: str | None = None
    """The instrument whose scale the qualities are on; None where nobody says. A score of another
    one is not compared with them."""

    refusal: str | None = None
    """Why that checkpoint is used only when forced; None when it earned its place."""

    dial: DialMeaning | None = None
    """Where the policy is a place on the dial; None of other policies, or without a router."""

    features: FeatureSet | None = None
    """What was read of the prompt; None when no router looked, or it was not recorded."""

    provisional: bool = False
    """Whether only letters were read so far, and a text encoder would say more. Not recorded:
    what is drawn was decided in full."""

    @property
    def chosen(self) -> Candidate | None:
        return next((c for c in self.candidates if c.function == self.choice), None)

    @property
    def kinds_of_notes(self) -> frozenset[NoteKind]:
        """What its notes are about."""
        return frozenset(note.kind for note in self.notes)

    def also_noting(self, notes: Iterable[Note]) -> RoutingDecision:
        """The decision with those notes, of kinds it has none of yet, behind its own."""
        said = self.kinds_of_notes
        return replace(self, notes=(*self.notes, *(n for n in notes if n.kind not in said)))

    def smaller_than(self, failed: Sequence[str]) -> str | None:
        """The best candidate that takes less memory than every function that had no room.

        None where there is none, or where the user named the function.
        """
        if self.policy.kind == "pinned":
            return None
        by_name = {c.function: c.memory_bytes for c in self.candidates}
        known = [size for name in failed if (size := by_name.get(name)) is not None]
        if len(known) < len(failed):
            return None
        return next(
            (
                c.function
                for c in self.candidates
                if c.allowed
                and c.installed
                and c.fits is not False
                and c.memory_bytes is not None
                and c.memory_bytes < min(known)
            ),
            None,
        )

    def compared_usd(self, candidate: Candidate) -> float | None:
        """US dollars a picture that the policy compared: the load's share in it where it counts.

        Every ratio of two prices that is told anywhere is one of these.
        """
        if candidate.cost_usd is None:
            return None
        return candidate.cost_usd + (candidate.load_cost_usd or 0.0) * (self.load_share or 0.0)

    def compared_seconds(self, candidate: Candidate) -> float | None:
        """Seconds a picture, the load's share in them where it counts."""
        if candidate.seconds is None:
            return None
        return candidate.seconds + (candidate.load_seconds or 0.0) * (self.load_share or 0.0)

    def price_ratio(self, candidate: Candidate) -> float | None:
        """How many times the choice's price a candidate's is; None where either is unknown."""
        return _ratio(candidate, self.chosen, self.compared_usd)

    def seconds_ratio(self, candidate: Candidate) -> float | None:
        """How many times as long as the choice a candidate takes."""
        return _ratio(candidate, self.chosen, self.compared_seconds)

    @property
    def dearest(self) -> Candidate | None:
        """The dearest priced candidate that could have been chosen."""
        able = [c for c in self.candidates if c.allowed and c.fits is not False]
        priced = [c for c in able if c.cost_usd is not None]
        return max(priced, key=lambda c: self.compared_usd(c) or 0.0, default=None)

    def to_json(self) -> dict[str, Any]:
        """The object `cems route --json` prints."""
        return {
            "prompt": self.prompt,
            "choice": self.choice,
            "router": self.router,
            "metric": self.metric,
            "policy": {
                "kind": self.policy.kind,
                "value": self.policy.value,
                "lambda": self.lambda_per_usd,
            },
            "reason": self.reason,
            "encode_ms": self.encode_ms,
            "route_ms": self.route_ms,
            "in_distribution": self.in_distribution,
            "notes": [note.to_json() for note in self.notes],
            "load_share": self.load_share,
            "router_sha256": self.router_sha256,
            "scorer": self.scorer,
            "refusal": self.refusal,
            "features": self.features,
            "dial": None if self.dial is None else asdict(self.dial),
            "candidates": [
                {
                    **_candidate_json(candidate),
                    "price_ratio": self.price_ratio(candidate),
                    "seconds_ratio": self.seconds_ratio(candidate),
                    "swap_share": candidate.swap_share,
                }
                for candidate in self.candidates
            ],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> RoutingDecision:
        """The decision that `to_json` wrote: receipts and rows are replayed with it."""
        policy = row["policy"]
        return cls(
            prompt=row["prompt"],
            choice=row["choice"],
            router=row["router"],
            metric=row["metric"],
            policy=Policy(policy["kind"], policy["value"]),
            lambda_per_usd=policy["lambda"],
            reason=row["reason"],
            encode_ms=row["encode_ms"],
            route_ms=row["route_ms"],
            in_distribution=row["in_distribution"],
            candidates=tuple(_candidate_from_json(c) for c in row["candidates"]),
            notes=tuple(map(Note.from_json, row.get("notes", ()))),
            load_share=row.get("load_share"),
            router_sha256=row.get("router_sha256"),
            scorer=row.get("scorer"),
            refusal=row.get("refusal"),
            features=_features_of(row.get("features")),
            dial=None if row.get("dial") is None else DialMeaning(**row["dial"]),
        )


def _ratio(
    candidate: Candidate, chosen: Candidate | None, figure: Callable[[Candidate], float | None]
) -> float | None:
    if chosen is None:
        return None
    ours, theirs = figure(chosen), figure(candidate)
    return None if not ours or theirs is None else theirs / ours


_CANDIDATE_FIELDS = tuple(field.name for field in fields(Candidate))


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    # every field is plain: `asdict`, which copies deeply, takes a third of a route's time
    row = {name: getattr(candidate, name) for name in _CANDIDATE_FIELDS}
    row["interval"] = list(candidate.interval) if candidate.interval else None
    row["cost_interval"] = list(candidate.cost_interval) if candidate.cost_interval else None
    row["evicts"] = None if candidate.evicts is None else list(candidate.evicts)
    apart = candidate.difference
    row["difference"] = apart and {
        "to": apart.to,
        "quality": apart.quality,
        "interval": list(apart.interval),
        "least": apart.least,
        "told_apart": apart.told_apart,
    }
    return row


def _candidate_from_json(row: dict[str, Any]) -> Candidate:
    values = {key: value for key, value in row.items() if key in _CANDIDATE_FIELDS}
    for name in ("interval", "cost_interval"):
        if values.get(name) is not None:
            low, high = values[name]
            values[name] = (low, high)
    if values.get("evicts") is not None:
        values["evicts"] = tuple(values["evicts"])
    if (apart := values.get("difference")) is not None:
        low, high = apart["interval"]
        values["difference"] = Difference(
            apart["to"], apart["quality"], (low, high), apart["least"]
        )
    return Candidate(**values)


def _features_of(said: object) -> FeatureSet | None:
    """What a record says was read; a word of a newer program is not known here."""
    return next((one for one in FEATURE_SETS if one == said), None)
