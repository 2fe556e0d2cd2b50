"""Explains a decision with the router that took it and the table that router was trained on.

The router is asked again only if it is still the one that was asked: the same name and weights,
and, for a decision recorded without them, the same estimates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import inf, isnan, log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.estimate import Clustering, Neighbour
from cems_tui.errors import CemsError, StorageError, UsageError
from cems_tui.routing.decide.policy import FREE_HAND, Option
from cems_tui.routing.explain.explanation import Explanation, Standing, explain
from cems_tui.routing.explain.question import Question, question_of, worth_of
from cems_tui.routing.features.word_lists import FUNCTION_WORDS
from cems_tui.score_tables.formats import parse_columns
from cems_tui.score_tables.mixed import with_mixed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cems_tui.routing.checkpoints.card import Card
    from cems_tui.routing.checkpoints.checkpoint import Checkpoint
    from cems_tui.routing.checkpoints.scale import Scale
    from cems_tui.routing.checkpoints.shelf import RouterShelf
    from cems_tui.routing.decide.difference import PairedSpread
    from cems_tui.score_tables.table import Pivot
    from cems_tui.store.database import Store

SHOWN_NEIGHBOURS = 3
SAME = 1e-4
"""Two estimates closer than this share of themselves are the same: machines round differently."""

_WORD = re.compile(r"\w+")

NO_LICENCE = "this router holds no training text: the data has no licence to pass on"


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains decisions of the routers of one shelf."""

    shelf: RouterShelf
    find_table: Callable[[Card], Pivot | None]
    """The table a router was trained on, if it is among the user's benchmarks."""

    is_shipped: Callable[[str], bool]
    """Whether the router of that name came with the program."""

    def explain(self, decision: RoutingDecision, load_cost: bool | None = None) -> Explanation:
        """Why the decision is what it is; what cannot be told, and why, is said in it.

        Args:
            load_cost: whether load prices were compared; None finds out from what was recorded.
        """
        if decision.router is None:
            return _without_words(decision, load_cost, "no router was asked")
        try:
            checkpoint = self.shelf.named(decision.router)
        except CemsError as error:
            return _without_words(decision, load_cost, f"the router cannot be asked: {error}")
        other = self._other_than_recorded(decision, checkpoint)
        if other:
            return _without_words(decision, load_cost, other)
        prices = {c.function: c.cost_usd for c in decision.candidates if c.allowed}
        told = explain(
            decision,
            checkpoint,
            load_cost=load_cost,
            lambda_at=lambda dial: checkpoint.lambda_at(dial, prices),
            spread=checkpoint.paired,
        )
        question = question_of(decision, load_cost, checkpoint.paired)
        told = replace(told, standing=standing(told, checkpoint, question))
        router = checkpoint.router
        if isinstance(router, Clustering):
            told = replace(told, cluster=router.cluster_of(decision.prompt))
        told = self._with_neighbours(told, decision, checkpoint)
        return told if checkpoint.card.scale is None else _mapped(told, checkpoint.card.scale)

    def _other_than_recorded(self, decision: RoutingDecision, checkpoint: Checkpoint) -> str:
        """Why the checkpoint is not the one that was asked; empty when it is."""
        name = checkpoint.name
        digest = self.shelf.digest(name)
        if decision.router_sha256 is not None and decision.router_sha256 != digest:
            return f"the router {name} is another one by now ({checkpoint.card.created})"
        now = checkpoint.estimate(decision.prompt).estimates
        for candidate in decision.candidates:
            was, estimate = worth_of(candidate), now.get(candidate.function)
            is_ = None
            if estimate is not None:
                is_ = estimate.probability if estimate.quality is None else estimate.quality
            if not _same(was, is_):
                return f"the router {name} estimates differently by now"
        return ""

    def _with_neighbours(
        self, told: Explanation, decision: RoutingDecision, checkpoint: Checkpoint
    ) -> Explanation:
        """The nearest training prompts with their scores, or why there are none."""
        card, known = checkpoint.card, told.neighbours
        complete = card.training.missing == 0
        if known and complete and all(neighbour.scores for neighbour in known):
            return replace(told, neighbours=_near(known), neighbours_note=_none_near(known))
        try:
            table = self.find_table(card)
        except StorageError as error:  # a picture's receipt is told without a database too
            return replace(told, neighbours=(), neighbours_note=f"no training prompts: {error}")
        if table is None and not known:
            shipped = self.is_shipped(card.name)
            note = "this router holds no training text, and no benchmark here is its table"
            return replace(told, neighbours_note=NO_LICENCE if shipped else note)
        if table is None:
            bare = tuple(replace(neighbour, scores=None) for neighbour in _near(known))
            note = "no scores: no benchmark here is the table the router was trained on"
            return replace(told, neighbours=bare, neighbours_note=_none_near(known) or note)
        found = known or nearest_texts(decision.prompt, table.prompts, SHOWN_NEIGHBOURS)
        rows = {text: row for row, text in enumerate(table.prompts)}
        scored = tuple(replace(n, scores=_scores(table, rows.get(n.prompt))) for n in _near(found))
        return replace(told, neighbours=scored, neighbours_note=_none_near(found))


def open_explainer(
    shelf: RouterShelf, history: Callable[[], AbstractContextManager[Store]], shipped: Path
) -> Explainer:
    """An explainer that finds training tables in the user's database, each once.

    Args:
        history: the database, for reading.
        shipped: the folder of the routers that came with the program.
    """
    tables: dict[str, Pivot | None] = {}

    def find_table(card: Card) -> Pivot | None:
        key = f"{card.training.table} {card.metric}"
        if key not in tables:
            with history() as store:
                tables[key] = training_table(store, card)
        return tables[key]

    def is_shipped(name: str) -> bool:
        folder = shelf.folder(name)
        return folder is not None and folder.is_relative_to(shipped)

    return Explainer(shelf, find_table, is_shipped)


