"""Why a decision was taken: what of the prompt spoke for the pick, and what would change it.

Words are judged by occlusion (Zeiler & Fergus, 2014): a part of the prompt is left out, the router
asked again, and the difference in the pick's lead over the runner-up is that part's contribution.
It works for any `QualityEstimator` and knows nothing of how one estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.estimate import Cluster, Neighbour
from cems_tui.routing.explain.contributions import (
    Contribution,
    Estimator,
    FeatureContribution,
    Removal,
    Trial,
    contributions,
    features,
    leading,
    removal,
)
from cems_tui.routing.explain.flips import Flip, Reign, flips, reign
from cems_tui.routing.explain.question import Question, question_of

if TYPE_CHECKING:
    from cems_tui.routing.decide.difference import PairedSpread


@dataclass(frozen=True, slots=True)
class Standing:
    """How the decision compares with what the router would do for its training prompts."""

    prompts: int
    share: float | None
    """Share of them that go to the same function at today's λ and prices; None without a λ."""

    smaller_leads: float
    """Share of them for which the choice leads the runner-up by less than here."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the first candidate is the first."""

    choice: str | None
    runner_up: str | None
    """Who would be picked without the choice; None when nobody else can be compared."""

    measure: str
    """`quality` or `probability`."""

    metric: str | None
    lead: float | None
    """The choice's expected quality minus the runner-up's, in the metric's unit."""

    saving_usd: float | None
    """The runner-up's price minus the choice's, US dollars a picture."""

    reason: str = ""
    """Why in a line, as the decision says it."""

    words: tuple[Contribution, ...] = ()
    """The largest first."""

    features: tuple[FeatureContribution, ...] = ()
    words_note: str = ""
    """Why no words are judged; empty when they are."""

    flips: tuple[Flip, ...] = ()
    removal: Removal | None = None
    reign: Reign | None = None
    flips_note: str = ""
    """Why nothing is said of what would change the pick; empty when it is."""

    neighbours: tuple[Neighbour, ...] = ()
    neighbours_note: str = ""
    """Why no training prompts, or none of their scores, are shown."""

    standing: Standing | None = None
    """The prompt among the training prompts; None when the router was not asked again."""

    cluster: Cluster | None = None
    """Where the router puts the prompt, if it keeps clusters."""

    in_distribution: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """The value of `explanation` in the JSON of `route --explain` and `why`."""
        row = asdict(self)
        row["flips"] = {flip["what"]: flip for flip in row["flips"]}
        return row

    @property
    def leading(self) -> tuple[Contribution, ...]:
        """Contributions that do not overlap, the largest first: what people are shown.

        A phrase stands for its words where it says clearly more than any of them.
        """
        return leading(self.words)


def explain(
    decision: RoutingDecision,
    estimator: Estimator | None,
    *,
    load_cost: bool | None = None,
    lambda_at: Callable[[float], float] | None = None,
    spread: PairedSpread | None = None,
) -> Explanation:
    """Why the decision is what it is.

    Args:
        estimator: the router that was asked; None leaves the words out.
        load_cost: whether load prices were compared; None finds out from what was recorded.
        lambda_at: λ of a dial at the prices of the decision, for a router that knows.
        spread: how sure the router's differences are, which `balanced` looks at.
    """
    question = question_of(decision, load_cost, spread)
    classifier = any(c.probability is not None for c in decision.candidates)
    blank = Explanation(
        choice=decision.choice,
        runner_up=None,
        measure="probability" if classifier else "quality",
        metric=decision.metric,
        lead=None,
        saving_usd=None,
        reason=decision.reason,
        in_distribution=decision.in_distribution,
    )
    if decision.choice is None:
        return replace(blank, words_note=decision.reason, flips_note=decision.reason)
    known = [option.function for option in question.options]
    if decision.choice not in known:
        note = f"no router rates {decision.choice}"
        return replace(blank, words_note=note, flips_note=_pinned_note(decision) or note)
    others = [name for name in known if name != decision.choice]
    if not others:
        note = "no other function can be compared"
        return replace(blank, words_note=note, flips_note=note)
    told = _against(blank, question, decision.choice, others[0])
    told = _changes(told, decision, question, lambda_at)
    return told if estimator is None else _with_words(told, decision, question, estimator)


def _against(blank: Explanation, question: Question, choice: str, runner_up: str) -> Explanation:
    pick, other = question.option(choice), question.option(runner_up)
    saving = None if pick.price is None or other.price is None else other.price - pick.price
    return replace(blank, runner_up=runner_up, lead=pick.worth - other.worth, saving_usd=saving)


def _changes(
    told: Explanation,
    decision: RoutingDecision,
    question: Question,
    lambda_at: Callable[[float], float] | None,
) -> Explanation:
    pinned = _pinned_note(decision)
    if pinned:
        return replace(told, flips_note=pinned)
    if question.winner() != told.choice:
        return replace(told, flips_note="the decision cannot be replayed from what was recorded")
    assert told.choice is not None
    assert told.runner_up is not None
    lambdas = decision.policy.kind in ("balanced", "tradeoff", "lambda")
    return replace(
        told,
        flips=tuple(flips(question, told.runner_up, lambda_at)),
        reign=reign(question, told.choice) if lambdas else None,
    )


def _pinned_note(decision: RoutingDecision) -> str:
    if decision.policy.kind != "pinned":
        return ""
    return f"{decision.choice} is pinned: the policy chose nothing"


def _with_words(
    told: Explanation, decision: RoutingDecision, question: Question, estimator: Estimator
) -> Explanation:
    assert told.choice is not None
    assert told.runner_up is not None
    trial = Trial(decision.prompt, question, estimator, told.choice, told.runner_up)
    whole = estimator.estimate(decision.prompt)
    lead = trial.lead(whole)
    if lead is None:
        return replace(told, words_note="the router does not know both functions")
    told = replace(told, neighbours=whole.nearest, in_distribution=whole.in_distribution)
    counted = features(trial, lead, tried=whole.in_distribution)
    if not whole.in_distribution:
        note = "unlike the training prompts: estimates lie near the means, whatever its words"
        return replace(told, features=counted, words_note=note)
    found, estimates = contributions(trial, lead)
    note = "" if found else "the prompt is too short to leave anything out"
    removed = None
    if not told.flips_note:
        removed = removal(trial, found, estimates)
    return replace(told, words=found, features=counted, words_note=note, removal=removed)
