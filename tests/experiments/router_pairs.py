"""The shipped CEMS routers against twenty lines of ridge, prompt by prompt, in the same folds.

`python -m tests.experiments.router_pairs TABLE [CACHE]` prints, for every metric, the area
recovered in five grouped folds by ridge regression on tf-idf words and pairs (one penalty, chosen
on the other folds), by letters alone and by letters with the encoder, and the differences with
their paired 95 % intervals. CACHE keeps what the encoder reads.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cems_tui.paths import checkpoints
from cems_tui.routing.estimators.ridge import cross_validated, kernel
from cems_tui.routing.evaluation.evaluate import areas, resampled
from cems_tui.routing.evaluation.truth import costs_of
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.letters import FeatureConfig, grams
from cems_tui.routing.features.space import Block
from cems_tui.routing.features.text_towers import SENTENCE_ENCODER
from cems_tui.routing.training import embedding_trainer, letters_trainer
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.prepared_prompts import (
    PreparedPrompts,
    encode,
    encode_again,
)
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.table import Pivot
from tests.experiments.cems_routers import METRICS, read_prompts

Matrix = NDArray[np.float64]

ALPHAS = (1.0, 3.0, 10.0, 30.0, 100.0)
RESAMPLES = 1000


def twenty_lines(pivot: Pivot, prompts: PreparedPrompts) -> Matrix:
    """Held-out deviations from the prompt's mean (N, M) by one ridge on tf-idf words and pairs."""
    said = [grams(prompt, FeatureConfig()) for prompt in pivot.prompts]
    words = [np.concatenate([one.words, one.pairs]) for one in said]
    block = Block.learn(words, 1 << 20, 2)
    gram = kernel([block.vector(one) for one in words], block.keys.size)
    fold = prompts.fold
    targets = (pivot.scores - pivot.scores.mean(axis=1, keepdims=True)).astype(np.float32)
    tried = cross_validated(gram, fold, ALPHAS, targets)
    out = np.empty_like(pivot.scores)
    for number in np.unique(fold):
        others = fold != number
        errors = [float(np.square(one[others] - targets[others]).mean()) for one in tried]
        out[~others] = tried[int(np.argmin(errors))][~others]
    return out


def compared(truth: Matrix, cost: Matrix, said: Mapping[str, Matrix]) -> dict[str, Any]:
    """The areas of several routers and their paired differences from the first, in %."""
    weights = resampled(len(truth), RESAMPLES, 42)
    found = {}
    for name, one in said.items():
        router, oracle = areas(truth, one, cost, weights)
        found[name] = 100.0 * router / oracle
    first, *_ = found
    out: dict[str, Any] = {name: _interval(one) for name, one in found.items()}
    for name in list(found)[1:]:
        out[f"{name} - {first}"] = _interval(found[name] - found[first])
    last = list(found)[-1]
    if len(found) > 2:
        second = list(found)[1]
        out[f"{last} - {second}"] = _interval(found[last] - found[second])
    return out


def _interval(values: Matrix) -> dict[str, Any]:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return {"value": float(values[0]), "ci95": [float(low), float(high)]}


def main(arguments: Sequence[str]) -> int:
    """`TABLE [CACHE]`; 2 where the words are wrong."""
    if len(arguments) not in (1, 2):
        print("usage: python -m tests.experiments.router_pairs TABLE [CACHE]", file=sys.stderr)
        return 2
    table, *cache = (Path(one) for one in arguments)
    scores = read_table(table)
    encoder = read_sentence_encoder(checkpoints() / "encoder", SENTENCE_ENCODER)
    prepared, encoded = read_prompts(scores), None
    kept = EmbeddingCache(*cache) if cache else EmbeddingCache(None)
    for metric in METRICS:
        prompts = prepared[metric]
        encoded = (
            encode(prompts, encoder, kept) if encoded is None else encode_again(encoded, prompts)
        )
        order = TrainingOrder(
            scores,
            metric,
            "pairs",
            kind="ridge",
            features="text",
            tower=encoder,
            prepared=prompts,
            encoded=encoded,
        )
        material = embedding_trainer.prepare(order)
        cost = np.array(list(costs_of(material.table, {}, material.pivot.functions).values()))
        said = {
            "twenty lines": twenty_lines(material.pivot, prompts),
            "letters": letters_trainer.fit(order, material).estimates.astype(np.float64),
            "encoder": embedding_trainer.fit(order, material).estimates.astype(np.float64),
        }
        print(json.dumps({metric: compared(material.pivot.scores, cost, said)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