def training_table(store: Store, card: Card) -> Pivot | None:
    """The benchmark a router was trained on, in the router's metric; None when it is not here.

    Raises:
        StorageError: the database cannot be read.
    """
    for summary in store.benches.summaries():
        if summary.prompts < card.training.prompts:
            continue
        try:
            table = parse_columns(store.benches.columns(summary.name), "")
        except UsageError:
            continue  # `bench report` says what is wrong with it
        if table.digest == card.training.table:
            derived = card.mixed is not None and card.metric not in table.metrics
            return (with_mixed(table, card.mixed or {}) if derived else table).pivot(card.metric)
    return None


def standing(told: Explanation, checkpoint: Checkpoint, question: Question) -> Standing | None:
    """The decision among those the router would take for its training prompts."""
    import numpy as np

    columns = {name: column for column, name in enumerate(checkpoint.functions)}
    estimates = np.asarray(checkpoint.training_estimates, dtype=np.float64)
    if checkpoint.card.scale is not None:
        estimates = checkpoint.card.scale.of(estimates)
    if told.choice not in columns or told.runner_up not in columns or not len(estimates):
        return None
    prompts, shares = checkpoint.card.training.prompts, checkpoint.training_weights  # of a few
    leads = estimates[:, columns[told.choice]] - estimates[:, columns[told.runner_up]]
    smaller = float(np.average(leads < (told.lead or 0.0), weights=shares))
    weight = question.lambda_per_usd
    options = [o for o in question.options if o.function in columns]
    options = sorted(options, key=lambda o: inf if o.price is None else o.price)
    if weight:
        options = [option for option in options if option.price is not None]
    if question.policy.kind not in ("balanced", "tradeoff", "lambda") or not options:
        return Standing(prompts, None, smaller)
    worths = estimates[:, [columns[option.function] for option in options]]
    paid = np.array([weight * (option.price or 0.0) for option in options])
    if question.policy.kind == "balanced":
        worths = np.where(_held(worths, options, checkpoint.paired), -inf, worths)
    picked = np.argmax(worths - paid, axis=1)  # of equals the cheapest, which stands first
    names = [option.function for option in options]
    if told.choice not in names:
        return Standing(prompts, None, smaller)
    share = float(np.average(picked == names.index(told.choice), weights=shares))
    return Standing(prompts, share, smaller)


def _held(
    worths: NDArray[np.float64], options: Sequence[Option], spread: PairedSpread | None
) -> NDArray[np.bool_]:
    """Which options balanced does not pay for, prompt by prompt; the cheapest stands first."""
    import numpy as np

    if any(option.price is None for option in options):
        return np.zeros(worths.shape, dtype=np.bool_)
    cost = np.array([option.price for option in options], dtype=np.float64)
    gains = [
        None if spread is None else spread.least_gain(one.function, options[0].function)
        for one in options
    ]
    least = np.array([inf if gain is None else gain for gain in gains])
    return np.asarray((cost > FREE_HAND * cost[0]) & ~(worths - worths[:, :1] > least))


def nearest_texts(prompt: str, prompts: Sequence[str], count: int) -> tuple[Neighbour, ...]:
    """The prompts that share the rarest words with one: cosine of tf-idf words, each once."""
    sets = [_content(text) for text in prompts]
    frequency: dict[str, int] = {}
    for words in sets:
        for word in words:
            frequency[word] = frequency.get(word, 0) + 1
    total = 1.0 + len(prompts)

    def weight(word: str) -> float:
        return (log(total / (1.0 + frequency.get(word, 0))) + 1.0) ** 2

    asked = _content(prompt)
    own = sqrt(sum(map(weight, asked))) or 1.0
    found = []
    for row, words in enumerate(sets):
        if shared := asked & words:
            length = sqrt(sum(map(weight, words))) or 1.0
            found.append((1.0 - sum(map(weight, shared)) / (own * length), row))
    return tuple(Neighbour(prompts[row], max(0.0, far)) for far, row in sorted(found)[:count])


def _content(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower())) - FUNCTION_WORDS


def _mapped(told: Explanation, scale: Scale) -> Explanation:
    """Scores of training prompts in the unit of the user's instrument, as the estimates are."""
    import numpy as np

    def of(scores: Mapping[str, float]) -> dict[str, float]:
        values = scale.of(np.array(list(scores.values()), dtype=np.float64))
        return dict(zip(scores, values.tolist(), strict=True))

    near = tuple(
        one if one.scores is None else replace(one, scores=of(one.scores))
        for one in told.neighbours
    )
    cluster = told.cluster and replace(told.cluster, means=of(told.cluster.means))
    return replace(told, neighbours=near, cluster=cluster)


def _without_words(decision: RoutingDecision, load_cost: bool | None, note: str) -> Explanation:
    told = explain(decision, None, load_cost=load_cost)
    return replace(told, words_note=told.words_note or note, neighbours_note=note)


def _near(neighbours: Sequence[Neighbour]) -> tuple[Neighbour, ...]:
    """Those that have anything in common with the prompt."""
    return tuple(n for n in neighbours if n.distance < 1.0 - 1e-6)


def _none_near(neighbours: Sequence[Neighbour]) -> str:
    return "" if _near(neighbours) else "no training prompt shares a word with this one"


def _scores(table: Pivot, row: int | None) -> Mapping[str, float] | None:
    """The mean scores of a row; functions without one are left out."""
    if row is None:
        return None
    values = zip(table.functions, table.scores[row].tolist(), strict=True)
    return {name: value for name, value in values if not isnan(value)}


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME * max(1.0, abs(one))
