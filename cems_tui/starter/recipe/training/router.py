"""Trains a router on a table the pack was drawn for, and puts a trained one into the pack.

`python -m cems_tui.starter.recipe.training.router --table train.csv --name R [--kind K]` trains;
with `--pack DIR` (alone, too) the router of that name becomes the pack's.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from cems_tui.errors import WeightsError
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.card import Card
from cems_tui.score_tables.formats import read_table
from cems_tui.score_tables.own import Scored
from cems_tui.scoring.clip import ClipScorer
from cems_tui.scoring.nima import NimaScorer
from cems_tui.scoring.nima_head import load_nima
from cems_tui.starter.manifest import read_manifest, write_manifest

FOLDER = "router"
ENDINGS = (".json", ".safetensors")


def add_router(pack: Path, routers: Path, name: str) -> None:
    """Copy a router's card and weights into the pack and list them in its manifest.

    Raises:
        WeightsError: there is no such router, or no pack.
    """
    before = read_manifest(pack)
    target = pack / FOLDER
    target.mkdir(exist_ok=True)
    for ending in ENDINGS:
        file = routers / f"{name}{ending}"
        if not file.is_file():
            raise WeightsError(f"{file} is missing", "Train it with `cems router train`.")
        shutil.copyfile(file, target / file.name)
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
    chosen = parser.parse_args()
    if chosen.table:
        train_on(chosen.table, chosen.name, chosen.kind)
    if chosen.pack:
        add_router(chosen.pack, Profile.current().paths.routers, chosen.name)


if __name__ == "__main__":
    main()
