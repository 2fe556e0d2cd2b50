"""What the default gives on score tables, against the other ways to choose: one JSON object.

`python -m tests.experiments.balanced DATA [--judged JUDGED.csv] [PART…]`, DATA being the folder of
score tables and JUDGED what `tests.experiments.claim` drew of the pack's functions for prompts that
the pack's router never saw. Parts: `cems`, `small`, `pack`, and `cost`, which needs no pictures:
what balanced costs beside dial 0.5 on those prompts and on others of the grammar, their seed fixed
before.

Each row is a mean cost and a mean quality. `knee` is the held-out knee alone, `tolerance` the
cheapest that is not told apart from the best, `balanced` both. On tables learned in folds each
fold's estimates are of the other folds; the knee and what is told apart are of all folds
(`balanced`) and of the other folds alone (`balanced, cross-fitted`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import load_checkpoint
from cems_tui.routing.decide.dial import balanced_choices, choices, lambda_for_dial
from cems_tui.routing.decide.difference import PairedSpread
from cems_tui.routing.evaluation.balance import balance_of
from cems_tui.routing.evaluation.curves import running_maximum, sweep, zero_curve
from cems_tui.routing.evaluation.differences import learn_paired_spread, seed_errors
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.text_towers import SENTENCE_ENCODER
from cems_tui.routing.training import embedding_trainer, letters_trainer
from cems_tui.routing.training.data import pivot_of
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.prepared_prompts import EncodedPrompts, encode, encode_again
from cems_tui.routing.training.splits import FOLDS, grouped_folds
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from tests.experiments.cems_routers import METRICS, read_prompts
from tests.experiments.claim import parts

Matrix = NDArray[np.float64]
Picks = NDArray[np.intp]

ASSUMED_USD_PER_THOUSAND: Mapping[str, Mapping[str, float]] = {
    "genai_bench.csv": {
        "DALLE_3": 40.0,
        "Midjourney_6": 30.0,
        "DeepFloyd_I_XL_v1": 12.0,
        "SDXL_Base": 4.0,
        "SDXL_2_1": 2.0,
        "SDXL_Turbo": 0.6,
    },
    "tifa160.csv": {
        "mini-dalle": 1.0,
        "vq-diffusion": 2.0,
        "sd1dot1": 4.0,
        "sd1dot5": 8.0,
        "sd2dot1": 16.0,
    },
}
"""Tables without prices: list prices or powers of two, an assumption."""


def _told(
    truth: Matrix, said: Matrix, cost: Matrix, fold: NDArray[np.intp] | None, errors: Matrix | None
) -> dict[str, Any]:
    """Every way to choose on one table, and how often intervals of differences held."""
    names = [str(m) for m in range(cost.size)]
    spread = learn_paired_spread(names, truth, said, errors)
    balanced = balance_of(truth, said, cost, spread)
    value = lambda_for_dial(balanced.dial, said, cost)
    means = truth.mean(axis=0)
    cheapest, best = int(np.argmin(cost)), int(np.argmax(means))
    ways: dict[str, Picks] = {
        "always the cheapest": np.full(len(truth), cheapest),
        "best single": np.full(len(truth), best),
        "dial 0.5": choices(said, cost, lambda_for_dial(0.5, said, cost)),
        "knee": choices(said, cost, value),
        "tolerance": _near_best(said, cost, spread),
        "balanced": balanced_choices(said, cost, value, spread.least),
    }
    found: dict[str, Any] = {"dial": balanced.dial, "least": spread.to_json()["least"]}
    if fold is not None:
        ways["balanced, cross-fitted"] = _cross_fitted(truth, said, cost, fold, errors)
        found["coverage of differences"] = coverage(truth, said, fold)
    curve = sweep(truth, said, cost)
    held = (curve.cost.mean(axis=1), curve.quality.mean(axis=1))
    dear = truth[:, [best]].mean() - truth[:, [cheapest]].mean()
    half = float(cost[ways["dial 0.5"]].mean())
    rows = np.arange(len(truth))
    for name, picks in ways.items():
        paid, quality = float(cost[picks].mean()), float(truth[rows, picks].mean())
        at = np.array([paid])
        found[name] = {
            "usd_per_thousand": paid * 1000,
            "times_the_cheapest": paid / float(cost[cheapest]),
            "of_dial_half": paid / half,
            "quality": quality,
            "quality_share": (quality - float(means[cheapest])) / float(dear) if dear > 0 else None,
            "against_best_single": quality - float(means[best]),
            "against_curve": quality - float(running_maximum(*held, at)[0]),
            "against_zero_mix": quality - float(zero_curve(cost, means, at)[0]),
        }
    gain = said[rows, ways["balanced"]] - said[:, cheapest]
    least = spread.least[ways["balanced"], cheapest]
    dearer = cost[ways["balanced"]] > 2 * cost[cheapest]
    found["paid over twice the cheapest for what is not told apart"] = int(
        (dearer & ~(gain > least)).sum()
    )
    return found


def _near_best(said: Matrix, cost: Matrix, spread: PairedSpread) -> Picks:
    """The cheapest function that is not told apart from the best."""
    best = np.argmax(said, axis=1)
    lead = said[np.arange(len(said)), best][:, None] - said
    near = lead <= np.nan_to_num(spread.least[best], nan=np.inf)
    return np.asarray(np.argmin(np.where(near, cost, np.inf), axis=1))


def _cross_fitted(
    truth: Matrix, said: Matrix, cost: Matrix, fold: NDArray[np.intp], errors: Matrix | None
) -> Picks:
    out = np.empty(len(truth), dtype=np.intp)
    names = [str(m) for m in range(cost.size)]
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        spread = learn_paired_spread(names, truth[inside], said[inside], errors)
        dial = balance_of(truth[inside], said[inside], cost, spread).dial
        value = lambda_for_dial(dial, said[inside], cost)
        out[outside] = balanced_choices(said[outside], cost, value, spread.least)
    return out


def coverage(truth: Matrix, said: Matrix, fold: NDArray[np.intp]) -> dict[str, float]:
    """The share of real differences inside the interval that the other folds taught, by pair."""
    width = truth.shape[1]
    inside = np.zeros((width, width))
    for number in np.unique(fold):
        own, others = fold == number, fold != number
        names = list(map(str, range(width)))
        spread = learn_paired_spread(names, truth[others], said[others], None)
        for one in range(width):
            for other in range(one):
                error = (truth - said)[own, one] - (truth - said)[own, other]
                held = (error >= spread.low[one, other]) & (error <= spread.high[one, other])
                inside[one, other] += held.sum()
    shares = inside[np.tril_indices(width, -1)] / len(truth)
    return {"least": float(shares.min()), "mean": float(shares.mean()), "most": float(shares.max())}


def cems(data: Path, _: Path | None) -> dict[str, Any]:
    """The CEMS table in folds, as the shipped routers are learned; the card's prices."""
    table = read_table(data / "cems_train.parquet")
    table = with_mixed(table, constants_of(table))
    encoder = read_sentence_encoder(checkpoints() / "encoder", SENTENCE_ENCODER)
    prepared, found = read_prompts(table), {}
    encoded: EncodedPrompts | None = None
    for metric in METRICS:
        prompts = prepared[metric]
        if encoded is None:
            encoded = encode(prompts, encoder, EmbeddingCache(None))
        else:
            encoded = encode_again(encoded, prompts)
        order = TrainingOrder(
            table,
            metric,
            metric,
            kind="ridge",
            features="text",
            tower=encoder,
            prepared=prompts,
            encoded=encoded,
        )
        fitted = embedding_trainer.fit(order, embedding_trainer.prepare(order))
        pivot, prices = fitted.judged, table.costs()
        cost = np.array([prices[name] for name in pivot.functions], dtype=np.float64)
        said = fitted.estimates.astype(np.float64)
        found[metric] = _told(pivot.scores, said, cost, prompts.fold, seed_errors(table, pivot))
    return found


