"""Several pictures of one prompt, drawn one after the other; the best scored one is kept.

All of them are rows of the history, so all are paid for in every sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cems_tui.cancel import Stop
from cems_tui.domain.decision import Policy
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.domain.request import MAX_SEED, Event, Generated, Noted, Request, new_id
from cems_tui.errors import BudgetReached
from cems_tui.evidence.preference import agreement
from cems_tui.routing.decide.tries import BestOf, Escalation, best_of, escalation_of
from cems_tui.text import counted

if TYPE_CHECKING:
    from cems_tui.services.planner import Planner
    from cems_tui.store.database import Store

Emit = Callable[[Event], None]


class Drawing(Protocol):
    """What makes pictures, as `Session`."""

    def run(self, request: Request, emit: Emit, stop: Stop) -> Generation: ...

    def resident(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Tries:
    """Draws several pictures for one, as asked for, and keeps the best scored."""

    escalate: bool
    """A draft and perhaps a dearer one; else so many seeds of one function."""

    tries: int | None
    """How many seeds; None chooses."""

    budget_usd: float | None
    """What all seeds of a prompt may cost; None follows the pick."""

    planner: Planner
    store: Store

    def at_most(self, request: Request) -> list[Request]:
        """Every picture that may be drawn for a request.

        Raises:
            CemsError: as `Planner.decide`.
            BudgetReached: nothing is within the budget.
        """
        plan = self._plan(request, frozenset())
        if isinstance(plan, Escalation):
            return list(drafted(request, plan))
        if isinstance(plan, BestOf):
            return [
                replace(request, policy=Policy.pinned(plan.function), policy_is_explicit=True)
            ] * plan.tries
        return [request]

    def draw(
        self, session: Drawing, request: Request, emit: Emit, stop: Stop, *, only_kept: bool
    ) -> Generation:
        """The picture that is kept of those drawn for a request.

        Args:
            only_kept: tell of no other picture that it is finished.

        Raises:
            CemsError: as `Session.run`.
            BudgetReached: nothing is within the budget.
        """

        def tell(event: Event) -> None:
            if not (only_kept and isinstance(event, Generated)):
                emit(event)

        def say(text: str) -> None:
            emit(Noted(request.id, Note("other", text)))

        plan = self._plan(request, session.resident())
        if isinstance(plan, Escalation):
            if plan.beaten_by is not None:
                say(
                    f"{plan.beaten_by} is cheaper than the draft of {plan.draft} and expected to "
                    "be better: on recorded tables such drafts did not beat drawing at random"
                )
            found = escalated(request, plan, session, tell, stop)
        elif isinstance(plan, BestOf):
            say(_plan_words(plan))
            found = tried(request, plan, session, tell, stop)
        else:
            say("no two functions are priced and foreseen here: there is nothing to draft with")
            found = Tried(one := session.run(request, tell, stop), [one])
        if only_kept:
            emit(Generated(request.id, found.kept))
        if len(found.made) > 1:
            say(_kept_words(found))
        return found.kept

    def _plan(self, request: Request, resident: frozenset[str]) -> Escalation | BestOf | None:
        decision = self.planner.decide(request, resident, installed_only=True)
        metric, scorer = decision.metric or "", decision.scorer or ""
        if self.escalate:
            judged = self.store.votes.judged().get((metric, scorer), [])
            told = agreement(metric, scorer, judged)
            return escalation_of(decision, (told and told.units_for_three_to_one) or 0.0)
        spreads = self.store.seed_spreads(metric, scorer)
        plan = best_of(decision, spreads, self.tries, self.budget_usd)
        if plan is None:
            raise BudgetReached(
                f"no function that is priced and foreseen draws "
                f"{'one picture' if self.tries is None else f'{self.tries} pictures'} for "
                f"${self.budget_usd or 0.0:.3g}",
                "Raise --budget-per-image, or lower --best-of.",
            )
        return plan


def _plan_words(plan: BestOf) -> str:
    """`12 seeds of turbo@1, the best expected to score 1.93, for $0.0000072`."""
    words = f"{counted(plan.tries, 'seed')} of {plan.function}"
    if plan.expected is not None:
        words += f", the best expected to score {plan.expected:.3f}"
    return words if plan.cost_usd is None else f"{words}, for ${plan.cost_usd:.3g}"


def _kept_words(found: Tried) -> str:
    """`kept 01M8… of starter-base@20, 1.830, of 2 pictures (1.620 … 1.830); all cost $0.00001`."""
    scores = [value for one in found.made if (value := worth(one)) is not None]
    figure = worth(found.kept)
    words = f"kept {found.kept.id} of {found.kept.executed}"
    if figure is not None:
        words += f", {figure:.3f} of {min(scores):.3f} to {max(scores):.3f}"
    cost = "unknown" if found.cost_usd is None else f"${found.cost_usd:.3g}"
    return f"{words}; all {counted(len(found.made), 'picture')} cost {cost}"


@dataclass(frozen=True, slots=True)
class Tried:
    """The pictures that were drawn of one prompt, and which of them is kept."""

    kept: Generation
    made: Sequence[Generation]

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all of them; None where one has no price."""
        costs = [one.cost_usd for one in self.made]
        return None if None in costs else sum(usd for usd in costs if usd is not None)


