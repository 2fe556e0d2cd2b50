"""Tells the pack's router where the default stands and how sure differences are; weights stay.

`python -m tests.experiments.card_defaults JUDGED`, a table that `tests.experiments.claim` drew of
prompts the router never saw; training writes both by itself. The dial is the knee of the held-out
curve in the card; what the default gives there is what the router expects of other fresh prompts,
as the drawn ones are too few to measure it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cems_tui.files import write_text
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import load_checkpoint
from cems_tui.routing.decide.dial import knee
from cems_tui.routing.evaluation.balance import balance_at
from cems_tui.routing.evaluation.differences import learn_paired_spread, seed_errors
from cems_tui.routing.training.data import pivot_of
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.starter.manifest import read_manifest, write_manifest
from cems_tui.starter.recipe.checks.measure import cases

FRESH = 2000
FRESH_SEED = "what the default gives"
"""No other program draws prompts with it."""

Matrix = NDArray[np.float64]


def pack(judged: Path) -> None:
    """The card of the pack's router."""
    folder = checkpoints() / "starter" / "router"
    router = load_checkpoint(folder, "starter")
    card = router.card
    assert card.mixed is not None
    table = with_mixed(read_table(judged), card.mixed)
    pivot = pivot_of(table, card.metric)
    order = [pivot.functions.index(name) for name in card.functions]

    def said(prompts: tuple[str, ...]) -> Matrix:
        found = [router.estimate(prompt).estimates for prompt in prompts]
        return np.array([[one[f].quality for f in card.functions] for one in found], np.float64)

    errors = seed_errors(table, pivot)
    spread = learn_paired_spread(
        tuple(card.functions),
        pivot.scores[:, order],
        said(pivot.prompts),
        None if errors is None else errors[np.ix_(order, order)],
        " (means of up to 3 pictures)",
    )
    points = [(p["cost_usd"], p["quality"]) for p in card.evaluation["curve"]]
    cost, quality = np.array(points, np.float64).T
    singles = {
        one["name"].removeprefix("always:"): one["quality"] for one in card.evaluation["strategies"]
    }
    prices = _prices(card, tuple(card.functions))
    dial = knee(cost, quality, prices, np.array([singles[name] for name in card.functions]))
    fresh = said(tuple(c.prompt for c in cases(FRESH // 4, FRESH_SEED)))
    balanced = replace(balance_at(dial, fresh, fresh, prices, spread), expected=True)
    rewrite(folder / "starter.json", replace(card, balanced=balanced, differences=spread))
    _refresh_manifest(checkpoints() / "starter")
    print(f"{card.name}: {balanced}")


def rewrite(path: Path, card: Card) -> None:
    """The card with what is new; its weights, and the digest of them, stay."""
    digest = json.loads(path.read_text("utf-8"))["sha256"]
    write_text(path, json.dumps(card.to_json(digest), ensure_ascii=False, indent=1) + "\n")


def _refresh_manifest(folder: Path) -> None:
    before = read_manifest(folder)
    write_manifest(
        folder,
        version=before.version,
        licence=before.licence,
        pipelines=before.pipelines,
        scorers=before.scorers,
        name=before.name,
        licences={path: entry.licence for path, entry in before.files.items()},
        created=before.created,
    )


def _prices(card: Card, functions: tuple[str, ...]) -> Matrix:
    return np.array([card.prices[name] for name in functions], dtype=np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("judged", type=Path)
    pack(parser.parse_args().judged)


if __name__ == "__main__":
    main()
