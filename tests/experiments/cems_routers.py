"""Builds the routers that ship for the four models of CEMS.

`python -m tests.experiments.cems_routers TABLE OUT [CACHE]`. CACHE keeps what the encoder read of
the prompts, which takes longest.

They are learned from the score table of the CEMS authors (Lee & Lee, CIKM 2024), which has no
licence to pass on: a shipped router keeps no prompt of it and no prompt's score.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cems_tui.domain.encoder import FunctionFacts
from cems_tui.paths import checkpoints
from cems_tui.routing.checkpoints.checkpoint import Checkpoint, save_checkpoint
from cems_tui.routing.features.cache import EmbeddingCache
from cems_tui.routing.features.encoder_files import read_sentence_encoder
from cems_tui.routing.features.letters import FeatureConfig
from cems_tui.routing.features.text_encoder import TextEncoder
from cems_tui.routing.features.text_towers import SENTENCE_ENCODER
from cems_tui.routing.training.data import pivot_of
from cems_tui.routing.training.letters_trainer import prepared_for
from cems_tui.routing.training.order import TrainingOrder
from cems_tui.routing.training.prepared_prompts import (
    EncodedPrompts,
    PreparedPrompts,
    encode,
    encode_again,
)
from cems_tui.routing.training.train import train
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.mixed import constants_of, with_mixed
from cems_tui.score_tables.table import ScoreTable

METRICS = ("mixed", "clip", "nima")
PICTURES = 3
"""Each published score is the mean of so many pictures."""

ABOUT = "an estimator of ours trained on the CEMS authors' scores, not their network"
PLAIN = FeatureConfig()
FEATURES: Mapping[str, FeatureConfig] = {
    "mixed": PLAIN,
    "clip": PLAIN,
    "nima": replace(PLAIN, fade=20.0, fade_floor=0.1, pairs_weight=0.6),
}
"""NIMA heeds how a prompt begins; in the folds the others gain nothing by it."""

SCORERS = {"nima": "idealo/image-quality-assessment", "clip": "OpenCLIP ViT-g/14"}


def build(
    table: ScoreTable, encoder: TextEncoder, cache: Path | None = None
) -> Iterator[Checkpoint]:
    """The routers cems-nima, cems-clip and cems-mixed, refitted on every prompt of the table.

    Args:
        cache: where what the encoder reads is kept.

    Raises:
        UsageError: the table has too few prompts or functions, or lacks NIMA or CLIP.
    """
    facts = {name: FunctionFacts(steps=_steps(name)) for name in table.functions}
    prepared = read_prompts(table)
    encoded: EncodedPrompts | None = None
    for metric in METRICS:
        prompts = prepared[metric]
        if encoded is None:
            encoded = encode(prompts, encoder, EmbeddingCache(cache))
        else:
            encoded = encode_again(encoded, prompts)
        yield train(
            TrainingOrder(
                table,
                metric,
                f"cems-{metric}",
                kind="ridge",
                features="text",
                tower=encoder,
                about=ABOUT,
                functions_facts=facts,
                scorers=SCORERS,
                pictures=PICTURES,
                prepared=prompts,
                encoded=encoded,
            )
        )


def read_prompts(table: ScoreTable) -> dict[str, PreparedPrompts]:
    """The prompts of the table as the router of each metric reads them."""
    pivot = pivot_of(with_mixed(table, constants_of(table)), "mixed")
    known: dict[FeatureConfig, PreparedPrompts] = {}
    for config in FEATURES.values():
        if config not in known:
            known[config] = prepared_for(pivot, "ridge", config, False)
    return {metric: known[config] for metric, config in FEATURES.items()}


def main(arguments: Sequence[str]) -> int:
    """`TABLE OUT [CACHE]`: writes the checkpoints as they are finished; 2 for wrong words."""
    if len(arguments) not in (2, 3):
        print("usage: python -m tests.experiments.cems_routers TABLE OUT [CACHE]", file=sys.stderr)
        return 2
    source, out, *cache = (Path(one) for one in arguments)
    encoder = read_sentence_encoder(checkpoints() / "encoder", SENTENCE_ENCODER)
    for checkpoint in build(read_table(source), encoder, *cache):
        card = save_checkpoint(out, checkpoint)
        area = checkpoint.card.evaluation.get("area_recovered")
        print(f"{card}: {checkpoint.card.summary}; area recovered {area}")
    return 0


def _steps(function: str) -> int | None:
    steps = function.rpartition("@")[2]
    return int(steps) if steps.isdigit() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