def drafted(request: Request, plan: Escalation) -> tuple[Request, Request]:
    """The draft, which has the request's id, and what may follow it."""
    draft = replace(request, policy=Policy.pinned(plan.draft), policy_is_explicit=True)
    return draft, replace(draft, id=new_id(), policy=Policy.pinned(plan.dear))


def escalated(
    request: Request, plan: Escalation, session: Drawing, emit: Emit, stop: Stop
) -> Tried:
    """The draft, and the dearer picture where it falls short; the better scored one is kept.

    Raises:
        CemsError: as `Session.run`.
    """
    first, second = drafted(request, plan)
    draft = session.run(first, emit, stop)
    score = worth(draft)
    if score is None:
        text = f"the draft of {plan.draft} was not scored: nothing says whether it falls short"
        emit(Noted(request.id, Note("other", text)))
        return Tried(draft, [draft])
    figures = f"the draft of {plan.draft} scored {score:.3f}, {plan.ceiling:.3f} is expected of "
    figures += f"{plan.dear}"
    if plan.tolerance:
        figures += f", less {plan.tolerance:.3g} by which the scorer errs"
    if not plan.falls_short(score):
        emit(Noted(request.id, Note("other", f"{figures}: it is kept")))
        return Tried(draft, [draft])
    emit(Noted(request.id, Note("other", f"{figures}: {plan.dear} draws too")))
    dear = session.run(replace(second, seed=draft.seed), emit, stop)
    return _best([draft, dear])


def tried(request: Request, plan: BestOf, session: Drawing, emit: Emit, stop: Stop) -> Tried:
    """So many seeds of one function; the best scored picture is kept.

    Raises:
        CemsError: as `Session.run`.
    """
    made: list[Generation] = []
    for number in range(plan.tries):
        seed = None if request.seed is None else (request.seed + number) % (MAX_SEED + 1)
        one = replace(
            request,
            id=new_id() if made else request.id,
            policy=Policy.pinned(plan.function),
            policy_is_explicit=True,
            seed=seed,
        )
        made.append(session.run(one, emit, stop))
    return _best(made)


def worth(generation: Generation) -> float | None:
    """Its score on the scale of its prediction, higher being better; None where it has none."""
    score = generation.foreseen_score
    if score is None:
        return None
    return score.value if score.higher_is_better else -score.value


def _best(made: Sequence[Generation]) -> Tried:
    """The best scored of them; of those without a score the first."""
    known = [(value, -place) for place, one in enumerate(made) if (value := worth(one)) is not None]
    return Tried(made[-max(known)[1]] if known else made[0], made)
