"""Trains a router on a table the pack was drawn for, and puts a trained one into the pack.

`python -m cems_tui.starter.recipe.training.router --table train.csv --name R [--kind K]` trains;
with `--pack DIR` (alone, too) the router of that name becomes the pack's. `--outside TABLE` adds
to the pack's router what prompts outside the vocabulary scored (`recipe.checks.outside_scores`),
`--sizes TABLE` what pictures of other sizes did (`recipe.checks.size_scores`).
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from cems_tui.errors import WeightsError
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.routing.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from cems_tui.routing.estimators.outside import KnownWords, Outside
from cems_tui.routing.training.outside_bands import OUTSIDE, SIZES, learn_sizes, outside_of
from cems_tui.score_tables.formats import read_table, write_table
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.score_tables.own import Scored
from cems_tui.scoring.clip import ClipScorer
from cems_tui.scoring.nima import NimaScorer
from cems_tui.scoring.nima_head import load_nima
from cems_tui.starter.manifest import read_manifest, write_manifest
from cems_tui.starter.scenes import SIZE_PX
from cems_tui.starter.vocabulary import (
    FILLER,
    GLUE,
    MEDIA,
    NOUN_OF,
    POSTURES,
    RELATIONS,
    WORDS,
)

FOLDER = "router"
ENDINGS = (".json", ".safetensors")


def add_router(pack: Path, routers: Path, name: str) -> None:
    """Copy a router's card and weights into the pack and list them in its manifest.

    Raises:
        WeightsError: there is no such router, or no pack.
    """
    read_manifest(pack)  # says so where there is no pack
    target = pack / FOLDER
    target.mkdir(exist_ok=True)
    for ending in ENDINGS:
        file = routers / f"{name}{ending}"
        if not file.is_file():
            raise WeightsError(f"{file} is missing", "Train it with `cems router train`.")
        shutil.copyfile(file, target / file.name)
    _list_again(pack)


def _list_again(pack: Path) -> None:
    """Write the pack's manifest anew: some of its files are others now."""
    before = read_manifest(pack)
    write_manifest(
        pack,
        version=before.version,
        licence=before.licence,
        pipelines=before.pipelines,
        scorers=before.scorers,
        name=before.name,
        licences={path: entry.licence for path, entry in before.files.items()},
        created=before.created,
    )


def add_outside(pack: Path, name: str, table: Path) -> Outside:
    """Put into the card of the pack's router what prompts outside the vocabulary scored.

    The table stays beside it: a router that is trained on the same functions learns from it too.
    What the card says of other sizes is left as it is.

    Raises:
        WeightsError: there is no such router in the pack.
        UsageError: the table is none, or too little to learn from.
    """
    folder = pack / FOLDER
    checkpoint = load_checkpoint(folder, name)
    card, drawn = checkpoint.card, read_table(table)
    sizes = card.outside.sizes if card.outside else ()
    outside = replace(outside_of(card, known_words(), drawn, None), sizes=sizes)
    write_table(drawn, folder / OUTSIDE)
    save_checkpoint(folder, replace(checkpoint, card=replace(card, outside=outside)))
    _list_again(pack)
    return outside


def add_sizes(pack: Path, name: str, table: Path) -> Outside:
    """Put into the card of the pack's router what pictures of other sizes scored.

    Raises:
        WeightsError: there is no such router in the pack, or it knows nothing of what is outside.
        UsageError: the table is none, or too little to learn from.
    """
    folder = pack / FOLDER
    checkpoint = load_checkpoint(folder, name)
    card, drawn = checkpoint.card, read_table(table)
    if card.outside is None:
        raise WeightsError(f"router {name} has no bands of prompts outside", "Add --outside first.")
    scored = drawn if card.mixed is None else with_mixed(drawn, card.mixed)
    sizes = learn_sizes(scored, card.metric, tuple(card.functions), SIZE_PX**2)
    write_table(drawn, folder / SIZES)
    outside = replace(card.outside, sizes=sizes)
    save_checkpoint(folder, replace(checkpoint, card=replace(card, outside=outside)))
    _list_again(pack)
    return outside


def known_words() -> KnownWords:
    """The pack's vocabulary as its router keeps it."""
    silent = {*GLUE, *FILLER, *MEDIA, *POSTURES}
    silent |= {word for said in RELATIONS.values() for phrase in said for word in phrase.split()}
    things = frozenset(NOUN_OF)
    return KnownWords(things, frozenset(WORDS) - things - silent, frozenset(silent))


def train_on(table: Path, name: str, kind: str) -> Card:
    """A router of mixed quality in one's own folder, learned from scores of the pack's scorers.

    Raises:
        UsageError: the table is none, or too little to learn from.
    """
    profile = Profile.current()
    folder = profile.pack / "scorers"
    scorers = {
        "nima": NimaScorer(folder / "nima", load_nima).id,
        "clip": ClipScorer(folder / "clip").id,
    }
    return profile.trainer.learn(Scored(read_table(table), scorers, {}), name, kind, "mixed", print)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="starter", help="the router, of one's own folder")
    parser.add_argument("--table", type=Path, help="train it on this score table first")
    parser.add_argument("--kind", default="ensemble")
    parser.add_argument("--pack", type=Path, help="the pack's folder, to put it into")
    parser.add_argument("--outside", type=Path, help="scores of prompts outside the vocabulary")
    parser.add_argument("--sizes", type=Path, help="scores of pictures of other sizes")
    chosen = parser.parse_args()
    if chosen.table:
        train_on(chosen.table, chosen.name, chosen.kind)
    if chosen.pack:
        if chosen.table is not None or (chosen.outside is None and chosen.sizes is None):
            add_router(chosen.pack, Profile.current().paths.routers, chosen.name)
        if chosen.outside is not None:
            add_outside(chosen.pack, chosen.name, chosen.outside)
        if chosen.sizes is not None:
            add_sizes(chosen.pack, chosen.name, chosen.sizes)


if __name__ == "__main__":
    main()