def small(data: Path, _: Path | None) -> dict[str, Any]:
    """Two tables of human scores, prices assumed."""
    found = {}
    for name, prices in ASSUMED_USD_PER_THOUSAND.items():
        table = read_table(data / name)
        for metric in table.metrics[:1]:
            order = TrainingOrder(table, metric, metric)
            fitted = letters_trainer.fit(order, letters_trainer.prepare(order))
            pivot = fitted.judged
            rows = np.flatnonzero(pivot.complete)
            fold = grouped_folds(pivot.prompts, pivot.groups, FOLDS, order.seed)
            cost = np.array([prices[one] for one in pivot.functions]) / 1000
            said = fitted.estimates.astype(np.float64)
            errors = seed_errors(table, pivot)
            found[f"{name}:{metric}"] = _told(
                pivot.scores[rows], said[rows], cost, fold[rows], errors
            )
    return found


def pack(_: Path, judged: Path | None) -> dict[str, Any]:
    """The pack's pool: the default of the shipped card on prompts that were drawn for it."""
    router = load_checkpoint(checkpoints() / "starter" / "router", "starter")
    card = router.card
    assert judged is not None, "give --judged"
    assert card.mixed is not None
    assert card.differences is not None
    assert card.balanced is not None
    pivot = pivot_of(with_mixed(read_table(judged), card.mixed), card.metric)
    order = [pivot.functions.index(name) for name in card.functions]
    truth = pivot.scores[:, order]
    answers = [router.estimate(prompt).estimates for prompt in pivot.prompts]
    said = np.array([[one[name].quality for name in card.functions] for one in answers], np.float64)
    prices = dict(card.prices)
    cost = np.array([prices[name] for name in card.functions], dtype=np.float64)
    value = router.lambda_at(card.balanced.dial, prices)
    ways = {
        "always the cheapest": np.full(len(truth), int(np.argmin(cost))),
        "best single": np.full(len(truth), int(np.argmax(truth.mean(axis=0)))),
        "dial 0.5": choices(said, cost, router.lambda_at(0.5, prices)),
        "knee": choices(said, cost, value),
        "balanced": balanced_choices(said, cost, value, card.differences.least),
    }
    half = float(cost[ways["dial 0.5"]].mean())
    rows, found = np.arange(len(truth)), dict[str, Any](prompts=len(truth), dial=card.balanced.dial)
    means = truth.mean(axis=0)
    for name, picks in ways.items():
        paid = float(cost[picks].mean())
        gap = truth[rows, picks] - truth[:, int(np.argmax(means))]
        error = 1.96 * float(gap.std()) / len(truth) ** 0.5
        found[name] = {
            "usd_per_thousand": paid * 1000,
            "times_the_cheapest": paid / float(cost.min()),
            "of_dial_half": paid / half,
            "quality": float(truth[rows, picks].mean()),
            "expected_quality": float(said[rows, picks].mean()),
            "against_best_single": float(gap.mean()),
            "against_best_single_ci95": [float(gap.mean()) - error, float(gap.mean()) + error],
            "expected_against_best_single": float(
                said[rows, picks].mean() - said.mean(axis=0).max()
            ),
            "against_zero_mix": float(truth[rows, picks].mean())
            - float(zero_curve(cost, means, np.array([paid]))[0]),
        }
    return found


