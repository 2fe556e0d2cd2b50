"""The routers as the app shows and chooses them: every figure is that of the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.evaluation.rival import Against
from cems_tui.routing.evaluation.verdict import (
    refusal,
    verdict_in_words,
    verdict_label,
    verdict_words,
)
from cems_tui.services.app.own_command import bench_bill, document_of
from cems_tui.services.routers import Change, Routers

Point = tuple[float, float]
"""Mean US dollars a picture, mean quality."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DialCurve:
    """Quality over cost: of a router over its dial, of each function always, of an oracle."""

    router: tuple[Point, ...]
    """Mean cost and quality over the dial, the dearest first; empty without prices or router."""

    singles: Mapping[str, Point]
    """Each function always."""

    oracle: Point | None

    def at(self, dial: float) -> Point | None:
        """What the dial comes to at a place, 0 the cheapest … 1 the best; None without a curve.

        The dial is a mean cost between always the cheapest and the router without regard to cost.
        """
        if not self.router or not self.singles:
            return None
        cheapest = min(cost for cost, _ in self.singles.values())
        target = cheapest + dial * (self.router[0][0] - cheapest)
        within = [point for point in self.router if point[0] <= target * (1 + 1e-9)]
        return max(within, key=lambda point: point[1]) if within else self.router[-1]


@dataclass(frozen=True, slots=True)
class Learning:
    """How a router came out beside the one that was in use, and what more would tell."""

    beside: str | None
    """In a line, after its name; None where it was compared with none."""

    curve: tuple[tuple[int, Estimate], ...]
    """From so many prompts, what it gains over the one in use at the same cost."""

    more_prompts: int | None
    """So many prompts more would settle it, about; 0 is settled, None where nothing shows."""

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Learning | None:
        """What a card's figures say of it; None of one that was learned by itself."""
        if "against" not in figures and "learning_curve" not in figures:
            return None
        beside = figures.get("against")
        return cls(
            None if beside is None else Against.from_json(beside).told,
            tuple(
                (int(point["prompts"]), Estimate(float(point["quality"]), *point["interval"]))
                for point in figures.get("learning_curve", ())
            ),
            figures.get("more_prompts"),
        )


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """What a router's card says of it, and how it stands on this machine."""

    card: Card
    verdict_words: str
    """The card's own: `better pictures`, `saves cost`, `both`, `ties`, `worse`, `not evaluated`."""

    verdict: str
    """As `cems router ls` tells people: `better pictures`, `better, cheaper`, `no gain shown`."""

    verdict_sentences: str | None
    """The same with its figures; None where it was not evaluated."""

    refusal: str | None
    """Why it is used only when forced; None where it earned its place."""

    asked: bool
    """Whether it is the one that is asked now."""

    shipped: bool
    installed: int
    """Of its functions, those installed here."""

    recovered: Estimate | None
    """The share of the oracle's gain over mixing functions at random."""

    against_single: Estimate | None
    """Mean quality against the best single function, cost no object."""

    curve: DialCurve
    """On prompts that it had not seen."""

    learning: Learning | None

    @property
    def key(self) -> str:
        return self.card.name

    @property
    def best_single(self) -> str | None:
        found = self.card.evaluation.get("best_single")
        return None if found is None else str(found)


@dataclass(frozen=True, slots=True)
class RouterDesk:
    """The routers of one profile. Every method reads disks: call it in a thread."""

    routers: Routers

    def facts(self) -> tuple[RouterFacts, ...]:
        """Every router, as `cems router ls` lists them.

        Raises:
            CemsError: the checkpoints cannot be read.
        """
        installed = {function.name for function in self.routers.catalog().installed()}
        asked = self.routers.asked_by_default()
        return tuple(
            facts_of(
                card,
                asked=card.name == asked,
                shipped=self.routers.is_shipped(card.name),
                installed=len(installed & set(card.functions)),
            )
            for card in self.routers.shelf().cards()
        )

    def use(self, name: str, *, force: bool) -> Change:
        """Ask this router from now on; raises as `Routers.use`."""
        return self.routers.use(name, force=force)

    def rollback(self) -> Change:
        """Ask the one before again; raises as `Routers.rollback`."""
        return self.routers.rollback()

    def prospect(self, name: str) -> Mapping[str, Any]:
        """What `cems router retrain NAME --dry-run --json` tells of what there is to learn from.

        Raises:
            CemsError: as the command says.
        """
        return dict(document_of("router", "retrain", name, "--dry-run"))

    def bench_bill(self, words: Sequence[str]) -> Mapping[str, Any]:
        """As `own_command.bench_bill`."""
        return bench_bill(words)

    def benches(self) -> tuple[str, ...]:
        """The benchmarks there are, as `cems bench ls` lists them.

        Raises:
            CemsError: the database cannot be read.
        """
        return tuple(str(row["name"]) for row in document_of("bench", "ls"))

    def evaluate(self, name: str, bench: str) -> Mapping[str, Any]:
        """What `cems router eval NAME --bench B --json` tells.

        Raises:
            CemsError: as the command says.
        """
        return dict(document_of("router", "eval", name, "--bench", bench))

    def difference(self, a: str, b: str, bench: str) -> Mapping[str, Any]:
        """What `cems router diff A B --bench T --json` tells.

        Raises:
            CemsError: as the command says.
        """
        return dict(document_of("router", "diff", a, b, "--bench", bench))

    def calibrate(self, name: str) -> Mapping[str, Any]:
        """What `cems router calibrate NAME --json` tells of the router it made.

        Raises:
            CemsError: as the command says.
        """
        return dict(document_of("router", "calibrate", name))


def facts_of(card: Card, *, asked: bool, shipped: bool, installed: int) -> RouterFacts:
    """What a card says, its figures taken out of it."""
    figures = card.evaluation
    strategies = {str(one["name"]): one for one in figures.get("strategies", ())}
    singles = {
        name.removeprefix("always:"): point
        for name, one in strategies.items()
        if name.startswith("always:") and (point := _point(one)) is not None
    }
    curve = [point for one in figures.get("curve", ()) if (point := _point(one)) is not None]
    return RouterFacts(
        card=card,
        verdict_words=verdict_words(figures),
        verdict=verdict_label(figures),
        verdict_sentences=verdict_in_words(figures) if "verdict" in figures else None,
        refusal=refusal(card),
        asked=asked,
        shipped=shipped,
        installed=installed,
        recovered=_estimate(figures.get("area_recovered")),
        against_single=_estimate(figures.get("quality_vs_best_single")),
        curve=DialCurve(tuple(curve), singles, _point(strategies.get("oracle"))),
        learning=Learning.of(figures),
    )


def _point(one: Mapping[str, Any] | None) -> Point | None:
    if one is None or one.get("cost_usd") is None or one.get("quality") is None:
        return None
    return float(one["cost_usd"]), float(one["quality"])


def _estimate(one: Mapping[str, Any] | None) -> Estimate | None:
    if one is None or one.get("value") is None:
        return None
    low, high = one["ci95"]
    return Estimate(float(one["value"]), float(low), float(high))