MORE_PROMPTS = 200
MORE_SEED = "balanced, a second sample, 2026-11-27"
RESAMPLES = 10_000


def cost(_: Path, __: Path | None) -> dict[str, Any]:
    """What balanced costs of the shipped card beside dial 0.5, on two samples and on both."""
    first = [case.prompt for case in parts(4, 100)[1].asked]
    drawn = [prompt for prompt, _ in benchmark_prompts(2 * MORE_PROMPTS, MORE_SEED)]
    second = [prompt for prompt in drawn if prompt not in first][:MORE_PROMPTS]
    samples = {"first": first, "second": second, "both": first + second}
    return {name: _cost_beside_half(prompts) for name, prompts in samples.items()}


def _cost_beside_half(prompts: Sequence[str]) -> dict[str, Any]:
    router = load_checkpoint(checkpoints() / "starter" / "router", "starter")
    card = router.card
    assert card.differences is not None
    assert card.balanced is not None
    prices = dict(card.prices)
    costs = np.array([prices[name] for name in card.functions], dtype=np.float64)
    answers = [router.estimate(prompt).estimates for prompt in prompts]
    said = np.array([[one[name].quality for name in card.functions] for one in answers], np.float64)
    value = router.lambda_at(card.balanced.dial, prices)
    balanced = costs[balanced_choices(said, costs, value, card.differences.least)]
    half = costs[choices(said, costs, router.lambda_at(0.5, prices))]
    rows = np.random.default_rng(0).integers(0, len(prompts), (RESAMPLES, len(prompts)))
    ratios = balanced[rows].mean(axis=1) / half[rows].mean(axis=1)
    return {
        "prompts": len(prompts),
        "usd_per_thousand": float(balanced.mean()) * 1000,
        "of_dial_half": float(balanced.mean() / half.mean()),
        "of_dial_half_ci95": [float(one) for one in np.quantile(ratios, [0.025, 0.975])],
    }


PARTS: Mapping[str, Callable[[Path, Path | None], dict[str, Any]]] = {
    "pack": pack,
    "cems": cems,
    "small": small,
    "cost": cost,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--judged", type=Path)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m tests.experiments.balanced DATA --judged JUDGED",
    }
    for part in chosen.parts:
        found[part] = PARTS[part](chosen.data, chosen.judged)
        print(part, file=sys.stderr, flush=True)
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
